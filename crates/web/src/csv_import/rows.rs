//! Records become rows, rows become chunks.

use std::{collections::BTreeMap, mem, sync::Arc};

use campanile_domain::{
    guard,
    phone::{self, PhoneNumber},
    settings::Settings,
};
use campanile_store::rows::StagedRow;

use crate::csv_import::{
    ImportError,
    fault::Fault,
    header::{Column, Columns},
    records::Record,
};

/// Rows handed to the store at once, at most.
const CHUNK: usize = 2_000;
/// Bytes of variables handed to the store at once, about.
const CHUNK_BYTES: usize = 1 << 20;
/// Characters of a refused number that are kept for its owner to recognise.
const KEPT_TEXT: usize = 64;
/// The variable under which the cells of a refused row are kept that have no column.
pub(crate) const SURPLUS: &str = "";

/// Rows that were read.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) rows: Vec<StagedRow>,
    pub(super) refused: Vec<Refused>,
    /// Refused rows by reason.
    pub(super) reasons: BTreeMap<&'static str, u64>,
    /// Bytes of their variables.
    bytes: usize,
}

/// A row that is no contact.
#[derive(Debug)]
pub(super) struct Refused {
    /// Line on which it begins, from 1.
    pub(super) line: u64,
    /// The number as it stood there, shortened.
    pub(super) text: String,
    pub(super) fault: Fault,
    /// The other columns, compact JSON object.
    pub(super) variables: String,
}

/// Takes the chunks. Dynamic, because it is called once for many rows.
pub(super) type Sink<'a> = &'a mut dyn FnMut(Chunk);

/// Reads records, and hands rows over in chunks.
pub(super) struct Rows {
    pub(super) country: String,
    /// The settings whose toll-fraud guard looks at every number.
    pub(super) guarded_by: Option<Arc<Settings>>,
    pub(super) rows_max: u64,
    pub(super) count: u64,
    pub(super) columns: Option<Columns>,
    /// A NUL was seen somewhere in the file: look where.
    pub(super) may_hold_nul: bool,
    /// The same of U+FFFD.
    pub(super) may_hold_replacement: bool,
    pub(super) chunk: Chunk,
}

impl Rows {
    pub(super) fn take(&mut self, record: &Record, sink: Sink<'_>) -> Result<(), ImportError> {
        let Some(columns) = &self.columns else {
            self.columns = Some(Columns::read(record.cells())?);
            return Ok(());
        };
        // Spreadsheets leave rows of separators behind; they are nobody.
        if record.is_blank() {
            return Ok(());
        }
        self.count += 1;
        if self.count > self.rows_max {
            return Err(ImportError::TooManyRows { rows_max: self.rows_max });
        }
        let fault = if self.may_hold_nul && record.text().contains('\0') {
            Some(Fault::Nul)
        } else if self.may_hold_replacement && record.text().contains(char::REPLACEMENT_CHARACTER) {
            Some(Fault::BadEncoding)
        } else {
            None
        };
        let guard = self.guarded_by.as_deref();
        self.chunk.read_row(record, columns, fault, &self.country, guard);
        if self.chunk.is_full() {
            self.hand_over(sink);
        }
        Ok(())
    }

    pub(super) fn hand_over(&mut self, sink: Sink<'_>) {
        sink(mem::take(&mut self.chunk));
    }
}

/// A number that may be dialled.
fn read_number(
    text: &str,
    country: &str,
    guarded_by: Option<&Settings>,
) -> Result<PhoneNumber, Fault> {
    let number = phone::parse(text, country).map_err(Fault::Phone)?;
    if let Some(settings) = guarded_by {
        guard::check_country(number, settings).map_err(Fault::Barred)?;
    }
    Ok(number)
}

impl Chunk {
    fn is_full(&self) -> bool {
        self.rows.len() + self.refused.len() >= CHUNK || self.bytes >= CHUNK_BYTES
    }

    fn read_row(
        &mut self,
        record: &Record,
        columns: &Columns,
        fault: Option<Fault>,
        country: &str,
        guarded_by: Option<&Settings>,
    ) {
        let mut number = "";
        let mut variables = String::with_capacity(columns.room() + record.text().len());
        variables.push('{');
        for (column, cell) in columns.iter().zip(record.cells()) {
            match column {
                Column::Phone => number = cell,
                Column::Variable(name) => {
                    if !cell.trim().is_empty() {
                        if variables.len() > 1 {
                            variables.push(',');
                        }
                        variables.push_str(name);
                        variables.push(':');
                        push_json(&mut variables, cell);
                    }
                }
            }
        }
        let surplus = record.cells().skip(columns.len());
        let fault = fault.or_else(|| {
            surplus.clone().any(|cell| !cell.trim().is_empty()).then_some(Fault::TooManyCells)
        });
        let read = match fault {
            Some(fault) => Err(fault),
            None => read_number(number, country, guarded_by),
        };
        let line = record.line;
        match read {
            Ok(phone) => {
                variables.push('}');
                self.bytes += variables.len();
                self.rows.push(StagedRow { line, phone, variables });
            }
            Err(fault) => {
                if fault == Fault::TooManyCells {
                    let cells: Vec<_> = surplus.collect();
                    let comma = if variables.len() > 1 { "," } else { "" };
                    let cells = serde_json::to_string(&cells).expect("texts are JSON");
                    variables.push_str(&format!("{comma}\"{SURPLUS}\":{cells}"));
                }
                variables.push('}');
                self.bytes += variables.len();
                *self.reasons.entry(fault.code()).or_default() += 1;
                let text = number.chars().take(KEPT_TEXT).collect();
                self.refused.push(Refused { line, text, fault, variables });
            }
        }
    }
}

/// Appends a text as JSON.
fn push_json(json: &mut String, text: &str) {
    let is_plain = text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\');
    if is_plain {
        json.push('"');
        json.push_str(text);
        json.push('"');
    } else {
        json.push_str(&serde_json::to_string(text).expect("a text is JSON"));
    }
}

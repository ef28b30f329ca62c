//! The thread that turns a file into rows.

use std::{collections::BTreeMap, mem};

use bytes::Bytes;
use campanile_domain::phone;
use campanile_store::rows::{RejectedRow, StagedRow};
use encoding_rs::Encoding;
use tokio::sync::mpsc;

use crate::csv_import::{
    ImportError,
    decode::Decoding,
    header::{Column, Columns, declared_separator, separator_of},
    records::{Record, Splitter},
};

/// Rows handed to the store at once.
const CHUNK: usize = 2_000;
/// A first line longer than this is no header.
const HEADER_MAX: usize = 1 << 20;
/// Characters of a refused number that are kept for its owner to recognise.
const KEPT_TEXT: usize = 64;

/// Rows that were read.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) rows: Vec<StagedRow>,
    pub(super) rejected: Vec<RejectedRow>,
    /// Refused rows by reason.
    pub(super) reasons: BTreeMap<&'static str, u64>,
}

/// Reads one file.
pub(super) struct Parser {
    decoding: Decoding,
    rows: Rows,
    stage: Stage,
}

enum Stage {
    /// The first line is not complete yet.
    Header {
        text: String,
        /// Line on which `text` begins, from 1.
        line: u64,
        /// From a line `sep=…`.
        declared: Option<u8>,
    },
    Body(Splitter),
}

impl Parser {
    pub(super) fn new(country: String, rows_max: u64, encoding: Option<&'static Encoding>) -> Self {
        Self {
            decoding: Decoding::new(encoding),
            rows: Rows { country, rows_max, count: 0, columns: None, chunk: Chunk::default() },
            stage: Stage::Header { text: String::new(), line: 1, declared: None },
        }
    }

    /// Reads `pieces` to their end. Ends early when nobody takes the chunks any more.
    pub(super) fn run(
        mut self,
        mut pieces: mpsc::Receiver<Bytes>,
        chunks: mpsc::Sender<Chunk>,
    ) -> Result<(), ImportError> {
        let mut text = String::new();
        while let Some(piece) = pieces.blocking_recv() {
            text.clear();
            self.decoding.push(&piece, false, &mut text);
            self.push(&text, &chunks)?;
        }
        text.clear();
        self.decoding.push(&[], true, &mut text);
        self.push(&text, &chunks)?;
        self.finish(&chunks)
    }

    fn push(&mut self, text: &str, chunks: &mpsc::Sender<Chunk>) -> Result<(), ImportError> {
        match &mut self.stage {
            Stage::Body(splitter) => splitter.push(text, |record| self.rows.take(record, chunks)),
            Stage::Header { text: held, .. } => {
                held.push_str(text);
                self.try_header(false, chunks)
            }
        }
    }

    /// Goes on to the body once the first line that is not blank is there.
    fn try_header(
        &mut self,
        is_last: bool,
        chunks: &mpsc::Sender<Chunk>,
    ) -> Result<(), ImportError> {
        while let Stage::Header { text, line, declared } = &mut self.stage {
            let Some(end) = end_of_line(text, is_last) else {
                return if text.len() > HEADER_MAX {
                    Err(ImportError::RowTooLong { line: *line })
                } else if is_last {
                    Err(ImportError::Empty)
                } else {
                    Ok(())
                };
            };
            let first = &text[..end];
            if first.trim().is_empty() {
                text.drain(..end);
                *line += 1;
            } else if let (None, Some(separator)) = (*declared, declared_separator(first)) {
                *declared = Some(separator);
                text.drain(..end);
                *line += 1;
            } else {
                let separator = declared.unwrap_or_else(|| separator_of(first));
                let (text, line) = (mem::take(text), *line);
                self.stage = Stage::Body(Splitter::new(separator, line));
                return self.push(&text, chunks);
            }
        }
        Ok(())
    }

    fn finish(mut self, chunks: &mpsc::Sender<Chunk>) -> Result<(), ImportError> {
        self.try_header(true, chunks)?;
        if let Stage::Body(splitter) = &mut self.stage {
            splitter.finish(|record| self.rows.take(record, chunks))?;
        }
        if self.rows.count == 0 {
            return Err(ImportError::NoRows);
        }
        self.rows.hand_over(chunks);
        Ok(())
    }
}

/// Where the first line ends, its line end included; `None` while it may go on.
fn end_of_line(text: &str, is_last: bool) -> Option<usize> {
    match text.find(['\r', '\n']) {
        Some(end) if text[end..].starts_with("\r\n") => Some(end + 2),
        // A line feed may follow in the next piece.
        Some(end) if text.len() == end + 1 && text.ends_with('\r') && !is_last => None,
        Some(end) => Some(end + 1),
        None if is_last && !text.is_empty() => Some(text.len()),
        None => None,
    }
}

/// Records become rows, rows become chunks.
struct Rows {
    country: String,
    rows_max: u64,
    count: u64,
    columns: Option<Columns>,
    chunk: Chunk,
}

impl Rows {
    fn take(&mut self, record: &Record, chunks: &mpsc::Sender<Chunk>) -> Result<(), ImportError> {
        let Some(columns) = &self.columns else {
            self.columns = Some(Columns::read(record.cells())?);
            return Ok(());
        };
        // Spreadsheets leave rows of separators behind; they are nobody.
        if record.cells().all(|cell| cell.trim().is_empty()) {
            return Ok(());
        }
        self.count += 1;
        if self.count > self.rows_max {
            return Err(ImportError::TooManyRows { rows_max: self.rows_max });
        }
        match read_row(record, columns, &self.country) {
            Ok(row) => self.chunk.rows.push(row),
            Err((text, reason)) => {
                *self.chunk.reasons.entry(reason).or_default() += 1;
                self.chunk.rejected.push(RejectedRow {
                    line: record.line,
                    text: text.chars().take(KEPT_TEXT).collect(),
                    reason: reason.to_owned(),
                });
            }
        }
        if self.chunk.rows.len() + self.chunk.rejected.len() >= CHUNK {
            self.hand_over(chunks);
        }
        Ok(())
    }

    fn hand_over(&mut self, chunks: &mpsc::Sender<Chunk>) {
        // Nobody takes it: the store failed, and who asked has been told.
        let _ = chunks.blocking_send(mem::take(&mut self.chunk));
    }
}

/// A good row, or the number as it stood there and why the row was refused.
fn read_row<'a>(
    record: &'a Record,
    columns: &Columns,
    country: &str,
) -> Result<StagedRow, (&'a str, &'static str)> {
    let mut number = "";
    let mut variables = String::from("{");
    let mut fault = None;
    for (column, cell) in columns.iter().zip(record.cells()) {
        if cell.contains('\0') {
            fault = fault.or(Some("nul_character"));
        } else if cell.contains(char::REPLACEMENT_CHARACTER) {
            fault = fault.or(Some("bad_encoding"));
        }
        match column {
            Column::Phone => number = cell,
            Column::Variable(name) => {
                if !cell.trim().is_empty() {
                    if variables.len() > 1 {
                        variables.push(',');
                    }
                    variables.push_str(name);
                    variables.push(':');
                    variables.push_str(&serde_json::to_string(cell).expect("a text is JSON"));
                }
            }
        }
    }
    variables.push('}');
    if record.cells().skip(columns.len()).any(|cell| !cell.trim().is_empty()) {
        fault = fault.or(Some("too_many_columns"));
    }
    if let Some(reason) = fault {
        return Err((number, reason));
    }
    match phone::parse(number, country) {
        Ok(phone) => Ok(StagedRow { line: record.line, phone, variables }),
        Err(error) => Err((number, error.code())),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    /// What becomes of a file that comes in pieces of `piece` bytes.
    fn parsed(file: &[u8], piece: usize) -> String {
        let (pieces, received) = mpsc::channel(file.len() + 1);
        for part in file.chunks(piece) {
            pieces.try_send(Bytes::copy_from_slice(part)).unwrap();
        }
        drop(pieces);
        let (chunks, mut taken) = mpsc::channel(1_000);
        let ended = Parser::new("IN".into(), 5, None).run(received, chunks);
        let mut shown = String::new();
        while let Ok(chunk) = taken.try_recv() {
            for row in chunk.rows {
                let _ = writeln!(shown, "{} {} {}", row.line, row.phone, row.variables);
            }
            for row in chunk.rejected {
                let _ = writeln!(shown, "{} {:?} {}", row.line, row.text, row.reason);
            }
        }
        if let Err(error) = ended {
            let _ = writeln!(shown, "{}: {error}", error.code());
        }
        shown
    }

    fn in_any_pieces(file: &[u8]) -> String {
        let whole = parsed(file, file.len().max(1));
        for piece in [1, 2, 3, 5] {
            assert_eq!(parsed(file, piece), whole, "in pieces of {piece}");
        }
        whole
    }

    #[test]
    fn separators_line_ends_and_quotes_of_spreadsheets() {
        let expected = "2 +919876543210 {\"name\":\"Asha\",\"city\":\"Pune\"}\n\
                        3 +919876543211 {\"name\":\"Ravi, Jr.\"}\n";
        for separator in [",", ";", "\t", "|"] {
            for end in ["\n", "\r\n", "\r"] {
                let file = [
                    ["Name", "Phone Number", "city"].join(separator).replace("Name", "name"),
                    ["Asha", "09876543210", "Pune"].join(separator),
                    ["\"Ravi, Jr.\"", " +91 98765 43211 ", " "].join(separator),
                    String::new(),
                    separator.repeat(2),
                ]
                .join(end);
                assert_eq!(in_any_pieces(file.as_bytes()), expected, "{separator:?} {end:?}");
            }
        }
    }

    #[test]
    fn a_declared_separator_is_not_a_header() {
        assert_eq!(
            in_any_pieces(b"sep=;\r\nphone_number;a\r\n+919876543210;1,2\r\n"),
            "3 +919876543210 {\"a\":\"1,2\"}\n"
        );
    }

    #[test]
    fn refused_rows_say_why_and_where() {
        let file = "phone_number,name\n\
                    banana,fruit\n\
                    ,nobody\n\
                    +919876543210,a\0b\n\
                    +919876543210,x,y\n\
                    +919876543210,ok,\n";
        insta::assert_snapshot!(in_any_pieces(file.as_bytes()), @r#"
        6 +919876543210 {"name":"ok"}
        2 "banana" letters
        3 "" empty
        4 "+919876543210" nul_character
        5 "+919876543210" too_many_columns
        "#);
    }

    #[test]
    fn a_byte_that_is_no_text_refuses_its_row_alone() {
        let mut file = "phone_number,name\n".as_bytes().to_vec();
        for _ in 0..3 {
            file.extend_from_slice("+919876543210,Übergrößenträger Müßiggänger\n".as_bytes());
        }
        file.extend_from_slice(b"+919876543211,Jos\xE9\n");
        let shown = in_any_pieces(&file);
        assert!(shown.ends_with("5 \"+919876543211\" bad_encoding\n"), "{shown}");
        assert_eq!(shown.lines().count(), 4);
    }

    #[test]
    fn faulty_files_are_refused_whole() {
        let files: [&[u8]; 9] = [
            b"",
            b"\n\r\n  \n",
            b"phone_number,name\n",
            b"name\nAsha\n",
            b"phone_number,,name\n1,2,3\n",
            b"phone_number,a,a\n1,2,3\n",
            b"phone_number,a\n+919876543210,\"x\n+919876543211,y\n",
            b"phone_number\n1\n2\n3\n4\n5\n6\n",
            b"\xFF\xFE",
        ];
        let shown: Vec<_> = files.map(in_any_pieces).to_vec();
        insta::assert_snapshot!(shown.concat());
    }

    #[test]
    fn utf16_and_windows_1252_are_read() {
        let utf16: Vec<u8> = "\u{feff}phone_number\tname\r\n+919876543210\tআশা\r\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(in_any_pieces(&utf16), "2 +919876543210 {\"name\":\"আশা\"}\n");
        let western = b"phone_number;name\r\n+4930901820;Jos\xE9 M\xFCller\r\n";
        assert_eq!(in_any_pieces(western), "2 +4930901820 {\"name\":\"José Müller\"}\n");
    }
}

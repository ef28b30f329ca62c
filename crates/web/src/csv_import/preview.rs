//! The beginning of a contact file, read as the whole will be: so that a wrong guess
//! of its encoding or separator is seen before it matters.

use campanile_domain::phone::PhoneNumber;

use crate::csv_import::{
    ImportError, ImportOptions, Separator, fault::Fault, parser::Parser, rows::Chunk,
};

/// So much of a file is looked at.
pub const PREVIEW_BYTES: usize = 256 * 1024;

/// Rows that are shown.
const ROWS_MAX: usize = 20;

/// How a file would be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// Name of its encoding (Encoding Standard).
    pub encoding: &'static str,
    /// What separates its cells.
    pub separator: Separator,
    /// The names of its columns, in file order.
    pub columns: Vec<String>,
    /// Its first rows.
    pub rows: Vec<PreviewRow>,
}

/// One row of a preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewRow {
    /// Line on which it begins, from 1.
    pub line: u64,
    /// The number, or as it stands there and the word for why it is refused.
    pub number: Result<PhoneNumber, (String, &'static str)>,
    /// The other columns, compact JSON object.
    pub variables: String,
}

/// Reads the beginning of a file, or all of it when it `is_whole`. A row that the end
/// of the beginning cuts is left out.
pub fn preview(
    head: &[u8],
    is_whole: bool,
    options: &ImportOptions,
    country: &str,
) -> Result<Preview, ImportError> {
    let mut rows = Vec::new();
    let mut keep = |chunk: Chunk| {
        // Good and bad ones apart, each in file order: the first of all are among the
        // first of each.
        let good = chunk.rows.into_iter().take(ROWS_MAX).map(|row| PreviewRow {
            line: row.line,
            number: Ok(row.phone),
            variables: row.variables,
        });
        let bad = chunk.refused.into_iter().take(ROWS_MAX).map(|row| PreviewRow {
            line: row.line,
            number: Err((row.text, Fault::code(row.fault))),
            variables: row.variables,
        });
        if rows.len() < ROWS_MAX {
            rows.extend(good.chain(bad));
        }
    };
    let parser = Parser::new(country.to_owned(), options);
    let facts = parser.read_beginning(head, is_whole, &mut keep)?;
    rows.sort_by_key(|row| row.line);
    rows.truncate(ROWS_MAX);
    Ok(Preview {
        encoding: facts.encoding,
        separator: facts.separator,
        columns: facts.columns,
        rows,
    })
}

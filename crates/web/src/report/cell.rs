//! Cells of a CSV file that a spreadsheet may open (RFC 4180, OWASP "CSV injection").

use std::{borrow::Cow, fmt::Display, io::Write};

/// Rows of a CSV file, in memory.
pub(super) struct Rows {
    writer: csv::Writer<Vec<u8>>,
    /// Texts from outside as they are, for programs.
    is_raw: bool,
    /// One value being written out.
    value: Vec<u8>,
}

impl Rows {
    /// With room for so many bytes. Raw, nothing is neutralised: that is for programs,
    /// which a `'` would mislead, and never for a spreadsheet.
    pub(super) fn with_capacity(bytes: usize, is_raw: bool) -> Self {
        let writer = csv::WriterBuilder::new()
            // A refused row may have more cells than the header.
            .flexible(true)
            .terminator(csv::Terminator::CRLF)
            .from_writer(Vec::with_capacity(bytes));
        Self { writer, is_raw, value: Vec::new() }
    }

    /// A value of our own making that cannot begin a formula: ids, counts, times,
    /// words of closed lists.
    pub(super) fn plain(&mut self, value: impl Display) -> &mut Self {
        self.value.clear();
        write!(self.value, "{value}").expect(IN_MEMORY);
        self.writer.write_field(&self.value).expect(IN_MEMORY);
        self
    }

    /// A text from outside, neutralised.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        let text = if self.is_raw { Cow::Borrowed(text) } else { neutralised(text) };
        self.writer.write_field(text.as_bytes()).expect(IN_MEMORY);
        self
    }

    /// The row is complete.
    pub(super) fn end(&mut self) {
        self.writer.write_record(None::<&[u8]>).expect(IN_MEMORY);
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.writer.into_inner().expect(IN_MEMORY)
    }
}

const IN_MEMORY: &str = "writing to memory does not fail";

/// `text` with a `'` before everything that a spreadsheet would run as a formula: at
/// its start and at the start of each of its lines, also after blanks. A tab, CR or
/// LF in front counts too, because spreadsheets drop them.
pub(super) fn neutralised(text: &str) -> Cow<'_, str> {
    let begins_formula = |line: &str| {
        line.trim_start_matches(is_blank)
            .starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'])
    };
    let starts_badly = text.starts_with(['\t', '\r', '\n']);
    if !starts_badly && !text.split(['\r', '\n']).any(begins_formula) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 4);
    if starts_badly {
        safe.push('\'');
    }
    for line in text.split_inclusive(['\r', '\n']) {
        if begins_formula(line) {
            safe.push('\'');
        }
        safe.push_str(line);
    }
    Cow::Owned(safe)
}

/// What a spreadsheet may skip before a formula.
fn is_blank(char: char) -> bool {
    char.is_whitespace()
        || char.is_control()
        || matches!(char, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> String {
        written(cells, false)
    }

    fn written(cells: &[&str], is_raw: bool) -> String {
        let mut rows = Rows::with_capacity(0, is_raw);
        for cell in cells {
            rows.text(cell);
        }
        rows.end();
        String::from_utf8(rows.into_bytes()).unwrap()
    }

    #[test]
    fn formulas_are_neutralised_wherever_they_hide() {
        let table = [
            ("=HYPERLINK(\"http://evil\")", "\"'=HYPERLINK(\"\"http://evil\"\")\"\r\n"),
            ("+1", "'+1\r\n"),
            ("-1", "'-1\r\n"),
            ("@SUM(A1)", "'@SUM(A1)\r\n"),
            ("\tx", "'\tx\r\n"),
            ("\rx", "\"'\rx\"\r\n"),
            ("\nx", "\"'\nx\"\r\n"),
            ("  =1", "'  =1\r\n"),
            ("\u{a0}=1", "'\u{a0}=1\r\n"),
            ("\u{200b}=1", "'\u{200b}=1\r\n"),
            ("\u{feff}=1", "'\u{feff}=1\r\n"),
            ("\u{ff1d}1", "'\u{ff1d}1\r\n"),
            ("ok\n=1", "\"ok\n'=1\"\r\n"),
            ("\n=1", "\"'\n'=1\"\r\n"),
            ("\u{b}=1", "'\u{b}=1\r\n"),
            ("\u{202e}=1", "'\u{202e}=1\r\n"),
            (" \t\u{3000}@x", "' \t\u{3000}@x\r\n"),
            ("ok\r\n\u{a0}+1", "\"ok\r\n'\u{a0}+1\"\r\n"),
            ("{\"a\":\"=1\"}", "\"{\"\"a\"\":\"\"=1\"\"}\"\r\n"),
            ("a=1", "a=1\r\n"),
            ("", "\"\"\r\n"),
        ];
        for (cell, written) in table {
            assert_eq!(row(&[cell]), written, "{cell:?}");
        }
    }

    #[test]
    fn a_raw_file_holds_what_was_there() {
        assert_eq!(written(&["=1", "\n@x", "+49"], true), "=1,\"\n@x\",+49\r\n");
    }

    #[test]
    fn a_csv_reader_reads_what_was_written() {
        let cells = ["plain", "a,b", "say \"hi\"", "two\r\nlines", "", "é 你好"];
        let text = row(&cells);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        let read = reader.records().next().unwrap().unwrap();
        assert_eq!(read.iter().collect::<Vec<_>>(), cells);
    }
}

//! Cells of a CSV file that a spreadsheet may open (RFC 4180, OWASP "CSV injection").

use std::{
    borrow::Cow,
    fmt::Display,
    io::Write,
};

/// One row being written.
pub(super) struct Row<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
}

impl<'a> Row<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, is_first: true }
    }

    /// A value of our own making that needs neither quotes nor neutralising: ids,
    /// numbers, times, words of closed lists.
    pub(super) fn plain(&mut self, value: impl Display) -> &mut Self {
        self.comma();
        write!(self.out, "{value}").expect("writing to memory does not fail");
        self
    }

    /// The same, or an empty cell.
    pub(super) fn maybe(&mut self, value: Option<impl Display>) -> &mut Self {
        match value {
            Some(value) => self.plain(value),
            None => {
                self.comma();
                self
            }
        }
    }

    /// A text from outside: neutralised, and quoted where it must be.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.comma();
        let text = neutralised(text);
        if text.contains(['"', ',', '\r', '\n']) {
            self.out.push(b'"');
            self.out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
            self.out.push(b'"');
        } else {
            self.out.extend_from_slice(text.as_bytes());
        }
        self
    }

    pub(super) fn end(&mut self) {
        self.out.extend_from_slice(b"\r\n");
    }

    fn comma(&mut self) {
        if !self.is_first {
            self.out.push(b',');
        }
        self.is_first = false;
    }
}

/// `text` with a `'` before everything that a spreadsheet would run as a formula: at
/// its start and at the start of each of its lines, also after blanks. A tab, CR or
/// LF in front counts too, because spreadsheets drop them.
fn neutralised(text: &str) -> Cow<'_, str> {
    let begins_formula = |line: &str| {
        line.trim_start_matches(is_blank).starts_with([
            '=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
        ])
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
        let mut out = Vec::new();
        let mut row = Row::new(&mut out);
        for cell in cells {
            row.text(cell);
        }
        row.end();
        String::from_utf8(out).unwrap()
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
            ("{\"a\":\"=1\"}", "\"{\"\"a\"\":\"\"=1\"\"}\"\r\n"),
            ("a=1", "a=1\r\n"),
            ("", "\r\n"),
        ];
        for (cell, written) in table {
            assert_eq!(row(&[cell]), written, "{cell:?}");
        }
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

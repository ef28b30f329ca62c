//! Text to records (RFC 4180, and what spreadsheets make of it).
//!
//! Written here and not taken from the `csv` crate because an import must name the
//! line of a quote that is never closed and must not gather the rest of the file
//! into one cell; the crate tells neither. A test holds both to the same answers.

use crate::csv_import::ImportError;

/// Bytes of text that one record may hold.
const RECORD_MAX: usize = 1 << 20;

/// One record; its memory is used again for the next.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// Line on which it begins, from 1.
    pub(super) line: u64,
    text: String,
    ends: Vec<usize>,
}

impl Record {
    /// The cells, in order.
    pub(super) fn cells(&self) -> impl Iterator<Item = &str> + Clone {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.text[start..*end])
    }

    /// All cells one after the other.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether nothing is written in any cell.
    pub(super) fn is_blank(&self) -> bool {
        self.text.trim_start().is_empty()
    }

    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }
}

/// Splits text that comes piece by piece.
pub(super) struct Splitter {
    separator: u8,
    state: State,
    record: Record,
    /// The line we are on, from 1.
    line: u64,
    /// Where the quote opened that is open now.
    quote_line: u64,
    /// A line feed that follows belongs to the carriage return before it.
    after_cr: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first cell of a record.
    RecordStart,
    /// Before a cell.
    CellStart,
    /// In a cell without quotes.
    Bare,
    /// Within quotes.
    Quoted,
    /// After a quote within quotes: the end of it, or half of a doubled one.
    QuoteSeen,
}

impl Splitter {
    /// `line` is the line on which the text begins.
    pub(super) fn new(separator: u8, line: u64) -> Self {
        Self {
            separator,
            state: State::RecordStart,
            record: Record::default(),
            line,
            quote_line: line,
            after_cr: false,
        }
    }

    /// Gives every record that ends within `text` to `take`. Empty lines are none.
    pub(super) fn push(
        &mut self,
        text: &str,
        mut take: impl FnMut(&Record) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let byte = bytes[at];
            if std::mem::take(&mut self.after_cr) && byte == b'\n' {
                // The second half of a line end, within quotes a part of the text.
                if self.state == State::Quoted {
                    self.record.text.push('\n');
                }
                at += 1;
                continue;
            }
            match self.state {
                State::RecordStart | State::CellStart if byte == b'"' => {
                    self.begin();
                    self.quote_line = self.line;
                    self.state = State::Quoted;
                    at += 1;
                }
                State::Quoted => {
                    let rest = &bytes[at..];
                    let run = rest
                        .iter()
                        .position(|byte| matches!(byte, b'"' | b'\r' | b'\n'))
                        .unwrap_or(rest.len());
                    self.grow(&text[at..at + run])?;
                    at += run;
                    match bytes.get(at) {
                        None => {}
                        Some(b'"') => {
                            self.state = State::QuoteSeen;
                            at += 1;
                        }
                        Some(end) => {
                            self.grow(&text[at..=at])?;
                            self.end_line(*end);
                            at += 1;
                        }
                    }
                }
                State::QuoteSeen if byte == b'"' => {
                    self.grow("\"")?;
                    self.state = State::Quoted;
                    at += 1;
                }
                // The quote that seems to end a cell of several lines begins another:
                // somewhere between, one is missing.
                State::QuoteSeen
                    if self.line > self.quote_line
                        && byte != self.separator
                        && !matches!(byte, b'\r' | b'\n' | b' ') =>
                {
                    return Err(ImportError::UnclosedQuote { line: self.quote_line });
                }
                State::RecordStart | State::CellStart | State::Bare | State::QuoteSeen => {
                    if byte == self.separator {
                        self.begin();
                        self.record.ends.push(self.record.text.len());
                        self.state = State::CellStart;
                        at += 1;
                    } else if matches!(byte, b'\r' | b'\n') {
                        self.end_record(&mut take)?;
                        self.end_line(byte);
                        at += 1;
                    } else {
                        self.begin();
                        let rest = &bytes[at..];
                        let run = rest
                            .iter()
                            .position(|byte| {
                                *byte == self.separator || matches!(byte, b'\r' | b'\n')
                            })
                            .unwrap_or(rest.len());
                        self.grow(&text[at..at + run])?;
                        self.state = State::Bare;
                        at += run;
                    }
                }
            }
        }
        Ok(())
    }

    /// The text is at its end: gives the last record, if it has no line end.
    pub(super) fn finish(
        &mut self,
        mut take: impl FnMut(&Record) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        if self.state == State::Quoted {
            return Err(ImportError::UnclosedQuote { line: self.quote_line });
        }
        self.end_record(&mut take)
    }

    fn begin(&mut self) {
        if self.state == State::RecordStart {
            self.record.line = self.line;
        }
    }

    fn grow(&mut self, text: &str) -> Result<(), ImportError> {
        if self.record.text.len() + text.len() > RECORD_MAX {
            return Err(match self.state {
                State::Quoted => ImportError::UnclosedQuote { line: self.quote_line },
                _ => ImportError::RowTooLong { line: self.record.line },
            });
        }
        self.record.text.push_str(text);
        Ok(())
    }

    fn end_record(
        &mut self,
        take: &mut impl FnMut(&Record) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        if self.state != State::RecordStart {
            self.record.ends.push(self.record.text.len());
            take(&self.record)?;
            self.record.clear();
            self.state = State::RecordStart;
        }
        Ok(())
    }

    fn end_line(&mut self, byte: u8) {
        self.line += 1;
        self.after_cr = byte == b'\r';
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(text: &str, piece: usize) -> Result<Vec<(u64, Vec<String>)>, ImportError> {
        let mut splitter = Splitter::new(b',', 1);
        let mut records = Vec::new();
        let mut take = |record: &Record| {
            records.push((record.line, record.cells().map(str::to_owned).collect()));
            Ok(())
        };
        let chars: Vec<char> = text.chars().collect();
        for part in chars.chunks(piece) {
            splitter.push(&part.iter().collect::<String>(), &mut take)?;
        }
        splitter.finish(&mut take)?;
        Ok(records)
    }

    fn cells(text: &str) -> Vec<Vec<String>> {
        split(text, 3).unwrap().into_iter().map(|(_, cells)| cells).collect()
    }

    #[test]
    fn line_ends_of_every_kind_give_the_same_records() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["a,b", "", "1,2", "3,4", "", ""].join(end);
            let lines: Vec<_> = split(&text, 2).unwrap().iter().map(|(line, _)| *line).collect();
            assert_eq!(lines, [1, 3, 4], "{end:?}");
            assert_eq!(cells(&text), [["a", "b"], ["1", "2"], ["3", "4"]]);
        }
        assert_eq!(cells("a\n1\r\n2\r3"), [["a"], ["1"], ["2"], ["3"]]);
    }

    #[test]
    fn quotes_hold_separators_line_ends_and_quotes() {
        assert_eq!(
            cells("\"a,b\",\"say \"\"hi\"\"\",\"two\r\nlines\"\n1,,\"\"\n"),
            [["a,b", "say \"hi\"", "two\r\nlines"], ["1", "", ""]]
        );
        assert_eq!(cells("5\" pipe,\"a\" b\n"), [["5\" pipe", "a b"]]);
        let lines: Vec<_> = split("\"a\r\nb\"\r\nc\r\n", 1).unwrap().iter().map(|r| r.0).collect();
        assert_eq!(lines, [1, 3], "line ends within quotes count");
    }

    #[test]
    fn an_unclosed_quote_is_named_by_its_line() {
        let error = split("a\n\"b\"\n\"c\nd\ne\n", 4).unwrap_err();
        assert!(matches!(error, ImportError::UnclosedQuote { line: 3 }), "{error}");
        let endless = format!("a\n\"b\n{}", "x\n".repeat(RECORD_MAX));
        let error = split(&endless, 8_192).unwrap_err();
        assert!(matches!(error, ImportError::UnclosedQuote { line: 2 }), "{error}");
    }

    #[test]
    fn an_unclosed_quote_does_not_end_at_the_next_one() {
        let file = "a,b\n1,\"x\n2,y\n3,\"z\"\n";
        let error = split(file, 4).unwrap_err();
        assert!(matches!(error, ImportError::UnclosedQuote { line: 2 }), "{error}");
    }

    #[test]
    fn an_endless_row_is_named_by_its_line() {
        let error = split(&format!("a\n{}", "x".repeat(RECORD_MAX + 1)), 8_192).unwrap_err();
        assert!(matches!(error, ImportError::RowTooLong { line: 2 }), "{error}");
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_csv_crate(text in "[ab\",\r\n é]{0,60}", piece in 1usize..8) {
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(text.as_bytes());
            let expected: Vec<Vec<String>> = reader
                .records()
                .map(|record| record.unwrap().iter().map(str::to_owned).collect())
                .collect();
            match split(&text, piece) {
                Ok(records) => {
                    let records: Vec<_> = records.into_iter().map(|(_, cells)| cells).collect();
                    prop_assert_eq!(records, expected);
                }
                // The crate takes the rest of the file for the cell.
                Err(error) => {
                    let unclosed = matches!(error, ImportError::UnclosedQuote { .. });
                    prop_assert!(unclosed);
                }
            }
        }
    }
}

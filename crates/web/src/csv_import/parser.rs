//! The thread that turns a file into rows.

use std::{mem, sync::Arc};

use bytes::Bytes;
use campanile_domain::settings::Settings;
use tokio::sync::mpsc;

use crate::csv_import::{
    ImportError, ImportOptions, Separator,
    decode::Decoding,
    format,
    header::{declared_separator, separator_of},
    records::Splitter,
    rows::{Chunk, Rows, Sink},
};

/// A first line longer than this is no header.
const HEADER_MAX: usize = 1 << 20;
/// How a file was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) encoding: &'static str,
    pub(super) separator: Separator,
    pub(super) columns: Vec<String>,
}

/// Reads one file.
pub(super) struct Parser {
    /// The first bytes, until there are enough to tell another format by.
    first: Option<Vec<u8>>,
    decoding: Decoding,
    /// Room for a piece of text, used again for the next.
    text: String,
    rows: Rows,
    stage: Stage,
}

enum Stage {
    /// The first line is not complete yet.
    Header {
        text: String,
        /// Line on which `text` begins, from 1.
        line: u64,
        /// Named by the sender, or declared by a line `sep=…`.
        separator: Option<Separator>,
        /// A line `sep=…` was there.
        declared: bool,
    },
    Body {
        splitter: Splitter,
        separator: Separator,
    },
}

impl Parser {
    pub(super) fn new(country: String, options: &ImportOptions) -> Self {
        let separator = options.separator;
        Self {
            first: Some(Vec::new()),
            decoding: Decoding::new(options.encoding),
            rows: Rows {
                country,
                guarded_by: None,
                rows_max: options.limits.rows_max,
                count: 0,
                columns: None,
                may_hold_nul: false,
                may_hold_replacement: false,
                chunk: Chunk::default(),
            },
            text: String::new(),
            stage: Stage::Header { text: String::new(), line: 1, separator, declared: false },
        }
    }

    /// Only numbers that a campaign with these settings may call are good (DI-14).
    pub(super) fn guarded_by(mut self, settings: Arc<Settings>) -> Self {
        self.rows.guarded_by = Some(settings);
        self
    }

    /// Reads `pieces` to their end. Ends early when nobody takes the chunks any more.
    pub(super) fn run(
        mut self,
        mut pieces: mpsc::Receiver<Bytes>,
        chunks: mpsc::Sender<Chunk>,
    ) -> Result<Facts, ImportError> {
        // Nobody takes it: the store failed, and who asked has been told.
        let mut sink = |chunk| drop(chunks.blocking_send(chunk));
        while let Some(piece) = pieces.blocking_recv() {
            self.take(&piece, &mut sink)?;
        }
        self.finish(&mut sink)
    }

    /// Reads the beginning of a file, or a small one whole.
    pub(super) fn read_beginning(
        mut self,
        head: &[u8],
        is_whole: bool,
        sink: Sink<'_>,
    ) -> Result<Facts, ImportError> {
        self.take(head, sink)?;
        if is_whole {
            return self.finish(sink);
        }
        self.look(sink)?;
        self.decode(&[], true, sink)?;
        self.try_header(true, sink)?;
        if let Stage::Body { splitter, .. } = &mut self.stage
            && self.rows.columns.is_none()
        {
            // The end cut the header itself; what is there of it says enough.
            splitter.finish(|record| self.rows.take(record, sink))?;
        }
        self.rows.hand_over(sink);
        self.facts()
    }

    pub(super) fn take(&mut self, bytes: &[u8], sink: Sink<'_>) -> Result<(), ImportError> {
        match &mut self.first {
            Some(first) => {
                first.extend_from_slice(bytes);
                if first.len() < format::LOOK_AT { Ok(()) } else { self.look(sink) }
            }
            None => self.decode(bytes, false, sink),
        }
    }

    /// Looks at the first bytes, once, and goes on with them.
    fn look(&mut self, sink: Sink<'_>) -> Result<(), ImportError> {
        let Some(first) = self.first.take() else { return Ok(()) };
        format::check(&first)?;
        self.decode(&first, false, sink)
    }

    fn decode(&mut self, bytes: &[u8], is_last: bool, sink: Sink<'_>) -> Result<(), ImportError> {
        let mut text = mem::take(&mut self.text);
        text.clear();
        self.decoding.push(bytes, is_last, &mut text);
        // Rare, and dear to look for in every cell.
        self.rows.may_hold_nul |= text.contains('\0');
        self.rows.may_hold_replacement |= text.contains(char::REPLACEMENT_CHARACTER);
        let done = self.push(&text, sink);
        self.text = text;
        done
    }

    fn push(&mut self, text: &str, sink: Sink<'_>) -> Result<(), ImportError> {
        match &mut self.stage {
            Stage::Body { splitter, .. } => {
                splitter.push(text, |record| self.rows.take(record, sink))
            }
            Stage::Header { text: held, .. } => {
                held.push_str(text);
                self.try_header(false, sink)
            }
        }
    }

    /// Goes on to the body once the first line that is not blank is there.
    fn try_header(&mut self, is_last: bool, sink: Sink<'_>) -> Result<(), ImportError> {
        while let Stage::Header { text, line, separator, declared } = &mut self.stage {
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
            } else if let (false, Some(byte)) = (*declared, declared_separator(first)) {
                // What the sender names wins.
                *separator = separator.or(Some(byte));
                *declared = true;
                text.drain(..end);
                *line += 1;
            } else {
                let separator = separator.unwrap_or_else(|| separator_of(first));
                let (text, line) = (mem::take(text), *line);
                let splitter = Splitter::new(separator.byte(), line);
                self.stage = Stage::Body { splitter, separator };
                return self.push(&text, sink);
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self, sink: Sink<'_>) -> Result<Facts, ImportError> {
        self.look(sink)?;
        self.decode(&[], true, sink)?;
        self.try_header(true, sink)?;
        if let Stage::Body { splitter, .. } = &mut self.stage {
            splitter.finish(|record| self.rows.take(record, sink))?;
        }
        if self.rows.count == 0 {
            return Err(ImportError::NoRows);
        }
        self.rows.hand_over(sink);
        self.facts()
    }

    fn facts(self) -> Result<Facts, ImportError> {
        match (self.stage, self.rows.columns) {
            (Stage::Body { separator, .. }, Some(columns)) => Ok(Facts {
                encoding: self.decoding.encoding(),
                separator,
                columns: columns.into_names(),
            }),
            // A quote that opens in the first line and goes on.
            _ => Err(ImportError::UnclosedQuote { line: 1 }),
        }
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

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;
    use crate::csv_import::ImportLimits;

    /// What becomes of a file that comes in pieces of `piece` bytes.
    fn parsed(file: &[u8], piece: usize) -> String {
        let (pieces, received) = mpsc::channel(file.len() + 1);
        for part in file.chunks(piece) {
            pieces.try_send(Bytes::copy_from_slice(part)).unwrap();
        }
        drop(pieces);
        let (chunks, mut taken) = mpsc::channel(1_000);
        let limits = ImportLimits { rows_max: 5, ..ImportLimits::default() };
        let ended = Parser::new("IN".into(), &ImportOptions::new(limits)).run(received, chunks);
        let mut shown = String::new();
        while let Ok(chunk) = taken.try_recv() {
            for row in chunk.rows {
                let _ = writeln!(shown, "{} {} {}", row.line, row.phone, row.variables);
            }
            for row in chunk.refused {
                let code = row.fault.code();
                let _ = writeln!(shown, "{} {:?} {code} {}", row.line, row.text, row.variables);
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
        2 "banana" letters {"name":"fruit"}
        3 "" empty {"name":"nobody"}
        4 "+919876543210" nul_character {"name":"a\u0000b"}
        5 "+919876543210" too_many_columns {"name":"x","":["y"]}
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
        assert!(shown.contains("5 \"+919876543211\" bad_encoding"), "{shown}");
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

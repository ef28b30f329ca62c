//! What is known of a contact file before it is read.

use axum::http::{HeaderMap, header};
use encoding_rs::Encoding;

use crate::csv_import::ImportError;

/// Characters that an `Idempotency-Key` may have.
const KEY_MAX: usize = 255;
/// Characters of a wrong word that are said back.
const KEPT: usize = 40;

/// How large a contact file may be (CT-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportLimits {
    /// Bytes as sent.
    pub bytes_max: u64,
    /// Rows after the header, good or bad.
    pub rows_max: u64,
}

impl Default for ImportLimits {
    fn default() -> Self {
        Self { bytes_max: 50_000_000, rows_max: 500_000 }
    }
}

/// What is known of a file before it is read.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// Its limits.
    pub limits: ImportLimits,
    /// Its encoding, when the sender names it; guessed otherwise.
    pub encoding: Option<&'static Encoding>,
    /// What separates its cells, when the sender names it; guessed otherwise.
    pub separator: Option<Separator>,
    /// Its size in bytes, when the sender names it.
    pub size: Option<u64>,
    /// What its sender calls the request (`Idempotency-Key`): the same file under the
    /// same key is taken once.
    pub key: Option<String>,
}

impl ImportOptions {
    /// A file of which nothing is known.
    pub fn new(limits: ImportLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// What the headers of an upload say. Refuses what is not a CSV file, and a
    /// compressed one: a small body could hide an endless file.
    pub fn from_headers(headers: &HeaderMap, limits: ImportLimits) -> Result<Self, ImportError> {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        if text(header::CONTENT_ENCODING.as_str())
            .is_some_and(|coding| !coding.eq_ignore_ascii_case("identity"))
        {
            return Err(ImportError::Compressed);
        }
        let kind = text(header::CONTENT_TYPE.as_str()).unwrap_or_default();
        let mut parts = kind.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        // Browsers on Windows call a CSV file what its registered program does.
        if !matches!(
            kind.as_str(),
            "text/csv"
                | "text/plain"
                | "text/tab-separated-values"
                | "application/csv"
                | "application/vnd.ms-excel"
        ) {
            return Err(ImportError::NotCsv);
        }
        let charset = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
        });
        let encoding = charset
            .map(|label| {
                Encoding::for_label(label.as_bytes()).ok_or_else(|| ImportError::UnknownEncoding {
                    label: label.chars().take(KEPT).collect(),
                })
            })
            .transpose()?;
        let size = text(header::CONTENT_LENGTH.as_str()).and_then(|size| size.parse().ok());
        let key = match text("idempotency-key") {
            Some(key) if key.is_empty() || key.len() > KEY_MAX => return Err(ImportError::BadKey),
            key => key.map(str::to_owned),
        };
        Ok(Self { limits, encoding, separator: None, size, key })
    }

    /// Takes what the sender says himself for what would be guessed: `encoding` is a
    /// label of the Encoding Standard, `separator` one of the characters or its name.
    /// An empty word is none, as a form sends it.
    pub fn overridden(
        mut self,
        encoding: Option<&str>,
        separator: Option<&str>,
    ) -> Result<Self, ImportError> {
        if let Some(label) = encoding.filter(|label| !label.is_empty()) {
            self.encoding = Some(Encoding::for_label(label.as_bytes()).ok_or_else(|| {
                ImportError::UnknownEncoding { label: label.chars().take(KEPT).collect() }
            })?);
        }
        if let Some(word) = separator.filter(|word| !word.is_empty()) {
            self.separator = Some(Separator::from_word(word).ok_or_else(|| {
                ImportError::UnknownSeparator { word: word.chars().take(KEPT).collect() }
            })?);
        }
        Ok(self)
    }
}

/// What stands between the cells of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Separator(u8);

impl Separator {
    /// Every separator, the likelier first.
    pub const ALL: [Self; 4] = [Self(b','), Self(b';'), Self(b'\t'), Self(b'|')];

    /// From the character or its name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|separator| separator.word() == word || word.as_bytes() == [separator.0])
    }

    /// From the character.
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|separator| separator.0 == byte)
    }

    /// The character, which is ASCII.
    pub(super) fn byte(self) -> u8 {
        self.0
    }

    /// Its name, for programs.
    pub fn word(self) -> &'static str {
        match self.0 {
            b',' => "comma",
            b';' => "semicolon",
            b'\t' => "tab",
            _ => "pipe",
        }
    }
}

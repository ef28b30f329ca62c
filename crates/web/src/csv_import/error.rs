//! Why a contact file is not taken: of everything that may be wrong with it, the
//! line or the column, and what to do.

use axum::http::StatusCode;
use campanile_domain::field::FieldError;
use campanile_store::StoreError;

use crate::csv_import::STALLED_AFTER;

/// Why a contact file was not taken. Nothing of it was kept.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Over the limit of bytes.
    #[error("the file is larger than {}; split it", size_in_words(*.bytes_max))]
    TooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// Over the limit of rows.
    #[error("the file has more than {rows_max} rows; split it")]
    TooManyRows {
        /// The limit.
        rows_max: u64,
    },
    /// Another media type.
    #[error(
        "send a CSV file itself as the body, with `Content-Type: text/csv`; save a workbook as CSV first"
    )]
    NotCsv,
    /// Compressed on its way (`Content-Encoding`).
    #[error("send the file uncompressed, without `Content-Encoding`")]
    Compressed,
    /// Its first bytes are those of another format, whatever it is called.
    #[error("this is {kind}; {advice}")]
    OtherFormat {
        /// What it is, with its article.
        kind: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// A charset nobody knows.
    #[error("the charset `{label}` is not known; use utf-8, utf-16le, windows-1252, …")]
    UnknownEncoding {
        /// As sent.
        label: String,
    },
    /// A separator that is none of ours.
    #[error("`{word}` is no separator; use comma, semicolon, tab or pipe")]
    UnknownSeparator {
        /// As sent.
        word: String,
    },
    /// An `Idempotency-Key` that is none.
    #[error("the `Idempotency-Key` must have 1 to 255 visible ASCII characters")]
    BadKey,
    /// The sender fell silent.
    #[error("the upload stopped for {} s; send the file again", STALLED_AFTER.as_secs())]
    Stalled,
    /// The sender broke off.
    #[error("the upload broke off; send the file again")]
    BrokenOff,
    /// Not a byte, or blanks only.
    #[error("the file is empty; its first line must name the columns, one of them `phone_number`")]
    Empty,
    /// The column that matters is missing.
    #[error("there is no column `phone_number`; the first line names {columns}")]
    NoPhoneColumn {
        /// The columns there are, in words.
        columns: String,
    },
    /// A column without a name.
    #[error("column {column} has no name; name it or remove it")]
    EmptyHeader {
        /// Its position, from 1.
        column: usize,
    },
    /// A name that would be repeated in every contact.
    #[error("the name of column {column} is longer than {chars_max} characters; shorten it")]
    LongHeader {
        /// Its position, from 1.
        column: usize,
        /// The limit.
        chars_max: usize,
    },
    /// A name that cannot be read in the encoding of the file.
    #[error(
        "the name of column {column} cannot be read; say which encoding the file has, or save it as UTF-8"
    )]
    UnreadableHeader {
        /// Its position, from 1.
        column: usize,
    },
    /// Two columns of one name.
    #[error("the column `{name}` is there twice (columns {first} and {second}); rename one")]
    DuplicateHeader {
        /// The name.
        name: String,
        /// Position of the first, from 1.
        first: usize,
        /// Position of the second.
        second: usize,
    },
    /// More columns than a contact may have variables.
    #[error("the file has {columns} columns; the limit is {columns_max}, so column {} is one too many", .columns_max + 1)]
    TooManyColumns {
        /// How many.
        columns: usize,
        /// The limit.
        columns_max: usize,
    },
    /// A quote without its partner: all that follows would be one cell.
    #[error("the quote that opens on line {line} is never closed")]
    UnclosedQuote {
        /// Where it opens, from 1.
        line: u64,
    },
    /// A row that no list of contacts has.
    #[error("the row on line {line} is longer than 1 MB")]
    RowTooLong {
        /// Where it begins, from 1.
        line: u64,
    },
    /// A header and nothing else.
    #[error("the file names its columns and has no row")]
    NoRows,
    /// Every row was refused.
    #[error("none of the {rows} rows can be dialled: {reasons}")]
    NoGoodRow {
        /// How many rows.
        rows: u64,
        /// How many by reason, in words.
        reasons: String,
    },
    /// The store refused, for example because of the campaign's status.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A bug in the parser.
    #[error("the file could not be read")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ImportError {
    /// The HTTP status that says it.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge { .. } | Self::TooManyRows { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotCsv
            | Self::Compressed
            | Self::OtherFormat { .. }
            | Self::UnknownEncoding { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Stalled => StatusCode::REQUEST_TIMEOUT,
            Self::BrokenOff | Self::BadKey => StatusCode::BAD_REQUEST,
            Self::Store(_) | Self::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Empty
            | Self::NoPhoneColumn { .. }
            | Self::EmptyHeader { .. }
            | Self::LongHeader { .. }
            | Self::UnreadableHeader { .. }
            | Self::DuplicateHeader { .. }
            | Self::UnknownSeparator { .. }
            | Self::TooManyColumns { .. }
            | Self::UnclosedQuote { .. }
            | Self::RowTooLong { .. }
            | Self::NoRows
            | Self::NoGoodRow { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }

    /// Stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::TooManyRows { .. } => "too_many_rows",
            Self::NotCsv => "unsupported_media_type",
            Self::Compressed => "compressed",
            Self::OtherFormat { .. } => "other_format",
            Self::UnknownEncoding { .. } => "unknown_encoding",
            Self::UnknownSeparator { .. } => "unknown_separator",
            Self::BadKey => "bad_idempotency_key",
            Self::Stalled => "stalled",
            Self::BrokenOff => "broken_off",
            Self::Empty => "empty_file",
            Self::NoPhoneColumn { .. } => "no_phone_column",
            Self::EmptyHeader { .. } => "empty_header",
            Self::LongHeader { .. } => "long_header",
            Self::UnreadableHeader { .. } => "unreadable_header",
            Self::DuplicateHeader { .. } => "duplicate_header",
            Self::TooManyColumns { .. } => "too_many_columns",
            Self::UnclosedQuote { .. } => "unclosed_quote",
            Self::RowTooLong { .. } => "row_too_long",
            Self::NoRows => "no_rows",
            Self::NoGoodRow { .. } => "no_good_row",
            Self::Store(_) | Self::Failed(_) => "internal",
        }
    }

    /// The fault of the file, for a 422: the file is the whole document.
    pub(crate) fn field(&self) -> Option<FieldError> {
        (self.status() == StatusCode::UNPROCESSABLE_ENTITY)
            .then(|| FieldError::new("", self.code(), self.to_string()))
    }
}

fn size_in_words(bytes: u64) -> String {
    match bytes {
        1_000_000.. => format!("{} MB", bytes / 1_000_000),
        1_000.. => format!("{} kB", bytes / 1_000),
        _ => format!("{bytes} bytes"),
    }
}

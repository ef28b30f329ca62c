//! Contact files: read as they arrive, staged in chunks, accepted in one commit
//! (CT-1 to CT-6).
//!
//! Three stages run at once, joined by short queues: the body is read, a thread of
//! its own decodes, splits and checks (`parser`), and the store stages. Memory does
//! not grow with the file.

mod decode;
mod header;
mod parser;
mod records;

use std::{
    collections::BTreeMap,
    fmt::{Display, Write},
    pin::pin,
    time::Duration,
};

use axum::http::{HeaderMap, StatusCode, header as http_header};
use bytes::Bytes;
use campanile_domain::{
    field::FieldError,
    ids::{CampaignId, ImportId},
};
use campanile_store::{
    Store, StoreError,
    rows::{Actor, Import},
};
use encoding_rs::Encoding;
use futures_util::{Stream, StreamExt};
use jiff::Timestamp;
use tokio::{sync::mpsc, task::spawn_blocking, time::timeout};

use crate::csv_import::parser::{Chunk, Parser};

/// A body that sends nothing for so long is given up.
const STALLED_AFTER: Duration = Duration::from_secs(60);
/// Pieces of the body that wait for the parser.
const PIECES_QUEUED: usize = 8;
/// Chunks of rows that wait for the store.
const CHUNKS_QUEUED: usize = 2;

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
#[derive(Debug, Clone, Copy, Default)]
pub struct ImportOptions {
    /// Its limits.
    pub limits: ImportLimits,
    /// Its encoding, when the sender names it; guessed otherwise.
    pub encoding: Option<&'static Encoding>,
    /// Its size in bytes, when the sender names it.
    pub size: Option<u64>,
}

impl ImportOptions {
    /// A file of which nothing is known.
    pub fn new(limits: ImportLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// What the headers of an upload say. Refuses what is not a CSV file, and a
    /// compressed one: a small body could hide an endless file.
    pub fn from_headers(headers: &HeaderMap, limits: ImportLimits) -> Result<Self, ImportError> {
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        if text(http_header::CONTENT_ENCODING)
            .is_some_and(|coding| !coding.eq_ignore_ascii_case("identity"))
        {
            return Err(ImportError::Compressed);
        }
        let kind = text(http_header::CONTENT_TYPE).unwrap_or_default();
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
                Encoding::for_label(label.as_bytes())
                    .ok_or_else(|| ImportError::UnknownEncoding { label: label.to_owned() })
            })
            .transpose()?;
        let size = text(http_header::CONTENT_LENGTH).and_then(|size| size.parse().ok());
        Ok(Self { limits, encoding, size })
    }
}

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
    #[error("send the file itself as the body, with `Content-Type: text/csv`")]
    NotCsv,
    /// Compressed.
    #[error("send the file uncompressed")]
    Compressed,
    /// A charset nobody knows.
    #[error("the charset `{label}` is not known; use utf-8, utf-16le, windows-1252, …")]
    UnknownEncoding {
        /// As sent.
        label: String,
    },
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
    #[error("the file has {columns} columns; the limit is {columns_max}")]
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
            Self::NotCsv | Self::Compressed | Self::UnknownEncoding { .. } => {
                StatusCode::UNSUPPORTED_MEDIA_TYPE
            }
            Self::Stalled => StatusCode::REQUEST_TIMEOUT,
            Self::BrokenOff => StatusCode::BAD_REQUEST,
            Self::Store(_) | Self::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Empty
            | Self::NoPhoneColumn { .. }
            | Self::EmptyHeader { .. }
            | Self::DuplicateHeader { .. }
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
            Self::UnknownEncoding { .. } => "unknown_encoding",
            Self::Stalled => "stalled",
            Self::BrokenOff => "broken_off",
            Self::Empty => "empty_file",
            Self::NoPhoneColumn { .. } => "no_phone_column",
            Self::EmptyHeader { .. } => "empty_header",
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

/// Reads a contact file into `campaign`: replaces the contacts of a draft that never
/// ran, appends to those of a running or paused campaign. Returns when all good rows
/// are contacts. A caller who goes away before that leaves nothing behind, unless
/// the file was accepted already.
pub async fn import_csv<E: Display + Send>(
    store: &Store,
    campaign: CampaignId,
    body: impl Stream<Item = Result<Bytes, E>> + Send,
    options: ImportOptions,
    by: Actor,
    now: Timestamp,
) -> Result<Import, ImportError> {
    let ImportLimits { bytes_max, rows_max } = options.limits;
    if options.size.is_some_and(|size| size > bytes_max) {
        return Err(ImportError::TooLarge { bytes_max });
    }
    let country = store.campaign(campaign).await?.settings.default_country.clone();
    let staging = Staging::begin(store, campaign, now).await?;

    let (pieces, received) = mpsc::channel(PIECES_QUEUED);
    let (chunks, parsed) = mpsc::channel(CHUNKS_QUEUED);
    let parser = Parser::new(country, rows_max, options.encoding);
    let parsing = spawn_blocking(move || parser.run(received, chunks));
    let (fed, staged) = tokio::join!(feed(body, bytes_max, pieces), staging.stage(parsed));
    let whole = parsing.await.map_err(|error| ImportError::Failed(Box::new(error)))?;
    // What broke off first explains the rest: half a body is no unclosed quote, and a
    // store that is down ends the parser.
    fed?;
    let refused = staged?;
    whole?;
    staging.accept(refused, by, now).await
}

/// Hands the body on, piece by piece. When nobody wants it any more because the file
/// is at fault, the rest is read all the same: a browser that is cut off while it
/// sends never sees the answer.
async fn feed<E: Display>(
    body: impl Stream<Item = Result<Bytes, E>>,
    bytes_max: u64,
    pieces: mpsc::Sender<Bytes>,
) -> Result<(), ImportError> {
    let mut body = pin!(body);
    let mut read = 0;
    loop {
        let piece = match timeout(STALLED_AFTER, body.next()).await {
            Err(_) => return Err(ImportError::Stalled),
            Ok(None) => return Ok(()),
            Ok(Some(Err(error))) => {
                tracing::info!(%error, read, "An upload broke off");
                return Err(ImportError::BrokenOff);
            }
            Ok(Some(Ok(piece))) => piece,
        };
        read += piece.len() as u64;
        if read > bytes_max {
            return Err(ImportError::TooLarge { bytes_max });
        }
        let _ = pieces.send(piece).await;
    }
}

/// Rows refused so far, by reason.
type Refused = BTreeMap<&'static str, u64>;

/// The staging area of one file; discarded unless it is accepted.
struct Staging {
    store: Store,
    import: ImportId,
    open: bool,
}

impl Staging {
    async fn begin(
        store: &Store,
        campaign: CampaignId,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let import = store.begin_import(campaign, now).await?;
        Ok(Self { store: store.clone(), import, open: true })
    }

    async fn stage(&self, mut chunks: mpsc::Receiver<Chunk>) -> Result<Refused, StoreError> {
        let mut refused = Refused::new();
        while let Some(chunk) = chunks.recv().await {
            for (reason, count) in chunk.reasons {
                *refused.entry(reason).or_default() += count;
            }
            self.store.stage_rows(self.import, chunk.rows, chunk.rejected).await?;
        }
        Ok(refused)
    }

    async fn accept(
        mut self,
        refused: Refused,
        by: Actor,
        now: Timestamp,
    ) -> Result<Import, ImportError> {
        // From here on the file belongs to the store, which rolls it forward.
        self.open = false;
        match self.store.accept_import(self.import, by, now).await {
            Ok(import) => Ok(import),
            Err(StoreError::Invalid(_)) if !refused.is_empty() => Err(ImportError::NoGoodRow {
                rows: refused.values().sum(),
                reasons: in_words(&refused),
            }),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let (store, import) = (self.store.clone(), self.import);
        // The caller may be gone: it must not need him. Without a runtime the process
        // is ending, and recovery forgets what was not accepted.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = store.discard_import(import).await {
                    tracing::warn!(%import, %error, "A refused file was not discarded");
                }
            });
        }
    }
}

fn in_words(refused: &Refused) -> String {
    let mut words = String::new();
    for (reason, count) in refused {
        let comma = if words.is_empty() { "" } else { ", " };
        let _ = write!(words, "{comma}{count} {reason}");
    }
    words
}

fn size_in_words(bytes: u64) -> String {
    match bytes {
        1_000_000.. => format!("{} MB", bytes / 1_000_000),
        1_000.. => format!("{} kB", bytes / 1_000),
        _ => format!("{bytes} bytes"),
    }
}

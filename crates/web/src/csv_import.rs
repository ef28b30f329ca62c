//! Contact files: read as they arrive, staged in chunks, accepted in one commit
//! (CT-1 to CT-6).
//!
//! Three stages run at once, joined by short queues: the body is read, a thread of
//! its own decodes, splits and checks (`parser`), and the store stages. Memory does
//! not grow with the file.

mod decode;
mod error;
mod fault;
mod format;
pub mod fuzz;
mod header;
mod options;
mod parser;
mod preview;
mod records;
mod rows;
#[cfg(test)]
mod table;

use std::{
    collections::BTreeMap,
    fmt::{Display, Write},
    pin::pin,
    time::Duration,
};

use bytes::Bytes;
use campanile_domain::ids::{CampaignId, ImportId};
use campanile_store::{
    Store, StoreError,
    rows::{Actor, Import, ImportFile, ImportIdentity, RejectedRow},
};
use futures_util::{Stream, StreamExt};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio::{sync::mpsc, task::spawn_blocking, time::timeout};

pub use self::{
    error::ImportError,
    fault::explain,
    options::{ImportLimits, ImportOptions, Separator},
    preview::{PREVIEW_BYTES, Preview, PreviewRow, preview},
};
pub(crate) use self::{header::is_phone, rows::SURPLUS};
use crate::csv_import::{
    parser::{Facts, Parser},
    rows::{Chunk, Refused},
};

/// A body that sends nothing for so long is given up.
const STALLED_AFTER: Duration = Duration::from_secs(60);
/// Pieces of the body that wait for the parser.
const PIECES_QUEUED: usize = 8;
/// Chunks of rows that wait for the store.
const CHUNKS_QUEUED: usize = 2;

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
    let bytes_max = options.limits.bytes_max;
    if options.size.is_some_and(|size| size > bytes_max) {
        return Err(ImportError::TooLarge { bytes_max });
    }
    let settings = store.campaign(campaign).await?.settings;
    let staging = Staging::begin(store, campaign, now).await?;

    let (pieces, received) = mpsc::channel(PIECES_QUEUED);
    let (chunks, parsed) = mpsc::channel(CHUNKS_QUEUED);
    let parser = Parser::new(settings.default_country.clone(), &options).guarded_by(settings);
    let parsing = spawn_blocking(move || parser.run(received, chunks));
    let (fed, staged) = tokio::join!(feed(body, bytes_max, pieces), staging.stage(parsed));
    let whole = parsing.await.map_err(|error| ImportError::Failed(Box::new(error)))?;
    // What broke off first explains the rest: half a body is no unclosed quote, and a
    // store that is down ends the parser.
    let sha256 = fed?;
    let refused = staged?;
    let identity = ImportIdentity { sha256, key: options.key };
    staging.describe(whole?, identity).await?;
    staging.accept(refused, by, now).await
}

/// Hands the body on, piece by piece, and gives its SHA-256. When nobody wants it any more because the file
/// is at fault, the rest is read all the same: a browser that is cut off while it
/// sends never sees the answer.
async fn feed<E: Display>(
    body: impl Stream<Item = Result<Bytes, E>>,
    bytes_max: u64,
    pieces: mpsc::Sender<Bytes>,
) -> Result<[u8; 32], ImportError> {
    let mut body = pin!(body);
    let mut read = 0;
    let mut sum = Sha256::new();
    loop {
        let piece = match timeout(STALLED_AFTER, body.next()).await {
            Err(_) => return Err(ImportError::Stalled),
            Ok(None) => return Ok(sum.finalize().into()),
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
        sum.update(&piece);
        let _ = pieces.send(piece).await;
    }
}

fn rejected_row(row: Refused) -> RejectedRow {
    RejectedRow {
        line: row.line,
        text: row.text,
        reason: row.fault.code().to_owned(),
        variables: row.variables,
    }
}

/// Rows refused so far, by reason.
type Reasons = BTreeMap<&'static str, u64>;

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

    async fn stage(&self, mut chunks: mpsc::Receiver<Chunk>) -> Result<Reasons, StoreError> {
        let mut refused = Reasons::new();
        while let Some(chunk) = chunks.recv().await {
            for (reason, count) in chunk.reasons {
                *refused.entry(reason).or_default() += count;
            }
            let rejected = chunk.refused.into_iter().map(rejected_row).collect();
            self.store.stage_rows(self.import, chunk.rows, rejected).await?;
        }
        Ok(refused)
    }

    async fn describe(&self, read: Facts, identity: ImportIdentity) -> Result<(), StoreError> {
        let file = ImportFile {
            encoding: read.encoding.to_owned(),
            separator: read.separator.word().to_owned(),
            columns: read.columns,
        };
        self.store.describe_import(self.import, file, identity).await
    }

    async fn accept(
        mut self,
        refused: Reasons,
        by: Actor,
        now: Timestamp,
    ) -> Result<Import, ImportError> {
        // From here on the file belongs to the store, which rolls it forward.
        self.open = false;
        match self.store.accept_import(self.import, by, now).await {
            Ok(import) => Ok(import),
            Err(StoreError::Invalid(faults))
                if !refused.is_empty()
                    && faults.iter().any(|fault| fault.code == "no_contacts") =>
            {
                Err(ImportError::NoGoodRow {
                    rows: refused.values().sum(),
                    reasons: in_words(&refused),
                })
            }
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

fn in_words(refused: &Reasons) -> String {
    let mut words = String::new();
    for (reason, count) in refused {
        let comma = if words.is_empty() { "" } else { ", " };
        let _ = write!(words, "{comma}{count} {reason}");
    }
    words
}

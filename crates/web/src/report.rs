//! Files that come out: the attempt report (MO-11) and the refused rows of a contact
//! file. Streamed in chunks, in constant memory.

mod attempt_rows;
mod cell;

use std::{
    fmt::Write,
    ops::ControlFlow::{Break, Continue},
    sync::Arc,
};

use axum::{
    body::Body,
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use campanile_domain::ids::{AttemptId, CampaignId, ImportId};
use campanile_store::{StoreError, rows::RejectedRow};
use futures_util::{Stream, StreamExt, stream};
use serde_json::{Map, Value};

use crate::{
    app::App,
    auth::{Act, Who},
    csv_import,
    report::{attempt_rows::AttemptRows, cell::Rows},
    service::{Result, campaigns::run_of},
};

/// Refused rows read at once.
const CHUNK: u32 = 2_000;

/// Bytes of the attempt report that are read at once, and sent while the next are read.
const PIECE: usize = 256 << 10;

/// How many rows a file has, as far as it is known when it begins; a running
/// campaign adds to it.
const ROWS: HeaderName = HeaderName::from_static("campanile-rows");

/// The column of the numbers, where no file says how it calls it.
const NUMBER: &str = "phone_number";

/// The attempt report of one run, or of all.
pub async fn attempts(
    app: &App,
    who: &Who,
    campaign: CampaignId,
    run: Option<u32>,
    is_raw: bool,
) -> Result<Response> {
    who.require(Act::Export)?;
    let row = app.store.campaign(campaign).await?;
    let runs = match run {
        Some(_) => {
            let run = run_of(&row, run)?;
            run..=run
        }
        None => 1..=row.run,
    };
    let mut rows = 0;
    for run in runs {
        rows += app.store.figures(campaign, run).await?.sums.dials;
    }
    let store = app.store.clone();
    let chunks = chunks(move |after: Option<AttemptId>| {
        let store = store.clone();
        async move {
            let rows = AttemptRows::with_capacity(PIECE + PIECE / 4, campaign, is_raw);
            let (rows, last) = store
                .report(campaign, run, after, rows, |rows, row| {
                    rows.push(row);
                    if rows.len() < PIECE { Continue(()) } else { Break(()) }
                })
                .await?;
            Ok((rows.into_bytes(), last))
        }
    });
    let name = file_name(&row.settings.name, campaign, run);
    answer(Bytes::from_static(attempt_rows::HEADER.as_bytes()), &name, Some(rows), chunks).await
}

/// The refused rows of a contact file, in file order: line, reason, and the columns as
/// they stood there, so that the file can be mended and sent again.
pub async fn rejected(app: &App, who: &Who, import: ImportId, is_raw: bool) -> Result<Response> {
    who.require(Act::Export)?;
    let file = app.store.import(import).await?.file;
    // Files of earlier versions: the number is all that was kept of a row.
    let columns = Arc::new(file.map_or_else(|| vec![NUMBER.to_owned()], |file| file.columns));
    let mut header = Rows::with_capacity(1_000, is_raw);
    header.plain("line").plain("reason").plain("explanation");
    for name in columns.iter() {
        header.text(name);
    }
    header.end();
    let store = app.store.clone();
    let chunks = chunks(move |after: Option<u64>| {
        let (store, columns) = (store.clone(), columns.clone());
        async move {
            let rejected = store.rejected_rows(import, after.unwrap_or(0), CHUNK).await?;
            let last = rejected.last().map(|row| row.line);
            let mut rows = Rows::with_capacity(rejected.len() * 200, is_raw);
            for row in &rejected {
                write_rejected(&mut rows, row, &columns);
            }
            Ok((rows.into_bytes(), last.filter(|_| rejected.len() == CHUNK as usize)))
        }
    });
    let name = format!("rejected-{import}.csv");
    answer(header.into_bytes().into(), &name, None, chunks).await
}

/// A stream of chunks, each read after the last of the one before. A fault of the
/// store breaks the connection off, so that half a file is not taken for a whole.
fn chunks<Key, Read, Reading>(
    read: Read,
) -> impl Stream<Item = std::result::Result<Bytes, StoreError>> + Send + 'static
where
    Key: Send + 'static,
    Read: Fn(Option<Key>) -> Reading + Send + 'static,
    Reading: Future<Output = std::result::Result<(Vec<u8>, Option<Key>), StoreError>> + Send,
{
    stream::try_unfold(Some((read, None)), async |state: Option<(Read, Option<Key>)>| {
        let Some((read, after)) = state else { return Ok(None) };
        let (text, last) = read(after).await?;
        let next = last.map(|last| (read, Some(last)));
        Ok(Some((Bytes::from(text), next)))
    })
}

/// Reads the first chunk before it promises anything, so that a store that is down
/// is an error and not an empty file.
async fn answer(
    header_line: Bytes,
    file_name: &str,
    rows: Option<u64>,
    chunks: impl Stream<Item = std::result::Result<Bytes, StoreError>> + Send + 'static,
) -> Result<Response> {
    let mut chunks = Box::pin(chunks);
    let first = chunks.next().await.transpose()?.unwrap_or_default();
    let begin = stream::iter([Ok(header_line), Ok(first)]);
    let mut response = (
        [
            (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
            (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{file_name}\"")),
        ],
        Body::from_stream(begin.chain(chunks)),
    )
        .into_response();
    if let Some(rows) = rows {
        response.headers_mut().insert(ROWS, rows.into());
    }
    Ok(response)
}

fn write_rejected(rows: &mut Rows, rejected: &RejectedRow, columns: &[String]) {
    let explanation = csv_import::explain(&rejected.reason);
    rows.plain(rejected.line).plain(&rejected.reason).text(explanation.as_deref().unwrap_or(""));
    let variables: Map<String, Value> =
        serde_json::from_str(&rejected.variables).unwrap_or_default();
    for name in columns {
        if csv_import::is_phone(name) {
            // Here the number is whatever stood in the file.
            rows.text(&rejected.text);
        } else {
            rows.text(variables.get(name).and_then(Value::as_str).unwrap_or_default());
        }
    }
    let surplus = variables.get(csv_import::SURPLUS).and_then(Value::as_array);
    for cell in surplus.into_iter().flatten() {
        rows.text(cell.as_str().unwrap_or_default());
    }
    rows.end();
}

/// The campaign's name in plain letters, so that no header needs quoting.
fn file_name(name: &str, campaign: CampaignId, run: Option<u32>) -> String {
    let mut slug = String::new();
    for char in name.chars().take(60) {
        if char.is_ascii_alphanumeric() {
            slug.push(char.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let mut file = format!("attempts-{}", slug.trim_end_matches('-'));
    if let Some(run) = run {
        let _ = write!(file, "-run-{run}");
    }
    let _ = write!(file, "-{campaign}.csv");
    file.replace("attempts--", "attempts-")
}

//! Callbacks that people asked for (CB-4).

use axum::extract::{Path, State};
use campanile_domain::{
    callback::{CallbackState, Understood},
    field::FieldError,
    figures::CallbackSums,
    ids::{AttemptId, ContactId},
    phone::PhoneNumber,
};
use campanile_store::rows::{Callback, CallbackFilter};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{
        campaigns::read_id,
        page::{Page, PageQuery, Query},
    },
    app::App,
    auth::Caller,
    problem::Problem,
    service,
};

/// A call back that somebody asked for.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Callback")]
pub(crate) struct View {
    /// The attempt in which it was asked for; identifies it.
    asked_in: AttemptId,
    contact_id: ContactId,
    phone_number: PhoneNumber,
    run: u32,
    state: CallbackState,
    #[schemars(with = "campanile_domain::schema::Time")]
    requested_at: Timestamp,
    /// From when on it is dialled: the wanted time, or when calling is allowed again.
    #[schemars(with = "campanile_domain::schema::Time")]
    due_at: Timestamp,
    /// The wanted time; null when it is unclear.
    #[schemars(with = "Option<campanile_domain::schema::Time>")]
    wanted_at: Option<Timestamp>,
    understood: Understood,
    /// The time could not be told from the words: a person should look at them.
    unclear: bool,
    /// Their words.
    when_text: Option<String>,
    reason: Option<String>,
    /// 0 to 1, as the bot gave it.
    confidence: Option<f64>,
    /// The attempt that honours it.
    dialled_in: Option<AttemptId>,
    #[schemars(with = "Option<campanile_domain::schema::Time>")]
    dialled_at: Option<Timestamp>,
}

impl From<Callback> for View {
    fn from(callback: Callback) -> Self {
        Self {
            asked_in: callback.asked_in,
            contact_id: callback.contact,
            phone_number: callback.phone,
            run: callback.run,
            state: callback.state,
            requested_at: callback.requested_at,
            due_at: callback.due_at,
            wanted_at: callback.wanted_at,
            understood: callback.understood,
            unclear: callback.understood.needs_a_person(),
            when_text: callback.wish.when_text,
            reason: callback.wish.reason,
            confidence: callback.wish.confidence,
            dialled_in: callback.dialled_in,
            dialled_at: callback.dialled_at,
        }
    }
}

/// Callbacks of a run in figures.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CallbackFigures")]
pub(crate) struct Figures {
    requested: u64,
    pending: u64,
    completed: u64,
    cancelled: u64,
    /// Mean of INVITE less request; null before the first was dialled.
    average_delay_seconds: Option<f64>,
    /// Mean of INVITE less due time.
    average_lateness_seconds: Option<f64>,
}

impl From<CallbackSums> for Figures {
    fn from(sums: CallbackSums) -> Self {
        Self {
            requested: sums.requested,
            pending: sums.pending,
            completed: sums.completed,
            cancelled: sums.cancelled,
            average_delay_seconds: sums.average_delay_seconds(),
            average_lateness_seconds: sums.average_lateness_seconds(),
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    /// The current run when absent.
    run: Option<u32>,
    state: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(crate) async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Page<View>, Problem> {
    let filter = match query.state.as_deref() {
        None => CallbackFilter::Requested,
        Some(word) => CallbackFilter::In(
            CallbackState::from_word(word)
                .ok_or_else(|| unknown("/state", CallbackState::ALL.iter().map(|s| s.word())))?,
        ),
    };
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let limit = page.limit()?;
    let after = page.after()?;
    let asked = service::callbacks::Asked { run: query.run, filter, after, limit: limit + 1 };
    let callbacks = service::callbacks::list(&app, &who, read_id(&id)?, asked).await?;
    Ok(Page::of(callbacks, limit, |callback| callback.asked_in, View::from))
}

/// The filter of the contacts' list.
pub(crate) fn read_filter(word: &str) -> Result<CallbackFilter, Problem> {
    CallbackFilter::from_word(word).ok_or_else(|| {
        unknown("/callback", CallbackFilter::LISTED.iter().map(|filter| filter.word()))
    })
}

fn unknown<'a>(pointer: &str, words: impl Iterator<Item = &'a str>) -> Problem {
    let words: Vec<_> = words.collect();
    let message = format!("use one of {}", words.join(", "));
    Problem::invalid(vec![FieldError::new(pointer, "invalid", message)])
}

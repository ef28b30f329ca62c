//! Contacts: listed, explained, added from files; and the files that come out.

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use campanile_domain::{
    attempt::Audio,
    contact::ContactState,
    field::FieldError,
    ids::{AttemptId, ContactId, ImportId},
    outcome::{HangupBy, Outcome},
    phone::PhoneNumber,
    result::ConversationResult,
    why::ReasonCode,
};
use campanile_store::rows::{
    Attempt, Campaign, Contact, ContactFilter, Import, ImportFile, ImportStage,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    api::{
        callbacks,
        campaigns::read_id,
        page::{Page, PageQuery, Query},
        path_id,
    },
    app::{App, to_millisecond},
    auth::{Act, Caller, Who},
    csv_import::{self, ImportOptions, Preview},
    problem::Problem,
    report, service,
};

/// A contact in the list (api.md).
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Contact")]
pub(crate) struct View {
    id: ContactId,
    /// International; its middle is hidden from those who may not see numbers.
    phone_number: String,
    state: ContactState,
    attempts: u32,
    max_attempts: u32,
    #[schemars(with = "Option<campanile_domain::schema::Time>")]
    due_at: Option<Timestamp>,
    trail: Vec<Step>,
    last_result: Option<ConversationResult>,
    /// The newest callback of the run, whatever became of it.
    callback: Option<callbacks::View>,
    variables: Map<String, Value>,
}

/// One attempt of a trail.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TrailStep")]
struct Step {
    attempt_id: AttemptId,
    number: u32,
    outcome: Option<Outcome>,
    sip_code: Option<u16>,
    #[schemars(with = "campanile_domain::schema::Time")]
    at: Timestamp,
}

impl View {
    fn of(contact: Contact, max_attempts: u32, who: &Who) -> Self {
        let last_result = contact.trail.iter().rev().find_map(|attempt| attempt.result.clone());
        let trail = contact
            .trail
            .iter()
            .map(|attempt| Step {
                attempt_id: attempt.id,
                number: attempt.number,
                outcome: attempt.outcome,
                sip_code: attempt.sip_code,
                at: attempt.dialled_at,
            })
            .collect();
        Self {
            id: contact.id,
            phone_number: who.number(contact.phone),
            state: contact.state,
            attempts: contact.counted,
            max_attempts,
            due_at: contact.due_at,
            trail,
            last_result,
            callback: contact.callback.map(Into::into),
            variables: contact.variables,
        }
    }
}

/// A contact alone: with every attempt's timeline and why it waits.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ContactDetail")]
pub(crate) struct Detail {
    #[serde(flatten)]
    contact: View,
    timeline: Vec<Timeline>,
    waiting_for: Vec<Hold>,
}

/// What happened in one attempt, and when.
#[derive(Serialize, JsonSchema)]
struct Timeline {
    attempt_id: AttemptId,
    number: u32,
    pass: u32,
    revision: u32,
    counts: bool,
    caller_id: PhoneNumber,
    carrier: String,
    outcome: Option<Outcome>,
    sip_code: Option<u16>,
    sip_reason: Option<String>,
    hangup_by: Option<HangupBy>,
    result: Option<ConversationResult>,
    #[schemars(with = "campanile_domain::schema::Time")]
    dialled_at: Timestamp,
    #[schemars(with = "Option<campanile_domain::schema::Time>")]
    ringing_at: Option<Timestamp>,
    #[schemars(with = "Option<campanile_domain::schema::Time>")]
    answered_at: Option<Timestamp>,
    #[schemars(with = "Option<campanile_domain::schema::Time>")]
    bot_attached_at: Option<Timestamp>,
    #[schemars(with = "Option<campanile_domain::schema::Time>")]
    first_bot_audio_at: Option<Timestamp>,
    #[schemars(with = "Option<campanile_domain::schema::Time>")]
    ended_at: Option<Timestamp>,
    media: Option<Audio>,
}

impl From<&Attempt> for Timeline {
    fn from(attempt: &Attempt) -> Self {
        Self {
            attempt_id: attempt.id,
            number: attempt.number,
            pass: attempt.pass,
            revision: attempt.revision,
            counts: attempt.counts,
            caller_id: attempt.caller_id,
            carrier: attempt.carrier.clone(),
            outcome: attempt.outcome,
            sip_code: attempt.sip_code,
            sip_reason: attempt.sip_reason.clone(),
            hangup_by: attempt.hangup_by,
            result: attempt.result.clone(),
            dialled_at: attempt.dialled_at,
            ringing_at: attempt.ringing_at,
            answered_at: attempt.answered_at,
            bot_attached_at: attempt.bot_attached_at,
            first_bot_audio_at: attempt.first_bot_audio_at,
            ended_at: attempt.ended_at,
            media: attempt.media.clone(),
        }
    }
}

/// One reason why a contact is not being dialled.
#[derive(Serialize, JsonSchema)]
struct Hold {
    code: ReasonCode,
    reason: String,
    #[schemars(with = "Option<campanile_domain::schema::Time>")]
    until: Option<Timestamp>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    state: Option<String>,
    /// `requested`, `pending`, `completed` or `cancelled`.
    callback: Option<String>,
    phone: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

pub(crate) async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Page<View>, Problem> {
    let state = query.state.as_deref().map(read_state).transpose()?;
    let callback = query.callback.as_deref().map(callbacks::read_filter).transpose()?;
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let limit = page.limit()?;
    // Who could search for digits could read numbers that way.
    if query.phone.is_some() {
        who.require(Act::SeeNumbers)?;
    }
    let filter = ContactFilter {
        state,
        phone: query.phone,
        callback,
        after: page.after()?,
        limit: limit + 1,
    };
    let campaign: Campaign = service::campaigns::get(&app, &who, read_id(&id)?).await?;
    let contacts = service::contacts::list(&app, &who, campaign.id, filter).await?;
    let max_attempts = campaign.settings.max_attempts;
    let show = |contact| View::of(contact, max_attempts, &who);
    Ok(Page::of(contacts, limit, |contact| contact.id, show))
}

pub(crate) async fn one(
    State(app): State<App>,
    Caller(who): Caller,
    Path((id, contact_id)): Path<(String, String)>,
) -> Result<Json<Detail>, Problem> {
    let contact_id: ContactId = path_id(&contact_id, "contact")?;
    let campaign = service::campaigns::get(&app, &who, read_id(&id)?).await?;
    let contact = service::contacts::get(&app, &who, campaign.id, contact_id).await?;
    let live = service::campaigns::live(&app, &who, campaign.id).await?;
    let waiting_for =
        service::contacts::waiting_for(&campaign, live.as_deref(), &contact, app.now())
            .into_iter()
            .map(|hold| Hold {
                code: hold.code,
                reason: hold.sentence,
                until: hold.until.map(to_millisecond),
            })
            .collect();
    let timeline = contact.trail.iter().map(Timeline::from).collect();
    let contact = View::of(contact, campaign.settings.max_attempts, &who);
    Ok(Json(Detail { contact, timeline, waiting_for }))
}

/// The answer to a contact file (api.md).
#[derive(Serialize, JsonSchema)]
pub(crate) struct Imported {
    rows: u64,
    accepted: u64,
    duplicates: u64,
    invalid: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected_url: Option<String>,
    /// How it was read.
    #[serde(flatten)]
    file: Option<ImportFile>,
}

/// What a sender says of a file instead of letting it be guessed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileQuery {
    encoding: Option<String>,
    separator: Option<String>,
}

impl FileQuery {
    fn options(&self, app: &App, headers: &HeaderMap) -> Result<ImportOptions, Problem> {
        let options = ImportOptions::from_headers(headers, app.import_limits)
            .and_then(|options| {
                options.overridden(self.encoding.as_deref(), self.separator.as_deref())
            })
            .map_err(service::ServiceError::from)?;
        Ok(options)
    }
}

/// Reads the body row by row as it arrives; it is never held whole.
pub(crate) async fn import(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Query(query): Query<FileQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Imported>, Problem> {
    let options = query.options(&app, &headers)?;
    let id = read_id(&id)?;
    let import =
        service::contacts::import(&app, &who, id, body.into_data_stream(), options).await?;
    let rejected_url = rejected_url(&import);
    let Import { rows, accepted, duplicates, invalid, file, .. } = import;
    Ok(Json(Imported { rows, accepted, duplicates, invalid, rejected_url, file }))
}

/// How a contact file would be read.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Previewed {
    encoding: &'static str,
    separator: &'static str,
    columns: Vec<String>,
    rows: Vec<PreviewedRow>,
}

/// One of its first rows.
#[derive(Serialize, JsonSchema)]
struct PreviewedRow {
    line: u64,
    /// As it would be dialled, or as it stands there when it would not.
    phone_number: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<String>,
    variables: Map<String, Value>,
}

/// Reads the beginning of the body and keeps nothing.
pub(crate) async fn preview(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Query(query): Query<FileQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Previewed>, Problem> {
    let options = query.options(&app, &headers)?;
    let (id, body) = (read_id(&id)?, body.into_data_stream());
    let Preview { encoding, separator, columns, rows } =
        service::contact_files::preview_for(&app, &who, id, body, options).await?;
    let rows = rows.into_iter().map(|row| {
        let (phone_number, reason) = match row.number {
            Ok(number) => (number.to_string(), None),
            Err((text, reason)) => (text, Some(reason)),
        };
        let explanation = reason.and_then(csv_import::explain);
        let variables = serde_json::from_str(&row.variables).unwrap_or_default();
        PreviewedRow { line: row.line, phone_number, reason, explanation, variables }
    });
    let rows = rows.collect();
    Ok(Json(Previewed { encoding, separator: separator.word(), columns, rows }))
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Upload {
    id: ImportId,
    campaign_id: campanile_domain::ids::CampaignId,
    stage: ImportStage,
    rows: u64,
    accepted: u64,
    duplicates: u64,
    invalid: u64,
    applied: u64,
    rejected_url: Option<String>,
    /// How it was read, once it was.
    #[serde(flatten)]
    file: Option<ImportFile>,
}

/// How far a contact file has come (CT-6).
pub(crate) async fn upload(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Json<Upload>, Problem> {
    let id: ImportId = path_id(&id, "upload")?;
    let import = service::contacts::import_progress(&app, &who, id).await?;
    Ok(Json(Upload {
        id,
        campaign_id: import.campaign,
        stage: import.stage,
        rows: import.rows,
        accepted: import.accepted,
        duplicates: import.duplicates,
        invalid: import.invalid,
        applied: import.applied,
        rejected_url: rejected_url(&import),
        file: import.file,
    }))
}

/// Whether a file is for a spreadsheet or for a program.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawQuery {
    /// Texts as they are, formulas not neutralised.
    #[serde(default)]
    raw: bool,
}

/// The refused rows as CSV: line, reason, and the columns as they stood.
pub(crate) async fn rejected(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Query(query): Query<RawQuery>,
) -> Result<Response, Problem> {
    let id: ImportId = path_id(&id, "upload")?;
    Ok(report::rejected(&app, &who, id, query.raw).await?)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AttemptsQuery {
    run: Option<u32>,
    /// As in [`RawQuery`].
    #[serde(default)]
    raw: bool,
}

/// The attempt report, of one run or of all.
pub(crate) async fn attempts(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Query(query): Query<AttemptsQuery>,
) -> Result<Response, Problem> {
    Ok(report::attempts(&app, &who, read_id(&id)?, query.run, query.raw).await?)
}

fn rejected_url(import: &Import) -> Option<String> {
    (import.duplicates + import.invalid > 0)
        .then(|| format!("/api/v1/uploads/{}/rejected.csv", import.id))
}

fn read_state(word: &str) -> Result<ContactState, Problem> {
    ContactState::from_word(word).ok_or_else(|| {
        let words: Vec<_> = ContactState::ALL.iter().map(|state| state.word()).collect();
        Problem::invalid(vec![FieldError::new(
            "/state",
            "invalid",
            format!("use one of {}", words.join(", ")),
        )])
    })
}

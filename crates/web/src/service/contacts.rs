//! Contacts of a campaign: listed, added from files, and why each waits.

use std::fmt::Display;

use bytes::Bytes;
use campanile_domain::{
    campaign::Status,
    contact::{ContactClass, ContactState},
    guard,
    ids::{CampaignId, ContactId, ImportId},
    live::LiveView,
    why::{self, Reason, ReasonCode},
};
use campanile_store::rows::{Campaign, Contact, ContactFilter, Import, RejectedRow};
use futures_util::Stream;
use jiff::Timestamp;

use crate::{
    app::App,
    auth::{Act, Who},
    csv_import::{self, ImportOptions},
    service::Result,
};

/// A page of the current run's contacts, with trails, in the order they were added.
pub async fn list(
    app: &App,
    who: &Who,
    campaign: CampaignId,
    filter: ContactFilter,
) -> Result<Vec<Contact>> {
    who.require(Act::Look)?;
    app.store.campaign(campaign).await?;
    Ok(app.store.contacts(campaign, filter).await?)
}

/// One contact with its trail.
pub async fn get(app: &App, who: &Who, campaign: CampaignId, id: ContactId) -> Result<Contact> {
    who.require(Act::Look)?;
    Ok(app.store.contact(campaign, id).await?)
}

/// Reads a contact file into a campaign: replaces on a draft, appends on a running
/// or paused one (CT-4, CT-5).
pub async fn import<E: Display + Send>(
    app: &App,
    who: &Who,
    campaign: CampaignId,
    body: impl Stream<Item = std::result::Result<Bytes, E>> + Send,
    options: ImportOptions,
) -> Result<Import> {
    who.require(Act::Run)?;
    let by = who.actor.clone();
    Ok(csv_import::import_csv(&app.store, campaign, body, options, by, app.now()).await?)
}

/// How far a contact file has come.
pub async fn import_progress(app: &App, who: &Who, id: ImportId) -> Result<Import> {
    who.require(Act::Look)?;
    Ok(app.store.import(id).await?)
}

/// The refused rows of a contact file, in file order.
pub async fn rejected(
    app: &App,
    who: &Who,
    id: ImportId,
    after_line: u64,
    limit: u32,
) -> Result<Vec<RejectedRow>> {
    who.require(Act::Export)?;
    Ok(app.store.rejected_rows(id, after_line, limit).await?)
}

/// Why a contact is not being dialled, and until when (DI-12); empty when it is, or
/// never will be again. One that the toll-fraud guard bars is told so, before its turn
/// and when it was passed over. Every hold that stands is named, so that the longest can be seen.
pub fn waiting_for(
    campaign: &Campaign,
    live: Option<&LiveView>,
    contact: &Contact,
    now: Timestamp,
) -> Vec<Reason> {
    let view = live.filter(|view| view.run == campaign.run);
    let engaged = view.is_some_and(|view| view.engaged.contains(&contact.id));
    if contact.state == ContactState::Leased && engaged {
        return vec![Reason {
            code: ReasonCode::AnotherCall,
            sentence: "Another campaign’s call engages its number.".into(),
            until: None,
        }];
    }
    let is_waiting = contact.state.class() == ContactClass::Waiting;
    let passed_over = contact.state == ContactState::Failed && contact.trail.is_empty();
    if (is_waiting || passed_over)
        && let Err(why) = guard::check(contact.phone, &campaign.settings)
    {
        let sentence = format!("Not dialled: {why}.");
        return vec![Reason { code: ReasonCode::NumberBarred, sentence, until: None }];
    }
    if !is_waiting {
        return Vec::new();
    }
    let mut holds = Vec::new();
    let mut hold = |code, sentence: &str, until| {
        holds.push(Reason { code, sentence: sentence.to_owned(), until });
    };
    match campaign.status {
        Status::Draft => hold(ReasonCode::Paused, "The campaign is not started.", None),
        Status::Paused => hold(ReasonCode::Paused, "The campaign is paused.", None),
        Status::Completed | Status::Failed => {
            hold(ReasonCode::NothingLeft, "The run is over.", None);
        }
        Status::Running => {}
    }
    if let Some(due) = contact.due_at.filter(|due| *due > now) {
        let sentence = match contact.state {
            ContactState::CallbackScheduled => "It waits for the time the callee asked for.",
            _ => "It waits for its retry time.",
        };
        hold(ReasonCode::RetryWait, sentence, Some(due));
    }
    let hours = campaign.settings.hours();
    if !hours.is_open(now) {
        let sentence = why::outside(hours, now) + ".";
        hold(ReasonCode::OutsideWindow, &sentence, hours.next_change(now));
    }
    if campaign.status == Status::Running {
        match live {
            Some(view)
                if view.run == campaign.run
                    && !matches!(
                        view.reason.code,
                        ReasonCode::Dialling | ReasonCode::OutsideWindow | ReasonCode::RetryWait
                    ) =>
            {
                holds.push(view.reason.clone());
            }
            Some(_) if holds.is_empty() => holds.push(Reason {
                code: ReasonCode::Dialling,
                sentence: "It waits for its turn; others are dialled before it.".into(),
                until: None,
            }),
            Some(_) => {}
            None => holds.push(Reason {
                code: ReasonCode::DiallerDown,
                sentence: "The dialler has not reported yet.".into(),
                until: None,
            }),
        }
    }
    holds
}

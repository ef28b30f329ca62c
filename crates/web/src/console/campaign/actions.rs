//! The action bar: which buttons a status offers, and the questions that the
//! irreversible ones ask (MO-2).

use campanile_domain::{campaign::Status, contact::ContactClass};
use campanile_store::rows::Campaign;
use maud::{Markup, html};

use super::View;
use crate::console::{
    icons::Icon,
    parts::{dialog, keyed_dialog, opens, post_button},
    text::{count, counted},
};

/// One button of the bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Button {
    Activity,
    Report,
    Edit,
    Upload,
    Add,
    Start,
    Resume,
    Pause,
    Stop,
    Restart,
    CancelRestart,
    Delete,
}

/// The right that a button asks for; everyone who may look has the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Look,
    Run,
    Export,
    Edit,
}

impl Button {
    /// What a campaign offers, from left to right.
    pub(super) fn offered(campaign: &Campaign) -> Vec<Self> {
        let mut offered = Vec::new();
        if campaign.activity_count > 0 {
            offered.push(Self::Activity);
        }
        offered.push(Self::Report);
        match campaign.status {
            Status::Draft => {
                offered.push(Self::Edit);
                // Once it has run its contacts are locked (CL-11) and it stays (CL-10).
                if !campaign.has_run {
                    offered.extend([Self::Upload, Self::Start, Self::Delete]);
                } else {
                    offered.extend([Self::CancelRestart, Self::Start]);
                }
            }
            Status::Running => offered.extend([Self::Add, Self::Pause, Self::Stop]),
            Status::Paused => offered.extend([Self::Edit, Self::Resume, Self::Stop]),
            Status::Completed | Status::Failed => offered.push(Self::Restart),
        }
        offered
    }

    /// The right it asks for.
    pub(super) fn need(self) -> Need {
        match self {
            Self::Activity => Need::Look,
            Self::Report => Need::Export,
            Self::Upload
            | Self::Add
            | Self::Start
            | Self::Resume
            | Self::Pause
            | Self::Stop
            | Self::Restart
            | Self::CancelRestart => Need::Run,
            Self::Edit | Self::Delete => Need::Edit,
        }
    }
}

/// The bar.
pub(super) fn bar(view: &View) -> Markup {
    let campaign = &view.campaign;
    let at = |action: &str| format!("/dashboard/campaigns/{}/{action}", campaign.id);
    let allowed = |button: &Button| view.powers.allow(button.need());
    html! {
        @for button in Button::offered(campaign).into_iter().filter(allowed) {
            @match button {
                    Button::Activity => button.btn.quiet type="button" command="show-modal" commandfor="log" data-key="a"
                        data-hx-get=(at("log")) data-hx-target="#log-lines" {
                        (Icon::History.draw()) "Activity " span.n { (count(campaign.activity_count)) }
                    },
                    Button::Report => a.btn.quiet href={ "/api/v1/campaigns/" (campaign.id) "/attempts.csv" } download data-report="" data-key="e" {
                        (Icon::Download.draw()) span { "Attempt Report" }
                    },
                    Button::Edit => a.btn href=(at("edit")) { (Icon::Pencil.draw()) "Edit" },
                    Button::Upload => (opens("upload", "", Icon::Upload, if campaign.total() == 0 {
                        "Upload contacts (CSV)"
                    } else {
                        "Replace contacts (CSV)"
                    })),
                    Button::Add => (opens("upload", "", Icon::Plus, "Add contacts (CSV)")),
                    Button::Start => (post_button(&at("start"), "primary", Icon::Play, "Start")),
                    Button::Resume => (post_button(&at("resume"), "primary", Icon::Play, "Resume")),
                    Button::Pause => (post_button(&at("pause"), "tone amber", Icon::Pause, "Pause")),
                    Button::Stop => (opens("stop", "tone red", Icon::Square, "Stop")),
                    Button::Restart => (opens("restart", "", Icon::RotateCcw, "Restart")),
                    Button::CancelRestart => (opens("cancel-restart", "", Icon::Undo2, "Cancel Restart")),
                    Button::Delete => (opens("delete", "tone red", Icon::Trash2, "Delete")),
            }
        }
    }
}

/// The questions. Outside the live parts, so that a frame never closes
/// an open dialog; what Stop costs is a live part of its own.
pub(super) fn dialogs(view: &View) -> Markup {
    let campaign = &view.campaign;
    let at = |action: &str| format!("/dashboard/campaigns/{}/{action}", campaign.id);
    let status = campaign.status;
    html! {
        @if matches!(status, Status::Running | Status::Paused) && view.powers.run {
            (dialog("stop", "Stop this run?", html! {
                div.in id="stop-cost" { (stop_cost(view)) }
                footer {
                    button.btn type="button" command="close" commandfor="stop" { "Keep as it is" }
                    form method="post" action=(at("stop")) {
                        button.btn.solid.red type="submit" { "Stop Run #" (campaign.run) }
                    }
                }
            }))
        }
        @if view.powers.run {
            @match status {
                Status::Running => (by_key("pause", "Pause this campaign?", &at("pause"), html! {
                    "No new call leaves. " @match view.in_calls() {
                        0 => "No call is out now.",
                        1 => "The one call now out goes on to its end.",
                        n => { "The " b { (count(n)) } " calls now out go on to their ends." }
                    }
                }, html! { button.btn.solid.amber type="submit" { "Pause now" } })),
                Status::Paused => (by_key("resume", "Resume this campaign?", &at("resume"), html! {
                    "It dials again, if its calling window is open."
                }, html! { button.btn.primary type="submit" { "Resume now" } })),
                Status::Draft | Status::Completed | Status::Failed => {},
            }
        }
        @if matches!(status, Status::Completed | Status::Failed) && view.powers.run {
            (dialog("restart", "Restart this campaign?", html! {
                div.in {
                    p {
                        "Prepare this campaign for a new run? This resets call attempts and returns it to draft. "
                        "It will not start dialling until you press Start."
                    }
                    p {
                        "Run #" (campaign.run) " had "
                        b { (counted(campaign.sums.conversations, "conversation", "conversations")) } "."
                    }
                }
                footer {
                    button.btn type="button" command="close" commandfor="restart" { "Keep as it is" }
                    form method="post" action=(at("restart")) {
                        button.btn.primary type="submit" { "Prepare Run #" (campaign.run + 1) }
                    }
                }
            }))
        }
        @if status == Status::Draft && campaign.has_run && view.powers.run {
            (dialog("cancel-restart", "Cancel this restart?", html! {
                div.in { p { "Cancel the prepared Run #" (campaign.run) " and restore the previous completed run?" } }
                footer {
                    button.btn type="button" command="close" commandfor="cancel-restart" { "Keep it" }
                    form method="post" action=(at("cancel-restart")) {
                        button.btn.solid.red type="submit" { "Cancel Restart" }
                    }
                }
            }))
        }
        @if status == Status::Draft && !campaign.has_run && view.powers.edit {
            (dialog("delete", "Delete this draft?", html! {
                div.in {
                    p {
                        "This removes " b { (campaign.settings.name) } " and "
                        @match campaign.total() {
                            0 => "its settings; it has no contacts.",
                            n => { "its " b { (counted(n, "contact", "contacts")) } "." }
                        }
                    }
                    p { "It cannot be undone." }
                }
                footer {
                    button.btn type="button" command="close" commandfor="delete" { "Keep it" }
                    form method="post" action=(at("delete")) {
                        button.btn.solid.red type="submit" { "Delete campaign" }
                    }
                }
            }))
        }
        @if view.powers.run && Button::offered(campaign).iter().any(|b| matches!(b, Button::Upload | Button::Add)) {
            (super::upload::dialog(view))
        }
    }
}

/// A question for who pressed `p`: a key is pressed by accident more easily than a
/// button, which does not ask.
fn by_key(id: &str, title: &str, action: &str, words: Markup, button: Markup) -> Markup {
    let body = html! {
        div.in { p { (words) } }
        footer {
            button.btn type="button" command="close" commandfor=(id) { "Keep as it is" }
            form method="post" action=(action) { (button) }
        }
    };
    keyed_dialog(id, title, "p", body)
}

/// The activity log. Its button asks for the lines anew, because no frame carries
/// them.
pub(super) fn log_dialog(view: &View) -> Markup {
    dialog("log", "Activity Log", html! { div.in { ol.log id="log-lines" { (log(view)) } } })
}

/// What Stop does, in numbers.
pub(super) fn stop_cost(view: &View) -> Markup {
    let campaign = &view.campaign;
    let waiting: u64 = campaign
        .counts
        .iter()
        .filter(|(state, _)| state.class() == ContactClass::Waiting)
        .map(|(_, count)| count)
        .sum();
    let in_calls = view.in_calls();
    html! {
        p { "Stop ends Run #" (campaign.run) " for good. It cannot be un-stopped." }
        p {
            b { (counted(waiting, "waiting contact", "waiting contacts")) }
            @if waiting == 1 { " becomes " } @else { " become " }
            b { "manually stopped" } ". "
            @match in_calls {
                0 => "No call is out now.",
                1 => "The one call now out finishes with its real outcome.",
                n => { "The " b { (count(n)) } " calls now out finish with their real outcomes." }
            }
        }
    }
}

/// The lines of the activity log, newest first (CL-14).
pub(super) fn log(view: &View) -> Markup {
    html! {
        @for entry in &view.activity {
            li {
                (icon_of(&entry.action).small())
                span {
                    (words_of(&entry.action))
                    @if !entry.detail.is_empty() { ": " (entry.detail) }
                    small { (entry.by.name) }
                }
                (view.clock.plain(entry.at, &view.clock.seconds(entry.at)))
            }
        }
    }
}

fn icon_of(action: &str) -> Icon {
    match action {
        "start" | "resume" => Icon::Play,
        "pause" => Icon::Pause,
        "stop" => Icon::Square,
        "restart" => Icon::RotateCcw,
        "complete" => Icon::CircleCheck,
        "fail" => Icon::CircleX,
        "edit" => Icon::Pencil,
        "contacts_added" | "contacts_replaced" | "contacts_uploaded" => Icon::Upload,
        "exclude" => Icon::Ban,
        "create" => Icon::Plus,
        _ => Icon::History,
    }
}

fn words_of(action: &str) -> String {
    match action {
        "start" => "Started".into(),
        "pause" => "Paused".into(),
        "resume" => "Resumed".into(),
        "stop" => "Stopped".into(),
        "restart" => "Restarted".into(),
        "cancel_restart" => "Cancelled the restart".into(),
        "complete" => "Completed".into(),
        "fail" => "Failed".into(),
        "edit" => "Edited".into(),
        "create" => "Created".into(),
        other => crate::console::parts::sentence(&other.replace('_', " ")),
    }
}

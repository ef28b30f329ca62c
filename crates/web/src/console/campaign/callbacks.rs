//! Callbacks: their figures, and the filters of the call list (CB-4). Both are there only
//! when the campaign detects callbacks.

use campanile_domain::callback::CallbackState;
use campanile_store::rows::{Callback, CallbackFilter};
use maud::{Markup, html};

use super::View;
use crate::console::{
    icons::Icon,
    parts::{Shape, Tone, badge, off, stat},
    text::{count, span},
};

/// The panel.
pub(super) fn panel(view: &View) -> Markup {
    if !view.campaign.settings.callback_detection {
        return html! {};
    }
    let sums = &view.figures.callbacks;
    let whole = |seconds: f64| span(seconds.round() as u64);
    let late =
        sums.average_lateness_seconds().map(|late| format!("{} after the due time", whole(late)));
    html! {
        section.card aria-label="Callbacks" {
            dl.stats.four {
                (stat("Callbacks requested", count(sums.requested), "in this run"))
                (stat("Callbacks pending", count(sums.pending), "wait for their time"))
                (stat("Callbacks completed", count(sums.completed), "dialled, whatever it came to"))
                (stat(
                    "Average delay",
                    sums.average_delay_seconds().map_or_else(off, |delay| html! { (whole(delay)) }),
                    late.unwrap_or_else(|| "before a callback is dialled".into()),
                ))
            }
        }
    }
}

/// The filters above the call list; `address` gives that of the list with one.
pub(super) fn filters(view: &View, address: impl Fn(Option<CallbackFilter>) -> String) -> Markup {
    if !view.campaign.settings.callback_detection {
        return html! {};
    }
    let chosen = view.calls.query.callback();
    let all = std::iter::once(None).chain(CallbackFilter::LISTED.into_iter().map(Some));
    html! {
        nav.tabs aria-label="Callbacks" {
            @for filter in all {
                @let to = address(filter);
                a href=(to) data-hx-get=(to) aria-current=[(filter == chosen).then_some("true")] { (label(filter)) }
            }
        }
    }
}

fn label(filter: Option<CallbackFilter>) -> &'static str {
    match filter {
        None => "All calls",
        Some(CallbackFilter::Requested) => "Callbacks requested",
        Some(CallbackFilter::In(CallbackState::Pending)) => "Callbacks pending",
        Some(CallbackFilter::In(CallbackState::Dialling)) => "Callbacks dialling",
        Some(CallbackFilter::In(CallbackState::Completed)) => "Callbacks completed",
        Some(CallbackFilter::In(CallbackState::Cancelled)) => "Callbacks cancelled",
        Some(CallbackFilter::In(CallbackState::Superseded)) => "Callbacks superseded",
    }
}

/// The badge beside the status of a contact for whom a callback is scheduled, with the words
/// that were said. Nothing for the others.
pub(super) fn mark(callback: Option<&Callback>) -> Markup {
    let open = |callback: &&Callback| {
        matches!(callback.state, CallbackState::Pending | CallbackState::Dialling)
    };
    let Some(callback) = callback.filter(open) else { return html! {} };
    html! {
        span title=(said(callback)) { (badge(Tone::Blue, Shape::Icon(Icon::Undo2), "Callback")) }
    }
}

fn said(callback: &Callback) -> String {
    let words = callback.wish.when_text.as_deref().unwrap_or("no words");
    let unclear = if callback.understood.needs_a_person() { "; unclear, please look" } else { "" };
    match &callback.wish.reason {
        Some(reason) => format!("Asked for: {words} ({reason}){unclear}"),
        None => format!("Asked for: {words}{unclear}"),
    }
}

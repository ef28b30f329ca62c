//! The list while there is no campaign: three steps to the first call.

use maud::{Markup, html};

use super::Beginnings;
use crate::console::{
    assets,
    campaign::Powers,
    icons::{self, Icon},
    parts::{Shape, Tone, bare_badge},
};

/// Three steps to the first call, for a console without a campaign.
pub(super) fn newcomer(beginnings: Beginnings, powers: Powers) -> Markup {
    let step = |n: u8, done: bool, time: &str| {
        html! {
            p.num {
                span { "Step " (n) }
                @if done { (bare_badge(Tone::Green, Shape::Icon(Icon::StCompleted), "Done")) }
                @else { span { (time) } }
            }
        }
    };
    let now = match (beginnings.carrier, beginnings.bot) {
        (false, _) => 1,
        (true, false) => 2,
        (true, true) => 3,
    };
    html! {
        section.hello {
            (icons::mark())
            h1 { "Your first calls, in three steps" }
            p { "Nothing here rings a real phone until you choose a real carrier." }
        }
        div.three {
            section.card.teach.now[now == 1] {
                (step(1, beginnings.carrier, "about 2 minutes"))
                h2 { "A carrier to call through" }
                p { "Your SIP trunk and a number to show, or " code { "campanile carrier" } ", the simulated one, to rehearse with." }
                div.ex { pre.code tabindex="0" aria-label="Start the simulated carrier" { "campanile carrier \\\n  --sip 127.0.0.1:5080" } }
                span {
                    @if beginnings.administers {
                        a.btn.primary[now == 1] href="/dashboard/setup#carriers" { (Icon::Plus.draw()) "Add a carrier" }
                    } @else { span.hint { "An administrator adds it." } }
                }
            }
            section.card.teach.now[now == 2] {
                (step(2, beginnings.bot, "one click"))
                h2 { "A bot to talk" }
                p { "Start with the built-in script: it greets, listens for a key, says goodbye. It needs nothing else installed." }
                div.ex {
                    p { (Icon::MessageSquare.small()) "Greets and says its menu" }
                    p { (Icon::Phone.small()) "1 is interested, 9 opts out" }
                }
                span {
                    @if powers.edit {
                        form method="post" action="/dashboard/setup/bots" {
                            input type="hidden" name="name" value="Sample script";
                            input type="hidden" name="back" value="list";
                            button.btn.primary[now == 2] type="submit" { "Use the sample script" }
                        }
                    } @else { span.hint { "A supervisor adds it." } }
                }
            }
            section.card.teach.now[now == 3] {
                (step(3, false, "about 1 minute"))
                h2 { "People to call" }
                p { "A CSV with a " code { "phone_number" } " column. Every other column becomes a variable of the bot." }
                div.ex { pre.code tabindex="0" aria-label="Sample CSV" { "phone_number,name,emi\n+919845027731,Sneha,3850\n+919930411826,Imran,4120" } }
                span.row {
                    @if powers.edit {
                        a.btn.primary[now == 3] href="/dashboard/campaigns/new" { (Icon::Plus.draw()) "New campaign" }
                    }
                    a.btn.quiet href=(assets::url("sample-contacts.csv")) download="sample-contacts.csv" { (Icon::Download.draw()) "Sample CSV" }
                }
            }
        }
        p.note.center {
            "Prefer a terminal? " code { "campanile demo" } " shows a whole rehearsed campaign; the API under "
            code { "/api/v1" } " does everything that this console does."
        }
    }
}

//! Contacts by CSV: the form, and what became of a file (CT-4, CT-5).

use campanile_domain::campaign::Status;
use campanile_store::rows::{Import, ImportStage};
use maud::{Markup, Render, html};

use super::View;
use crate::console::{
    assets,
    icons::Icon,
    parts::{self, Tone, notice},
    text::{count, counted},
};

/// The dialog behind Add contacts and Upload contacts.
pub(super) fn dialog(view: &View) -> Markup {
    let campaign = &view.campaign;
    let title = match campaign.status {
        Status::Draft if campaign.total() > 0 => "Replace the contacts",
        Status::Draft => "Upload contacts",
        Status::Running | Status::Paused | Status::Completed | Status::Failed => "Add contacts",
    };
    let address = format!("/dashboard/campaigns/{}/contacts", campaign.id);
    parts::dialog(
        "upload",
        title,
        html! {
            form method="post" action=(address) data-upload="" {
                div.in {
                    p {
                        "A CSV with a " code { "phone_number" } " column; every other column becomes a \
                         variable of the contact."
                        @if campaign.status == Status::Draft && campaign.total() > 0 {
                            " The new file replaces the " (counted(campaign.total(), "contact", "contacts"))
                            " once it proved to hold at least one good row."
                        }
                        @if campaign.status == Status::Running { " They are called as they arrive." }
                    }
                    (file_field())
                }
                footer {
                    a.btn.quiet href=(assets::url("sample-contacts.csv")) download="sample-contacts.csv" {
                        (Icon::Download.draw()) "Sample CSV"
                    }
                    span.push {}
                    button.btn type="button" command="close" commandfor="upload" { "Cancel" }
                    button.btn.primary type="submit" { "Upload" }
                }
            }
        },
    )
}

/// A file for the script, pasted rows without it: a plain form cannot send a file
/// except as multipart, which nothing else here needs.
pub(crate) fn file_field() -> Markup {
    html! {
        div.field.js {
            label for="csv-file" { "Contacts file" small { "CSV, up to 50 MB or 500,000 rows" } }
            input.file-input id="csv-file" type="file" accept=".csv,text/csv,text/plain,.txt,.tsv";
        }
        noscript {
            div.field {
                label for="csv-text" { "Contacts" small { "paste the rows of the CSV, header first" } }
                textarea.input.area id="csv-text" name="csv" rows="6" placeholder="phone_number,name" {}
            }
        }
        div.upload-progress data-upload-progress="" hidden {
            p { span data-upload-words="" { "Uploading" } b data-upload-figures="" {} }
            progress max="100" value="0" aria-label="Upload" {}
        }
        p.err.red data-upload-error="" role="alert" hidden {}
    }
}

/// What became of a file, once its page is shown again.
pub(super) fn outcome(view: &View, import: &Import) -> Markup {
    let rejected = import.duplicates + import.invalid;
    let tone = if import.accepted == 0 {
        Tone::Red
    } else if rejected > 0 {
        Tone::Amber
    } else {
        Tone::Blue
    };
    let icon = if import.accepted == 0 { Icon::CircleX } else { Icon::CircleCheck };
    notice(
        tone,
        icon,
        html! {
            b { (counted(import.accepted, "contact", "contacts")) " taken" }
            " of " (counted(import.rows, "row", "rows")) "."
            @if import.stage == ImportStage::Applying { " " (count(import.applied)) " are in the list so far." }
            @if rejected > 0 {
                " " span {
                    (left_out(import)) " "
                    @if view.powers.export {
                        a.link href={ "/api/v1/uploads/" (import.id) "/rejected.csv" } download {
                            "Download them with the reasons"
                        }
                    }
                }
            }
        },
    )
}

fn left_out(import: &Import) -> impl Render {
    let mut parts = Vec::new();
    if import.duplicates > 0 {
        parts.push(counted(import.duplicates, "duplicate", "duplicates"));
    }
    if import.invalid > 0 {
        parts.push(counted(
            import.invalid,
            "row that cannot be dialled",
            "rows that cannot be dialled",
        ));
    }
    format!("Left out: {}.", parts.join(", "))
}

//! Every state of the page, drawn from invented data.

mod scene;

use campanile_domain::{settings::Settings, window::Window};

use self::scene::*;
use super::{actions::Button, *};
use crate::console::{
    layout::{Frame, Page, Place, Reader, Theme},
    text::Clock,
};

/// Text of a page without its markup, for tables of what is said.
fn said(markup: &Markup) -> String {
    let mut text = String::new();
    let mut inside = false;
    for letter in markup.0.chars() {
        match letter {
            '<' => inside = true,
            '>' => {
                inside = false;
                text.push(' ');
            }
            letter if !inside => text.push(letter),
            _ => {}
        }
    }
    text.replace('\u{a0}', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_status_offers_its_buttons_and_no_others() {
    let mut table = String::new();
    for status in Status::ALL {
        for (has_run, entries) in [(false, 0), (true, 3)] {
            let mut campaign = campaign(*status);
            (campaign.has_run, campaign.activity_count) = (has_run, entries);
            table += &format!(
                "{:10} has_run={has_run:5} {:?}\n",
                status.word(),
                Button::offered(&campaign)
            );
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_reader_sees_only_the_buttons_that_he_may_press() {
    let mut running = states().remove(2).1;
    running.powers = Powers { run: false, export: false, edit: false };
    let bar = said(&actions::bar(&running));
    assert_eq!(bar, "Activity 4");
    let dialogs = actions::dialogs(&running).into_string();
    assert!(!dialogs.contains("id=\"stop\"") && !dialogs.contains("id=\"upload\""));
}

#[test]
fn every_state_says_why_and_until_when() {
    let table: String = states()
        .iter()
        .map(|(name, view)| {
            let panel = panel::panel(view).into_string();
            let head =
                panel.split("<div class=\"progress\">").next().unwrap_or_default().to_owned();
            format!("{name}: {}\n", said(&maud::PreEscaped(head)))
        })
        .collect();
    insta::assert_snapshot!(table);
}

#[test]
fn every_end_has_its_notice() {
    let table: String = states()
        .iter()
        .map(|(name, view)| format!("{name}: {}\n", said(&head::notices(view))))
        .filter(|line| !line.ends_with(": \n"))
        .collect();
    insta::assert_snapshot!(table);
}

#[test]
fn names_are_escaped_wherever_they_stand() {
    for (name, view) in states() {
        let page = view.page(None).into_string();
        assert!(!page.contains("<b>personal</b>"), "{name}");
        assert!(page.contains("&lt;b&gt;personal&lt;/b&gt;"), "{name}");
    }
}

#[test]
fn no_page_carries_inline_style_or_script() {
    for (name, view) in states() {
        let page = view.page(None).into_string();
        for forbidden in [" style=", "<style", " onclick=", "hx-on", "javascript:", "<script>"] {
            assert!(!page.contains(forbidden), "{name} has {forbidden}");
        }
    }
}

#[test]
fn ids_are_unique_in_a_page() {
    for (name, view) in states() {
        // The drawings at the top of each page have ids too.
        let page = crate::console::icons::sheet().into_string() + &view.page(None).into_string();
        let mut ids: Vec<&str> =
            page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        ids.sort_unstable();
        let before = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), before, "{name}");
    }
}

#[test]
fn chips_tell_number_outcome_ring_and_time() {
    let clock = Clock::new("Asia/Kolkata", now());
    let look = calls::Look { clock: &clock, max_attempts: 3 };
    let table: String = contacts()
        .iter()
        .map(|contact| format!("{}\n", said(&calls::row(id(), &look, contact))))
        .collect();
    insta::assert_snapshot!(table);
}

#[test]
fn the_config_panel_shows_every_setting_of_the_run() {
    insta::assert_snapshot!(said(&config::panel(&states().remove(2).1)).replace(" {", "\n{"));
}

#[test]
fn the_rates_have_curves_while_there_is_a_history() {
    let mut running = states().remove(2).1;
    let drawn = panel::panel(&running).into_string();
    assert!(drawn.contains("<title>Dials a second, last 10\u{a0}m"), "{drawn}");
    assert!(drawn.contains("<title>Connected an hour, last 10\u{a0}m"), "{drawn}");
    running.history.clear();
    assert!(!panel::panel(&running).into_string().contains("<svg class=\"spark"));
}

#[test]
fn the_green_strip_brings_its_numbers() {
    insta::assert_snapshot!(said(&figures::strip(&states().remove(2).1)));
    let empty = view(campaign(Status::Draft), None);
    assert_eq!(said(&figures::strip(&empty)).matches("--").count(), 4, "no figure without a base");
}

#[test]
fn progress_leaves_the_excluded_out_of_its_whole() {
    let words = said(&panel::progress(&states().remove(2).1));
    // 25,798 + 9,062 + 4,230 processed; 84,344 in all, 1,340 of them excluded.
    assert!(words.starts_with("39,090 of 83,004 processed 47.1 %"), "{words}");
}

#[test]
fn stop_says_what_it_costs() {
    let words = said(&actions::stop_cost(&states().remove(2).1));
    assert!(words.contains("43,635 waiting contacts become manually stopped"), "{words}");
    assert!(words.contains("The 279 calls now out finish"), "{words}");
}

#[test]
fn a_frame_names_only_parts_that_the_page_has() {
    for (name, view) in states() {
        let (page, frame) = (view.page(None).into_string(), view.frame().into_string());
        for part in frame.split(" data-part").collect::<Vec<_>>().split_last().unwrap().1 {
            let id = part.rsplit(" id=\"").next().unwrap_or(part).split('"').next().unwrap();
            assert!(page.contains(&format!("id=\"{id}\"")), "{name}: {id}");
        }
    }
}

#[test]
fn pages_of_calls_lead_on_and_back() {
    let mut view = states().remove(2).1;
    view.calls.query.state = "failed".into();
    let first = calls::card(&view).into_string();
    assert!(first.contains("after=con_000000000000e&amp;seen=0#calls"), "{first}");
    assert!(first.contains("disabled>Previous"));
    view.calls.query.after = "con_000000000000e".into();
    view.calls.query.seen = "0.nonsense".into();
    let second = calls::card(&view).into_string();
    assert!(second.contains("state=failed#calls"), "back to the first page");
    assert!(!second.contains("nonsense"));
}

#[test]
fn dialling_time_leaves_pauses_out() {
    let mut campaign = campaign(Status::Running);
    campaign.settings = Arc::new(Settings {
        window: Window { start: "00:00".into(), end: "24:00".into(), ..Window::default() },
        ..settings()
    });
    // From 05:06:12 to 09:17:20, less the pause from 05:58:42 to 06:01:52.
    assert_eq!(dialling_seconds(&campaign, &log(), now()), 15_068 - 190);
}

/// Writes each state as a page with its assets, to be looked at in a browser:
/// `CONSOLE_GALLERY=DIR cargo nextest run -p campanile-web gallery`. Without a
/// directory there is nothing to write and nothing to hold.
#[test]
fn gallery() {
    let Some(dir) = std::env::var_os("CONSOLE_GALLERY").map(std::path::PathBuf::from) else {
        return;
    };
    for (name, mut view) in states() {
        view.campaign.settings = Arc::new(Settings {
            name: "November EMI reminders, personal loans".into(),
            ..(*view.campaign.settings).clone()
        });
        for theme in [Theme::Light, Theme::Dark] {
            let frame = Frame {
                reader: Reader { email: "asha.rao@suraksha.example".into(), role: "supervisor" },
                theme,
                here: "/".into(),
                version: "0.1.0".into(),
            };
            let page = Page {
                title: "November EMI reminders",
                place: Place::Campaigns,
                crumbs: (
                    Some(("/dashboard/campaigns", "Campaigns")),
                    "November EMI reminders, personal loans",
                ),
                live: Some("campaign:x"),
            };
            let html = frame.page(&page, view.page(None)).into_string();
            std::fs::write(dir.join(format!("{name}-{}.html", theme.word())), html).unwrap();
        }
    }
}

/// A contact that asked to be called back, and a campaign that honours it.
fn with_callbacks() -> View {
    use campanile_domain::{
        callback::{CallbackState, Understood},
        contact::ContactState,
        figures::CallbackSums,
        ids::AttemptId,
        result::CallbackWish,
    };
    use campanile_store::rows::Callback;

    let mut view = states().remove(2).1;
    let mut settings = Settings::clone(&view.campaign.settings);
    settings.callback_detection = true;
    view.campaign.settings = settings.into();
    view.figures.callbacks = CallbackSums {
        requested: 7,
        pending: 3,
        completed: 2,
        cancelled: 1,
        dialled: 2,
        delay_ms: 7_260_000,
        late_ms: 8_000,
    };
    let mut contact = contact(1, ContactState::CallbackScheduled, Vec::new());
    contact.callback = Some(Callback {
        asked_in: AttemptId(7),
        run: 1,
        contact: contact.id,
        phone: contact.phone,
        state: CallbackState::Pending,
        requested_at: at("2026-11-19T08:54:00Z"),
        due_at: at("2026-11-19T09:54:00Z"),
        wanted_at: None,
        understood: Understood::Unclear,
        wish: CallbackWish {
            when_text: Some("when <pigs> fly".into()),
            reason: Some("driving".into()),
            ..CallbackWish::default()
        },
        dialled_in: None,
        dialled_at: None,
    });
    view.calls.rows = vec![contact];
    view
}

#[test]
fn callbacks_have_a_panel_filters_and_a_badge_when_they_are_detected() {
    let mut view = with_callbacks();
    view.calls.query.callback = "pending".into();
    let panel = said(&callbacks::panel(&view));
    assert_eq!(
        panel,
        "Callbacks requested 7 in this run Callbacks pending 3 wait for their time \
         Callbacks completed 2 dialled, whatever it came to \
         Average delay 1 h 0 m 4 s after the due time"
    );
    let list = calls::card(&view);
    let text = said(&list);
    let filters = "All calls Callbacks requested Callbacks pending Callbacks completed \
                   Callbacks cancelled";
    assert!(text.contains(filters), "{text}");
    let html = list.into_string();
    assert_eq!(html.matches("aria-current=\"true\"").count(), 1, "one filter is marked");
    let marked = html.split("aria-current=\"true\">").nth(1).unwrap();
    assert!(marked.starts_with("Callbacks pending"));
    assert_eq!(html.matches("badge blue").count(), 1, "the badge stands once");
    assert!(html.contains("Asked for: when &lt;pigs&gt; fly (driving); unclear, please look"));
}

#[test]
fn a_campaign_that_detects_no_callbacks_shows_nothing_of_them() {
    let mut view = with_callbacks();
    let mut settings = Settings::clone(&view.campaign.settings);
    settings.callback_detection = false;
    view.campaign.settings = settings.into();
    assert_eq!(callbacks::panel(&view).into_string(), "");
    assert!(!calls::card(&view).into_string().contains("Callbacks requested"));
}

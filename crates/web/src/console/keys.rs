//! The keys of the console: what `assets/keys.js` binds, told in the dialog that `?`
//! opens. Nothing needs them: each does what a button or link does, too.

use maud::{Markup, html};

use super::parts::dialog;

/// A key, or two one after the other, and what it does.
type Shortcut = (&'static str, &'static str);

const EVERYWHERE: &[Shortcut] = &[
    ("?", "Show these shortcuts"),
    ("/", "Search"),
    ("g c", "Go to the campaigns"),
    ("g s", "Go to the setup"),
    ("Escape", "Close what is open, or leave a field"),
];
const ROWS: &[Shortcut] = &[
    ("j", "Next row"),
    ("k", "Previous row"),
    ("o", "Open the row: its campaign or last attempt"),
];
const CAMPAIGN: &[Shortcut] = &[
    ("p", "Pause or resume; asks before it does"),
    ("e", "Download the attempt report"),
    ("a", "Show the activity log"),
];

/// The dialog. Single keys can be turned off (WCAG 2.1.4): who speaks to the computer,
/// or types by accident, must not pause a campaign.
pub(crate) fn help() -> Markup {
    let list = |title: &str, shortcuts: &[Shortcut]| {
        html! {
            h3 { (title) }
            dl.keys {
                @for (keys, words) in shortcuts {
                    div { dt { (words) } dd { @for key in keys.split(' ') { kbd { (name(key)) } " " } } }
                }
            }
        }
    };
    dialog(
        "keys",
        "Keyboard shortcuts",
        html! {
            div.in {
                (list("Everywhere", EVERYWHERE))
                (list("In a table", ROWS))
                (list("On a campaign", CAMPAIGN))
                label.check { input type="checkbox" name="keys-off"; "Turn these shortcuts off in this browser" }
            }
        },
    )
}

/// What stands on the key.
fn name(key: &str) -> &str {
    if key == "Escape" { "Esc" } else { key }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the bindings, in the order of the module.
    fn bound() -> Vec<&'static str> {
        let module = include_str!("../../assets/keys.js");
        let table = module.split("const keys = {\n").nth(1).unwrap().split("\n  }").next().unwrap();
        let names = table.lines().map(|line| line.split_once(": () =>").expect(line).0);
        names.map(|name| name.trim().trim_matches('\'')).collect()
    }

    #[test]
    fn the_dialog_lists_what_the_module_binds() {
        let all = || [EVERYWHERE, ROWS, CAMPAIGN].concat();
        let (mut listed, mut bound) =
            (all().iter().map(|(keys, _)| *keys).collect::<Vec<_>>(), bound());
        listed.sort_unstable();
        bound.sort_unstable();
        assert_eq!(listed, bound);
        let drawn = help().into_string();
        for (keys, words) in all() {
            for key in keys.split(' ') {
                assert!(drawn.contains(&format!("<kbd>{}</kbd>", name(key))), "{key}");
            }
            assert!(drawn.contains(words), "{words}");
        }
    }
}

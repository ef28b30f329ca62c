//! The frame round every page: head, rail, top bar, theme.

use axum::http::HeaderMap;
use maud::{DOCTYPE, Markup, Render, html};

use super::{
    assets,
    icons::{self, Icon},
    keys,
};

/// Light, dark, or what the reader's system says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    /// Name of the cookie that remembers it; readable by the script, it is no secret.
    pub(crate) const COOKIE: &'static str = "theme";

    /// As the reader's cookie says.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let cookies = headers.get_all(axum::http::header::COOKIE).iter();
        cookies
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .find_map(|pair| pair.trim().strip_prefix("theme=").map(Self::from_word))
            .unwrap_or_default()
    }

    /// The theme with this word; the system's for any other.
    pub(crate) fn from_word(word: &str) -> Self {
        match word {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }

    /// Its word in the cookie and in `data-theme`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    fn icon(self) -> Icon {
        match self {
            Self::System => Icon::Monitor,
            Self::Light => Icon::Sun,
            Self::Dark => Icon::Moon,
        }
    }
}

/// The part of the console that a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Campaigns,
    Setup,
}

/// Who reads, as the frame shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reader {
    /// E-mail address.
    pub(crate) email: String,
    /// Rank, such as `operator`.
    pub(crate) role: &'static str,
}

/// What the frame of a page needs to know.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// The signed-in reader.
    pub(crate) reader: Reader,
    /// How it looks.
    pub(crate) theme: Theme,
    /// Path and query, to come back to after a change of theme.
    pub(crate) here: String,
    /// Version of the binary.
    pub(crate) version: String,
}

/// A page within the console.
#[derive(Debug, Clone)]
pub(crate) struct Page<'a> {
    /// Title of the tab, before `· Campanile`.
    pub(crate) title: &'a str,
    /// Marked in the rail.
    pub(crate) place: Place,
    /// Address and words of the page above, then the words of this one.
    pub(crate) crumbs: (Option<(&'a str, &'a str)>, &'a str),
    /// Topics of the live stream that it watches.
    pub(crate) live: Option<&'a str>,
}

impl Frame {
    /// The whole document.
    pub(crate) fn page(&self, page: &Page<'_>, main: impl Render) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" data-theme=[(self.theme != Theme::System).then_some(self.theme.word())] {
                (head(page.title, &["htmx.min.js", "console.js"]))
                body {
                    (icons::sheet())
                    a.skip href="#main" { "Skip to content" }
                    div.shell {
                        (self.rail(page.place))
                        (self.top(page))
                        main id="main" tabindex="-1" data-live=[page.live] { (main) }
                    }
                    (keys::help())
                    div.toasts id="toasts" role="status" aria-live="polite" {}
                }
            }
        }
    }

    fn rail(&self, place: Place) -> Markup {
        let link = |to: Place, address: &str, icon: Icon, words: &str| {
            html! {
                li {
                    a href=(address) aria-current=[(to == place).then_some("page")] { (icon.draw()) (words) }
                }
            }
        };
        html! {
            header.rail {
                a.brand href="/dashboard/campaigns" { (icons::mark()) span { "Campanile" } }
                nav.nav aria-label="Main" {
                    ul {
                        (link(Place::Campaigns, "/dashboard/campaigns", Icon::List, "Campaigns"))
                        (link(Place::Setup, "/dashboard/setup", Icon::Settings, "Setup"))
                    }
                }
                div.rail-foot { p { "Campanile" b { (self.version) } } }
            }
        }
    }

    fn top(&self, page: &Page<'_>) -> Markup {
        let (above, here) = &page.crumbs;
        let initial: String =
            self.reader.email.chars().take(2).flat_map(char::to_uppercase).collect();
        html! {
            section.top aria-label="Toolbar" {
                nav.crumb aria-label="Breadcrumb" {
                    @if let Some((address, words)) = above {
                        a.up href=(address) { (words) }
                        span.up { (Icon::ChevronRight.small()) }
                    }
                    span { (here) }
                }
                span.push {}
                @if page.live.is_some() {
                    p.conn.grey.js id="conn" title="Live stream" { span.dot.ring {} span { "Connecting" } }
                }
                button.btn.quiet.icon type="button" popovertarget="theme-menu" aria-label="Colour theme" title="Colour theme" {
                    (Icon::SunMoon.draw())
                }
                form.pop.menu id="theme-menu" popover method="post" action="/dashboard/theme" data-theme-form="" {
                    input type="hidden" name="back" value=(self.here);
                    @for theme in [Theme::System, Theme::Light, Theme::Dark] {
                        button type="submit" name="theme" value=(theme.word()) aria-pressed=(theme == self.theme) {
                            (theme.icon().draw())
                            (super::parts::sentence(theme.word()))
                        }
                    }
                }
                button.avatar.purple type="button" popovertarget="account-menu"
                    aria-label={ (initial) ", account of " (self.reader.email) } { (initial) }
                div.pop.menu id="account-menu" popover {
                    p { b { (self.reader.email) } span { (super::parts::sentence(self.reader.role)) } }
                    button.js type="button" command="show-modal" commandfor="keys" {
                        (Icon::Keyboard.draw()) "Keyboard shortcuts"
                    }
                    form method="post" action="/signout" {
                        button type="submit" { (Icon::LogOut.draw()) "Sign out" }
                    }
                }
            }
        }
    }
}

/// A page outside the console: sign-in, first run, a fault.
pub(crate) fn gate(theme: Theme, title: &str, main: impl Render) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" data-theme=[(theme != Theme::System).then_some(theme.word())] {
            (head(title, &["console.js"]))
            body { (icons::sheet()) main.gate { (main) } }
        }
    }
}

/// A page to read, for anybody: the API's description.
pub(crate) fn document(theme: Theme, title: &str, main: impl Render) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" data-theme=[(theme != Theme::System).then_some(theme.word())] {
            (head(title, &["console.js"]))
            body { (icons::sheet()) main.document { (main) } }
        }
    }
}

fn head(title: &str, scripts: &[&str]) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            title { (title) " · Campanile" }
            meta name="htmx-config" content=r#"{"includeIndicatorCSS":false}"#;
            meta name="live-worker" content=(assets::url("live-worker.js"));
            link rel="icon" href=(assets::url("logo.svg")) type="image/svg+xml";
            link rel="preload" href=(assets::url("inter.woff2")) as="font" type="font/woff2" crossorigin;
            link rel="stylesheet" href=(assets::url("app.css"));
            @for script in scripts { script src=(assets::url(script)) defer {} }
        }
    }
}

//! The parts that screens are made of: each has one look and one markup.

use campanile_domain::{campaign::Status, contact::ContactState, field::FieldError};
use maud::{Markup, Render, html};

use super::icons::Icon;

/// What a colour means; a colour never stands without a word and a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Grey,
    Green,
    Amber,
    Yellow,
    Orange,
    Red,
    Blue,
    Purple,
}

impl Tone {
    /// Its class in the stylesheet.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Grey => "grey",
            Self::Green => "green",
            Self::Amber => "amber",
            Self::Yellow => "yellow",
            Self::Orange => "orange",
            Self::Red => "red",
            Self::Blue => "blue",
            Self::Purple => "purple",
        }
    }
}

/// The shape before a word: what tells a status without its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A filled dot.
    Dot,
    /// A filled dot with a slow halo: calls ring now.
    Beat,
    /// A hollow dot.
    Ring,
    /// A drawing.
    Icon(Icon),
}

impl Render for Shape {
    fn render(&self) -> Markup {
        match self {
            Self::Dot => html! { span.dot {} },
            Self::Beat => html! { span.dot.beat {} },
            Self::Ring => html! { span.dot.ring {} },
            Self::Icon(icon) => icon.draw(),
        }
    }
}

/// A word on its tint.
pub(crate) fn badge(tone: Tone, shape: Shape, words: &str) -> Markup {
    html! { span class={ "badge " (tone.class()) } { (shape) (words) } }
}

/// A word without a tint, where many stand together.
pub(crate) fn bare_badge(tone: Tone, shape: Shape, words: &str) -> Markup {
    html! { span class={ "badge bare " (tone.class()) } { (shape) (words) } }
}

/// Tone, shape and word of a campaign's status (MO-1).
pub(crate) fn status_look(status: Status) -> (Tone, Shape, &'static str) {
    match status {
        Status::Draft => (Tone::Grey, Shape::Icon(Icon::StDraft), "Draft"),
        Status::Running => (Tone::Green, Shape::Dot, "Running"),
        Status::Paused => (Tone::Amber, Shape::Icon(Icon::StPaused), "Paused"),
        Status::Completed => (Tone::Blue, Shape::Icon(Icon::StCompleted), "Completed"),
        Status::Failed => (Tone::Red, Shape::Icon(Icon::StFailed), "Failed"),
    }
}

/// The badge beside a campaign's name.
pub(crate) fn status_badge(status: Status) -> Markup {
    let (tone, shape, words) = status_look(status);
    badge(tone, shape, words)
}

/// The badge of a contact: live states stand on a tint, the others do not.
pub(crate) fn contact_badge(state: ContactState) -> Markup {
    use ContactState as S;
    let (tone, shape, tinted) = match state {
        S::Pending => (Tone::Grey, Shape::Icon(Icon::CircleDashed), false),
        S::RetryScheduled => (Tone::Amber, Shape::Icon(Icon::Clock), false),
        S::CallbackScheduled => (Tone::Blue, Shape::Icon(Icon::Undo2), true),
        S::Leased | S::Dialling => (Tone::Green, Shape::Icon(Icon::Phone), true),
        S::Ringing => (Tone::Green, Shape::Ring, true),
        S::AmdScreening => (Tone::Green, Shape::Icon(Icon::Mic), true),
        S::Attaching => (Tone::Green, Shape::Icon(Icon::Route), true),
        S::InProgress => (Tone::Green, Shape::Dot, true),
        S::Processing => (Tone::Blue, Shape::Icon(Icon::RefreshCw), true),
        S::Completed => (Tone::Blue, Shape::Icon(Icon::StCompleted), false),
        S::Failed => (Tone::Red, Shape::Icon(Icon::StFailed), false),
        S::Abandoned => (Tone::Red, Shape::Icon(Icon::PhoneOff), false),
        S::AmdMachine => (Tone::Grey, Shape::Icon(Icon::Voicemail), false),
        S::WindowClosed => (Tone::Orange, Shape::Icon(Icon::Moon), false),
        S::ManualStopped => (Tone::Yellow, Shape::Icon(Icon::Square), false),
        S::Excluded => (Tone::Grey, Shape::Icon(Icon::Ban), false),
    };
    if tinted { badge(tone, shape, state.label()) } else { bare_badge(tone, shape, state.label()) }
}

/// One stretch of a bar.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    /// Class that colours it: a tone, `fail`, `machine` or `excl`.
    pub(crate) class: &'static str,
    /// Share of the whole, 0 to 1.
    pub(crate) share: f64,
}

/// A bar; its widths are attributes, because styles in the page are forbidden by
/// the content security policy.
pub(crate) fn bar(size: &str, label: &str, stretches: &[Stretch]) -> Markup {
    let visible: Vec<&Stretch> = stretches.iter().filter(|each| each.share > 0.0).collect();
    let gap = if visible.len() > 1 { 2.0 } else { 0.0 };
    let room = 1_000.0 - gap * visible.len().saturating_sub(1) as f64;
    let mut x = 0.0;
    html! {
        svg class={ "bar " (size) } viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label=(label) {
            @for stretch in visible {
                @let width = (stretch.share.min(1.0) * room).max(1.5);
                rect class=(stretch.class) x=(format!("{x:.1}")) width=(format!("{width:.1}")) height="10" {}
                ({ x += width + gap; "" })
            }
        }
    }
}

/// A figure with its name above and its ground below.
pub(crate) fn stat(name: impl Render, value: impl Render, ground: impl Render) -> Markup {
    html! {
        div.stat { dt { (name) } dd { (value) } dd.sub { (ground) } }
    }
}

/// What is shown where there is no figure.
pub(crate) fn off() -> Markup {
    html! { span.off { "--" } }
}

/// A named part of the page that tells something has happened.
pub(crate) fn notice(tone: Tone, icon: Icon, body: impl Render) -> Markup {
    html! { div class={ "notice " (tone.class()) } { (icon.draw()) p { (body) } } }
}

/// A button that posts; it works without scripts and answers 303.
pub(crate) fn post_button(action: &str, class: &str, icon: Icon, words: &str) -> Markup {
    html! {
        form method="post" action=(action) {
            button class={ "btn " (class) } type="submit" { (icon.draw()) (words) }
        }
    }
}

/// A button that opens the dialog with this id, without a script.
pub(crate) fn opens(dialog: &str, class: &str, icon: Icon, words: impl Render) -> Markup {
    html! {
        button class={ "btn " (class) } type="button" command="show-modal" commandfor=(dialog) {
            (icon.draw()) (words)
        }
    }
}

/// A dialog with its title and ×; opened by [`opens`].
pub(crate) fn dialog(id: &str, title: &str, body: impl Render) -> Markup {
    framed_dialog(id, title, None, body)
}

/// A dialog that a key opens (`assets/keys.js`).
pub(crate) fn keyed_dialog(id: &str, title: &str, key: &str, body: impl Render) -> Markup {
    framed_dialog(id, title, Some(key), body)
}

fn framed_dialog(id: &str, title: &str, key: Option<&str>, body: impl Render) -> Markup {
    let title_id = format!("{id}-title");
    html! {
        dialog id=(id) aria-labelledby=(title_id) closedby="any" data-key=[key] {
            header {
                h2 id=(title_id) { (title) }
                button.btn.quiet.icon type="button" aria-label="Close" command="close" commandfor=(id) {
                    (Icon::X.draw())
                }
            }
            (body)
        }
    }
}

/// A copy button; the script copies `text`.
pub(crate) fn copy(label: &str, text: &str) -> Markup {
    html! {
        button.btn.quiet.icon.sm.js type="button" aria-label=(label) title=(label) data-copy=(text) {
            (Icon::Copy.draw())
        }
    }
}

/// An input with its label, hint and fault.
#[derive(Debug, Default)]
pub(crate) struct Field<'a> {
    /// Name of the form field, and its id.
    pub(crate) name: &'a str,
    /// What it is called.
    pub(crate) label: &'a str,
    /// Said after the label in small, such as `optional`.
    pub(crate) aside: &'a str,
    /// What stands in it.
    pub(crate) value: &'a str,
    /// `text` when empty.
    pub(crate) kind: &'a str,
    /// Unit at its end.
    pub(crate) unit: &'a str,
    /// One line of help.
    pub(crate) hint: &'a str,
    /// Value of `autocomplete`.
    pub(crate) autocomplete: &'a str,
    /// Id of a list of suggestions.
    pub(crate) list: &'a str,
    /// Must be filled in.
    pub(crate) required: bool,
    /// Layout class.
    pub(crate) class: &'a str,
    /// JSON pointers whose faults belong to it.
    pub(crate) pointers: &'a [&'a str],
}

impl Field<'_> {
    /// Draws it with those of `errors` that point at it.
    pub(crate) fn draw(&self, errors: &[FieldError]) -> Markup {
        let fault = fault(errors, self.pointers);
        let kind = if self.kind.is_empty() { "text" } else { self.kind };
        let input = html! {
            input.input.red[fault.is_some()] id=(self.name) name=(self.name) type=(kind) value=(self.value)
                inputmode=[(kind == "text" && !self.unit.is_empty()).then_some("decimal")]
                autocomplete=[(!self.autocomplete.is_empty()).then_some(self.autocomplete)]
                list=[(!self.list.is_empty()).then_some(self.list)]
                required[self.required]
                aria-invalid=[fault.map(|_| "true")]
                aria-describedby=[described(self.name, fault, self.hint)];
        };
        html! {
            div class={ "field " (self.class) } {
                label for=(self.name) {
                    (self.label)
                    @if !self.aside.is_empty() { small { (self.aside) } }
                }
                @if self.unit.is_empty() { (input) } @else {
                    span.with { (input) span { (self.unit) } }
                }
                (fault_or_hint(self.name, fault, self.hint))
            }
        }
    }
}

/// The first fault that points at one of `pointers`, or below it.
pub(crate) fn fault<'e>(errors: &'e [FieldError], pointers: &[&str]) -> Option<&'e FieldError> {
    errors.iter().find(|error| {
        pointers.iter().any(|pointer| {
            error
                .pointer
                .strip_prefix(pointer)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    })
}

/// The line under a field: its fault, else its hint.
pub(crate) fn fault_or_hint(name: &str, fault: Option<&FieldError>, hint: &str) -> Markup {
    html! {
        @if let Some(fault) = fault {
            p.err.red id={ (name) "-err" } { (Icon::TriangleAlert.small()) (sentence(&fault.message)) }
        } @else if !hint.is_empty() {
            p.hint id={ (name) "-hint" } { (hint) }
        }
    }
}

/// Value of `aria-describedby` for a field with this fault or hint.
pub(crate) fn described(name: &str, fault: Option<&FieldError>, hint: &str) -> Option<String> {
    match fault {
        Some(_) => Some(format!("{name}-err")),
        None if !hint.is_empty() => Some(format!("{name}-hint")),
        None => None,
    }
}

/// With a capital at its start: faults are written to stand in a list of the API.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// A check box that looks like a pill.
pub(crate) fn pill_option(name: &str, value: &str, words: &str, checked: bool) -> Markup {
    html! {
        label.opt {
            input type="checkbox" name=(name) value=(value) checked[checked];
            (Icon::Check.draw()) (words)
        }
    }
}

/// The sentence where a list has no rows.
pub(crate) fn none(title: &str, more: impl Render) -> Markup {
    html! { div.none { b { (title) } span { (more) } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contact_state_has_a_word_and_a_shape() {
        let drawn: String = ContactState::ALL
            .iter()
            .map(|state| format!("{:20} {}\n", state.word(), contact_badge(*state).into_string()))
            .collect();
        insta::assert_snapshot!(drawn);
    }

    #[test]
    fn the_stretches_of_a_bar_stand_apart_and_keep_their_shares() {
        let drawn = bar(
            "big",
            "half",
            &[Stretch { class: "blue", share: 0.25 }, Stretch { class: "fail", share: 0.25 }],
        );
        insta::assert_snapshot!(drawn.into_string(), @r#"<svg class="bar big" viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label="half"><rect class="blue" x="0.0" width="249.5" height="10"></rect><rect class="fail" x="251.5" width="249.5" height="10"></rect></svg>"#);
    }

    #[test]
    fn a_fault_below_a_pointer_belongs_to_it_and_a_longer_name_does_not() {
        let errors = [FieldError::new("/window/end", "invalid", "too early")];
        assert!(fault(&errors, &["/window"]).is_some());
        assert!(fault(&errors, &["/win"]).is_none());
    }
}

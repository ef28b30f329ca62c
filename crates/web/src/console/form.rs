//! The campaign form: what was typed, what it means, and how it is drawn again with
//! the faults beside their fields.

use campanile_domain::{
    bot::Bot,
    carrier::{Carrier, Number},
    field::FieldError,
    ids::{BotId, NumberId},
    outcome::Outcome,
    settings::{Mode, Settings},
    window::Day,
};
use maud::{Markup, html};
use serde_json::{Map, Number as JsonNumber, Value, json};

use super::{
    icons::Icon,
    parts::{Field, described, fault, fault_or_hint, pill_option},
    text::phone,
};

/// The fields as typed: kept whatever they hold, so that nothing is lost to a fault.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entries(Vec<(String, String)>);

/// What can be chosen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choices {
    pub(crate) bots: Vec<Bot>,
    pub(crate) numbers: Vec<Number>,
    pub(crate) carriers: Vec<Carrier>,
    /// Once it has run, name and bot are locked (CL-11).
    pub(crate) locked: bool,
}

/// Zones offered by name; any IANA zone can be typed.
const ZONES: &[&str] = &[
    "Asia/Kolkata",
    "Asia/Dubai",
    "Asia/Singapore",
    "Asia/Jakarta",
    "Asia/Manila",
    "Africa/Nairobi",
    "Africa/Lagos",
    "Europe/London",
    "Europe/Berlin",
    "America/New_York",
    "America/Chicago",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "Australia/Sydney",
    "UTC",
];

impl Entries {
    /// As posted.
    pub(crate) fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// As they stand in `settings`.
    pub(crate) fn of(settings: &Settings) -> Self {
        let mut pairs = Vec::new();
        let mut put = |name: &str, value: String| pairs.push((name.to_owned(), value));
        put("name", settings.name.clone());
        put("bot_id", settings.bot_id.map(|id| id.to_string()).unwrap_or_default());
        for id in &settings.number_ids {
            put("number_ids", id.to_string());
        }
        put("mode", settings.mode.word().into());
        if settings.always_on {
            put("always_on", "on".into());
        }
        put("concurrency", settings.concurrency.to_string());
        put("start", settings.window.start.clone());
        put("end", settings.window.end.clone());
        put("timezone", settings.window.timezone.clone());
        for day in &settings.window.days {
            put("days", day.label().to_lowercase());
        }
        put("default_country", settings.default_country.clone());
        put("ring_timeout_seconds", settings.ring_timeout_seconds.to_string());
        put("max_attempts", settings.max_attempts.to_string());
        put("retry_delay_minutes", settings.retry_delay_minutes.to_string());
        for outcome in &settings.retry_on_system {
            put("retry_on_system", outcome.word().into());
        }
        put("retry_on_custom", settings.retry_on_custom.join(", "));
        let optional =
            |value: Option<u32>| value.map(|value| value.to_string()).unwrap_or_default();
        put("stop_redials_after_seconds", optional(settings.stop_redials_after_seconds));
        put("redial_only_under_seconds", optional(settings.redial_only_under_seconds));
        if settings.sticky_exclusion {
            put("sticky_exclusion", "on".into());
        }
        Self(pairs)
    }

    fn one(&self, name: &str) -> &str {
        self.0.iter().find(|(each, _)| each == name).map_or("", |(_, value)| value.trim())
    }

    fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(each, _)| each == name).map(|(_, value)| value.as_str()).collect()
    }

    fn has(&self, name: &str, value: &str) -> bool {
        self.0.iter().any(|(each, has)| each == name && has == value)
    }

    /// The settings as JSON, the same that the API takes, so that one place checks
    /// both. Figures that are none are faults of their field.
    pub(crate) fn patch(&self, locked: bool) -> Result<Map<String, Value>, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut figure = |name: &str, optional: bool| -> Value {
            let text = self.one(name);
            if text.is_empty() && optional {
                return Value::Null;
            }
            match read_figure(text) {
                Some(number) => Value::Number(number),
                None => {
                    errors.push(FieldError::new(format!("/{name}"), "invalid", "use a number"));
                    Value::Null
                }
            }
        };
        let mut patch = Map::new();
        for name in ["concurrency", "ring_timeout_seconds", "max_attempts", "retry_delay_minutes"] {
            patch.insert(name.into(), figure(name, false));
        }
        for name in ["stop_redials_after_seconds", "redial_only_under_seconds"] {
            patch.insert(name.into(), figure(name, true));
        }
        if !locked {
            patch.insert("name".into(), json!(self.one("name")));
            let bot = self.one("bot_id");
            patch.insert("bot_id".into(), if bot.is_empty() { Value::Null } else { json!(bot) });
        }
        patch.insert("number_ids".into(), json!(self.all("number_ids")));
        patch.insert("mode".into(), json!(self.one("mode")));
        patch.insert("always_on".into(), json!(self.has("always_on", "on")));
        patch.insert("sticky_exclusion".into(), json!(self.has("sticky_exclusion", "on")));
        patch.insert(
            "window".into(),
            json!({
                "start": self.one("start"),
                "end": self.one("end"),
                "timezone": self.one("timezone"),
                "days": self.all("days"),
            }),
        );
        patch.insert("default_country".into(), json!(self.one("default_country").to_uppercase()));
        patch.insert("retry_on_system".into(), json!(self.all("retry_on_system")));
        let custom: Vec<&str> = self
            .one("retry_on_custom")
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .collect();
        patch.insert("retry_on_custom".into(), json!(custom));
        if errors.is_empty() { Ok(patch) } else { Err(errors) }
    }

    /// The fields of the form, in three cards.
    pub(crate) fn draw(&self, choices: &Choices, errors: &[FieldError]) -> Markup {
        html! {
            (self.basics(choices, errors))
            (self.window(errors))
            (self.retries(errors))
        }
    }

    fn field<'a>(&'a self, name: &'a str, label: &'a str) -> Field<'a> {
        Field { name, label, value: self.one(name), class: "c3", ..Field::default() }
    }

    fn basics(&self, choices: &Choices, errors: &[FieldError]) -> Markup {
        html! {
            section.card aria-labelledby="basics-title" {
                div.card-head { h2 id="basics-title" { "Basics" } }
                div.form {
                    @if choices.locked {
                        p.hint { "Name, bot and contacts are locked once a campaign has run, so that old and new attempts stay audit-safe." }
                    } @else {
                        (Field { required: true, pointers: &["/name"], ..self.field("name", "Name") }.draw(errors))
                        (self.bot(choices, errors))
                    }
                    (self.numbers(choices, errors))
                    (Field {
                        unit: "seats", hint: "Most calls talking to the bot at once.",
                        pointers: &["/concurrency"], ..self.field("concurrency", "Concurrency")
                    }.draw(errors))
                    (Field {
                        hint: "For numbers without a country code, such as IN.",
                        pointers: &["/default_country"], ..self.field("default_country", "Country of national numbers")
                    }.draw(errors))
                }
            }
        }
    }

    fn bot(&self, choices: &Choices, errors: &[FieldError]) -> Markup {
        let fault = fault(errors, &["/bot_id"]);
        let hint =
            if choices.bots.is_empty() { "There is none yet; make one under Setup." } else { "" };
        html! {
            div.field.c3 {
                label for="bot_id" { "Bot" }
                select.input.select.red[fault.is_some()] id="bot_id" name="bot_id"
                    aria-invalid=[fault.map(|_| "true")] aria-describedby=[described("bot_id", fault, hint)] {
                    option value="" { "Choose a bot" }
                    @for bot in &choices.bots {
                        option value=(bot.id) selected[self.has("bot_id", &bot.id.to_string())] disabled[!bot.enabled] {
                            (bot.name)
                        }
                    }
                }
                (fault_or_hint("bot_id", fault, hint))
            }
        }
    }

    fn numbers(&self, choices: &Choices, errors: &[FieldError]) -> Markup {
        let fault = fault(errors, &["/number_ids"]);
        let outbound: Vec<&Number> = choices
            .numbers
            .iter()
            .filter(|number| number.direction != campanile_domain::carrier::Direction::Inbound)
            .collect();
        let carrier = |number: &Number| {
            choices
                .carriers
                .iter()
                .find(|carrier| carrier.id == number.carrier_id)
                .map_or("no carrier", |carrier| carrier.settings.name.as_str())
        };
        html! {
            fieldset.field aria-describedby=[described("number_ids", fault, "")] {
                legend.legend-l { "Number pool" }
                @if outbound.is_empty() {
                    p.hint { "There is no outbound number yet. " a.link href="/dashboard/setup#numbers" { "Add one under Setup" } "." }
                } @else {
                    div.opts {
                        @for number in outbound {
                            @let id = number.id.to_string();
                            label.opt {
                                input type="checkbox" name="number_ids" value=(id) checked[self.has("number_ids", &id)];
                                (Icon::Check.draw())
                                span.phone { (phone(number.e164)) }
                                small.muted { (number.label.as_deref().unwrap_or_else(|| carrier(number))) }
                            }
                        }
                    }
                }
                (fault_or_hint("number_ids", fault, ""))
            }
        }
    }

    fn window(&self, errors: &[FieldError]) -> Markup {
        let hours = fault(errors, &["/window/start", "/window/end"]);
        let days = fault(errors, &["/window/days"]);
        let mode = fault(errors, &["/mode"]);
        html! {
            section.card aria-labelledby="window-title" {
                div.card-head { h2 id="window-title" { "When it may call" } }
                div.form {
                    fieldset.field.c3 {
                        legend.legend-l { "Hours each day" }
                        div.row {
                            input.input.t.red[hours.is_some()] aria-label="From" name="start" value=(self.one("start")) size="5" aria-invalid=[hours.map(|_| "true")] aria-describedby="hours-hint";
                            span.muted { "to" }
                            input.input.t.red[hours.is_some()] aria-label="To" name="end" value=(self.one("end")) size="5" aria-invalid=[hours.map(|_| "true")] aria-describedby="hours-hint";
                        }
                        @if let Some(hours) = hours { p.err.red id="hours-hint" { (Icon::TriangleAlert.small()) (super::parts::sentence(&hours.message)) } }
                        @else { p.hint id="hours-hint" { "From the end on no new call leaves; 24:00 is midnight." } }
                    }
                    (self.zone(errors))
                    fieldset.field {
                        legend.legend-l { "Days" }
                        div.opts {
                            @for day in Day::ALL {
                                @let word = day.label().to_lowercase();
                                (pill_option("days", &word, day.label(), self.has("days", &word)))
                            }
                        }
                        (fault_or_hint("days", days, ""))
                    }
                    fieldset.field {
                        legend.legend-l { "How long" }
                        div.three.gap {
                            (self.choice("mode", Mode::Continuous.word(), "Multi-day", "Rests outside these hours and goes on the next day."))
                            (self.choice("mode", Mode::SingleDay.word(), "Single day", "Who still waits when the day’s hours end is not called."))
                        }
                        (fault_or_hint("mode", mode, ""))
                    }
                    label.switch {
                        input type="checkbox" role="switch" name="always_on" checked[self.has("always_on", "on")];
                        span { b { "Always-on" } span.hint { "Waits for new contacts until it is stopped, and never completes by itself. Multi-day only." } }
                    }
                    @if let Some(fault) = fault(errors, &["/always_on"]) { (fault_or_hint("always_on", Some(fault), "")) }
                }
            }
        }
    }

    fn zone(&self, errors: &[FieldError]) -> Markup {
        let zone = Field {
            hint: "Continent and city, such as Asia/Kolkata.",
            pointers: &["/window/timezone"],
            list: "zones",
            ..self.field("timezone", "Time zone")
        };
        html! {
            (zone.draw(errors))
            datalist id="zones" { @for zone in ZONES { option value=(zone) {} } }
        }
    }

    fn choice(&self, name: &str, value: &str, words: &str, hint: &str) -> Markup {
        html! {
            label.choice {
                input type="radio" name=(name) value=(value) checked[self.has(name, value)];
                b { (words) } span.hint { (hint) }
            }
        }
    }

    fn retries(&self, errors: &[FieldError]) -> Markup {
        let system = fault(errors, &["/retry_on_system"]);
        html! {
            section.card aria-labelledby="retries-title" {
                div.card-head { h2 id="retries-title" { "Trying again" } }
                div.form {
                    (Field { unit: "per contact", pointers: &["/max_attempts"], class: "c2", ..self.field("max_attempts", "Max attempts") }.draw(errors))
                    (Field { unit: "minutes", pointers: &["/retry_delay_minutes"], class: "c2", ..self.field("retry_delay_minutes", "Retry delay") }.draw(errors))
                    (Field { unit: "seconds", hint: "At least 15.", pointers: &["/ring_timeout_seconds"], class: "c2", ..self.field("ring_timeout_seconds", "Ring timeout") }.draw(errors))
                    fieldset.field {
                        legend.legend-l { "Retry on system outcome" }
                        div.opts {
                            @for outcome in Outcome::ALL.iter().filter(|outcome| outcome.may_be_retried()) {
                                (pill_option("retry_on_system", outcome.word(), outcome.label(), self.has("retry_on_system", outcome.word())))
                            }
                        }
                        (fault_or_hint("retry_on_system", system, ""))
                    }
                    (Field {
                        aside: "optional", hint: "Results that the bot reports, separated by commas, such as no_key, call_dropped.",
                        pointers: &["/retry_on_custom"], class: "", ..self.field("retry_on_custom", "Retry on the bot’s own outcome")
                    }.draw(errors))
                    (Field {
                        unit: "seconds", aside: "optional", hint: "A longer conversation is never redialled.",
                        pointers: &["/stop_redials_after_seconds"], ..self.field("stop_redials_after_seconds", "Stop redials after")
                    }.draw(errors))
                    (Field {
                        unit: "seconds", aside: "optional", hint: "A completed call is redialled only if it was shorter.",
                        pointers: &["/redial_only_under_seconds"], ..self.field("redial_only_under_seconds", "Redial only under")
                    }.draw(errors))
                    label.switch {
                        input type="checkbox" role="switch" name="sticky_exclusion" checked[self.has("sticky_exclusion", "on")];
                        span { b { "Sticky exclusion" } span.hint { "An excluded number stays out, even when it is uploaded again." } }
                    }
                }
            }
        }
    }

    /// The first enabled bot and every usable number chosen, so that the shortest way
    /// to a first call is a name and a file.
    pub(crate) fn with_defaults(mut self, choices: &Choices) -> Self {
        let bot: Option<BotId> = choices.bots.iter().find(|bot| bot.enabled).map(|bot| bot.id);
        if let (Some(bot), Some(place)) =
            (bot, self.0.iter_mut().find(|(name, _)| name == "bot_id"))
        {
            place.1 = bot.to_string();
        }
        let numbers: Vec<NumberId> = choices
            .numbers
            .iter()
            .filter(|number| {
                number.enabled && number.direction != campanile_domain::carrier::Direction::Inbound
            })
            .map(|number| number.id)
            .collect();
        self.0.extend(numbers.into_iter().map(|id| ("number_ids".to_owned(), id.to_string())));
        self
    }
}

/// A figure as people type it: whole where it is whole, so that `60.0` seats are not
/// refused, and grouped digits are understood.
fn read_figure(text: &str) -> Option<JsonNumber> {
    let text = text.replace(',', "");
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    let value: f64 = text.parse().ok()?;
    JsonNumber::from_f64(value)
}

/// Faults whose field is not in the form: told above it.
pub(crate) fn unplaced(errors: &[FieldError]) -> Vec<&FieldError> {
    const PLACED: &[&str] = &[
        "/name",
        "/bot_id",
        "/number_ids",
        "/mode",
        "/always_on",
        "/concurrency",
        "/window/start",
        "/window/end",
        "/window/timezone",
        "/window/days",
        "/default_country",
        "/ring_timeout_seconds",
        "/max_attempts",
        "/retry_delay_minutes",
        "/retry_on_system",
        "/retry_on_custom",
        "/stop_redials_after_seconds",
        "/redial_only_under_seconds",
    ];
    errors.iter().filter(|error| fault(std::slice::from_ref(error), PLACED).is_none()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_settings_gives_the_same_settings_back() {
        let settings = Settings { name: "November".into(), ..Settings::default() };
        let patch = Entries::of(&settings).patch(false).unwrap();
        assert_eq!(Settings::default().patched(&patch).unwrap(), settings);
    }

    #[test]
    fn a_figure_that_is_none_is_a_fault_of_its_field() {
        let mut entries = Entries::of(&Settings { name: "November".into(), ..Settings::default() });
        for (name, value) in &mut entries.0 {
            if name == "concurrency" {
                *value = "many".into();
            }
        }
        let errors = entries.patch(false).unwrap_err();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].pointer, "/concurrency");
    }

    #[test]
    fn a_bad_figure_stands_in_its_field_with_the_fault_beside_it() {
        let entries = Entries::new(vec![("concurrency".into(), "<many>".into())]);
        let errors = entries.patch(false).unwrap_err();
        let drawn = entries.draw(&Choices::default(), &errors).into_string();
        assert!(drawn.contains(r#"value="&lt;many&gt;""#), "the entry is kept, and escaped");
        assert!(drawn.contains(r#"id="concurrency-err""#));
    }

    #[test]
    fn a_locked_form_neither_shows_nor_sends_name_and_bot() {
        let entries = Entries::of(&Settings { name: "November".into(), ..Settings::default() });
        let patch = entries.patch(true).unwrap();
        assert!(!patch.contains_key("name") && !patch.contains_key("bot_id"));
        let drawn =
            entries.draw(&Choices { locked: true, ..Choices::default() }, &[]).into_string();
        assert!(!drawn.contains(r#"name="name""#));
    }
}

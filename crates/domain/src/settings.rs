//! The settings of a campaign (api.md): read, patched and checked in one place.

mod tuning;
mod windows;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    field::FieldError,
    ids::{BotId, NumberId},
    outcome::{Outcome, words},
    window::Window,
};

words! {
    /// How many days a campaign runs.
    Mode {
        /// Dialling rests until the next window (multi-day).
        Continuous = "continuous" / 0,
        /// The day's window ends the run (CL-13).
        SingleDay = "single_day" / 1,
    }
}

words! {
    /// How dials are paced (DI-4).
    PacingMode {
        /// Never more ringing calls than free seats.
        Progressive = "progressive" / 0,
        /// A fixed number of dials a free seat.
        Ratio = "ratio" / 1,
        /// As many as the abandon limit allows.
        Predictive = "predictive" / 2,
    }
}

/// Pacing (DI-4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PacingSettings {
    /// Which policy.
    pub mode: PacingMode,
    /// Dials a free seat, for `ratio`.
    pub ratio: f64,
    /// The share of answered calls that may be abandoned, 0 to 1.
    pub abandon_limit: f64,
    /// Seats beyond concurrency that catch a burst: answered calls may take them, and
    /// no dial counts on them.
    pub burst_seats: u32,
    /// Milliseconds an answered call may wait for a seat, at most `abandon_after_ms`.
    pub grace_ms: u32,
}

impl Default for PacingSettings {
    fn default() -> Self {
        Self {
            mode: PacingMode::Progressive,
            ratio: 1.0,
            abandon_limit: 0.03,
            burst_seats: 0,
            grace_ms: 2_000,
        }
    }
}

/// What happens when a machine answers (AM-1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AmdSettings {
    /// Listen for machines.
    pub enabled: bool,
    /// `hangup`, `voicemail` or `continue`.
    pub on_machine: String,
    /// Decide within this time, 1,000 to 10,000.
    pub analysis_ms: u32,
}

impl Default for AmdSettings {
    fn default() -> Self {
        Self { enabled: false, on_machine: "hangup".into(), analysis_ms: 4_500 }
    }
}

/// All settings of a campaign, with the defaults of api.md.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Name for people.
    pub name: String,
    /// What speaks.
    pub bot_id: Option<BotId>,
    /// Caller IDs.
    pub number_ids: Vec<NumberId>,
    /// Single day or many.
    pub mode: Mode,
    /// Never completes by itself (CL-12).
    pub always_on: bool,
    /// Seats: the most calls connected to the bot at once (DI-2).
    pub concurrency: u32,
    /// When calling is allowed; the first window where there are several.
    pub window: Window,
    /// Every window, where a day has several (DI-1); empty when `window` is the only one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    /// Days of the campaign's zone on which nobody is called, `YYYY-MM-DD` (DI-1).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<crate::schema::Date>")]
    pub holidays: Vec<jiff::civil::Date>,
    /// Country of national numbers, ISO 3166-1 alpha-2.
    pub default_country: String,
    /// Give up ringing after this many seconds, at least 15.
    pub ring_timeout_seconds: u32,
    /// Counted attempts a contact and run.
    pub max_attempts: u32,
    /// Minutes between attempts; fractions allowed.
    pub retry_delay_minutes: f64,
    /// Outcomes that are dialled again (DI-6).
    pub retry_on_system: Vec<Outcome>,
    /// Dispositions that are dialled again.
    pub retry_on_custom: Vec<String>,
    /// Dial attempts of unknown fate again (DI-11).
    pub retry_unknown: bool,
    /// After a conversation at least this long, no retry (DI-7).
    pub stop_redials_after_seconds: Option<u32>,
    /// A completed call shorter than this is dialled again (DI-7).
    pub redial_only_under_seconds: Option<u32>,
    /// A conversation is at least this long.
    pub conversation_min_seconds: u32,
    /// Exclusions outlive re-adding (EX-3).
    pub sticky_exclusion: bool,
    /// Honour wishes to be called back (CB-1).
    pub callback_detection: bool,
    /// Answering machines.
    pub amd: AmdSettings,
    /// Pacing.
    pub pacing: PacingSettings,
    /// An answered call without a seat is abandoned after this (DI-16).
    pub abandon_after_ms: u32,
    /// Hours before an abandoned callee is dialled again.
    pub abandon_rest_hours: f64,
    /// Longest call (DI-15).
    pub max_call_seconds: u32,
    /// Hang up when no RTP came for this long (DI-15).
    pub no_media_seconds: u32,
    /// Hang up on a callee who says nothing at all for this long (DI-15).
    pub silent_customer_seconds: u32,
    /// Fail the run when every carrier is down this long (CL-6).
    pub fail_after_minutes: u32,
    /// Countries that may be called; the default country when absent (DI-14).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_countries: Option<Vec<String>>,
    /// Where dialler settings are read at Start (CL-20).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_url: Option<String>,
    /// Scheduled start (CL-16).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::schema::Time>")]
    pub starts_at: Option<jiff::Timestamp>,
    /// Higher goes first when capacity is short (CL-16).
    pub priority: i32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: String::new(),
            bot_id: None,
            number_ids: Vec::new(),
            mode: Mode::Continuous,
            always_on: false,
            concurrency: 50,
            window: Window::default(),
            windows: Vec::new(),
            holidays: Vec::new(),
            default_country: "IN".into(),
            ring_timeout_seconds: 45,
            max_attempts: 3,
            retry_delay_minutes: 60.0,
            retry_on_system: Outcome::ALL
                .iter()
                .copied()
                .filter(|outcome| {
                    outcome.may_be_retried()
                        && !matches!(outcome, Outcome::Rejected | Outcome::Machine)
                })
                .collect(),
            retry_on_custom: Vec::new(),
            retry_unknown: false,
            stop_redials_after_seconds: None,
            redial_only_under_seconds: None,
            conversation_min_seconds: 5,
            sticky_exclusion: false,
            callback_detection: false,
            amd: AmdSettings::default(),
            pacing: PacingSettings::default(),
            abandon_after_ms: 2_000,
            abandon_rest_hours: 0.0,
            max_call_seconds: 1_800,
            no_media_seconds: 20,
            silent_customer_seconds: 15,
            fail_after_minutes: 30,
            allowed_countries: None,
            config_url: None,
            starts_at: None,
            priority: 0,
        }
    }
}

/// Countries in the allow-list, at most: more than there are.
const COUNTRIES_MAX: usize = 250;
/// The longest that an answered call may wait for a seat, milliseconds.
const WAIT_MAX_MS: u32 = 30_000;

impl Settings {
    /// How long an answered call waits for a seat before it is abandoned (DI-16): the
    /// shorter of `abandon_after_ms` and the pacing's `grace_ms`, milliseconds.
    pub fn seat_patience_ms(&self) -> u32 {
        self.abandon_after_ms.min(self.pacing.grace_ms)
    }

    /// These settings with the fields of `patch` laid over them, checked. Each
    /// fault names its field; nothing is taken over unless all of it holds.
    pub fn patched(&self, patch: &Map<String, Value>) -> Result<Self, Vec<FieldError>> {
        let Value::Object(mut whole) = serde_json::to_value(self).expect("settings are plain data")
        else {
            unreachable!("a struct serialises to an object")
        };
        let mut errors = Vec::new();
        for (field, value) in patch {
            // One field at a time, so that a fault names the field it is in.
            let alone = Value::Object([(field.clone(), value.clone())].into_iter().collect());
            match serde_json::from_value::<Self>(alone) {
                Ok(_) => {
                    whole.insert(field.clone(), value.clone());
                }
                Err(error) => {
                    let message = error.to_string();
                    let code =
                        if message.starts_with("unknown field") { "unknown" } else { "invalid" };
                    errors.push(FieldError::new(format!("/{field}"), code, message));
                }
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut settings: Self = serde_json::from_value(Value::Object(whole))
            .map_err(|error| vec![FieldError::new("", "invalid", error.to_string())])?;
        settings.settle_windows(patch).map_err(|error| vec![error])?;
        let errors = settings.check();
        if errors.is_empty() { Ok(settings) } else { Err(errors) }
    }

    /// Settings that are promised and not kept yet. Taking one and doing nothing would
    /// be worse than saying so.
    fn not_built(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        [
            (self.pacing.mode == PacingMode::Predictive, "/pacing/mode", "pace predictively"),
            (self.amd.enabled, "/amd/enabled", "detect answering machines"),
            (self.config_url.is_some(), "/config_url", "read settings from an address"),
            (self.starts_at.is_some(), "/starts_at", "start by itself"),
        ]
        .into_iter()
        .filter(|(asked, ..)| *asked)
        .map(|(_, pointer, wanted)| (pointer, wanted))
    }

    /// Every field that holds a value which no campaign can have. What only Start
    /// asks for (a bot, numbers, contacts) is not checked here.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut fault = |pointer: &str, code: &'static str, message: &str| {
            errors.push(FieldError::new(pointer, code, message));
        };
        if self.name.trim().is_empty() {
            fault("/name", "required", "give the campaign a name");
        } else if self.name.chars().count() > 200 {
            fault("/name", "too_long", "use at most 200 characters");
        }
        if !(1..=100_000).contains(&self.concurrency) {
            fault("/concurrency", "out_of_range", "use 1 to 100000 seats");
        }
        if !crate::phone::is_country(&self.default_country) {
            fault(
                "/default_country",
                "unknown_country",
                "use a two-letter country code such as IN",
            );
        }
        if !(15..=300).contains(&self.ring_timeout_seconds) {
            fault("/ring_timeout_seconds", "out_of_range", "ring for 15 to 300 seconds");
        }
        if !(1..=50).contains(&self.max_attempts) {
            fault("/max_attempts", "out_of_range", "use 1 to 50 attempts");
        }
        if !(0.0..=525_600.0).contains(&self.retry_delay_minutes) {
            fault("/retry_delay_minutes", "out_of_range", "use 0 to 525600 minutes");
        }
        if let Some(outcome) = self.retry_on_system.iter().find(|outcome| !outcome.may_be_retried())
        {
            fault(
                "/retry_on_system",
                "not_retryable",
                &format!("`{}` is never dialled again", outcome.word()),
            );
        }
        if let (Some(stop), Some(under)) =
            (self.stop_redials_after_seconds, self.redial_only_under_seconds)
            && under > stop
        {
            fault(
                "/redial_only_under_seconds",
                "out_of_range",
                "must not exceed stop_redials_after_seconds",
            );
        }
        if self.always_on && self.mode != Mode::Continuous {
            fault(
                "/always_on",
                "needs_continuous",
                "an always-on campaign needs mode `continuous`",
            );
        }
        if !matches!(self.amd.on_machine.as_str(), "hangup" | "voicemail" | "continue") {
            fault("/amd/on_machine", "invalid", "use hangup, voicemail or continue");
        }
        if !(1_000..=10_000).contains(&self.amd.analysis_ms) {
            fault("/amd/analysis_ms", "out_of_range", "use 1000 to 10000 milliseconds");
        }
        if !(1.0..=10.0).contains(&self.pacing.ratio) {
            fault("/pacing/ratio", "out_of_range", "use 1 to 10 dials a free seat");
        }
        if !(0.0..=1.0).contains(&self.pacing.abandon_limit) {
            fault("/pacing/abandon_limit", "out_of_range", "use 0 to 1");
        }
        if !(1..=86_400).contains(&self.max_call_seconds) {
            fault("/max_call_seconds", "out_of_range", "use 1 to 86400 seconds");
        }
        if !(2..=3_600).contains(&self.no_media_seconds) {
            fault("/no_media_seconds", "out_of_range", "use 2 to 3600 seconds");
        }
        if !(2..=3_600).contains(&self.silent_customer_seconds) {
            fault("/silent_customer_seconds", "out_of_range", "use 2 to 3600 seconds");
        }
        if !(0.0..=8_760.0).contains(&self.abandon_rest_hours) {
            fault("/abandon_rest_hours", "out_of_range", "use 0 to 8760 hours");
        }
        for (pointer, wanted) in self.not_built() {
            fault(pointer, "not_supported", &format!("this version does not {wanted} yet"));
        }
        if let Some(countries) = &self.allowed_countries {
            if !(1..=COUNTRIES_MAX).contains(&countries.len()) {
                fault("/allowed_countries", "out_of_range", "name 1 to 250 countries");
            } else if let Some(country) =
                countries.iter().find(|country| !crate::phone::is_country(country))
            {
                fault(
                    "/allowed_countries",
                    "unknown_country",
                    &format!("`{country}` is not a two-letter country code such as IN"),
                );
            }
        }
        if self.pacing.burst_seats > 100_000 {
            fault("/pacing/burst_seats", "out_of_range", "use 0 to 100000 seats");
        }
        if self.pacing.grace_ms > WAIT_MAX_MS {
            fault("/pacing/grace_ms", "out_of_range", "use 0 to 30000 milliseconds");
        }
        if self.abandon_after_ms > WAIT_MAX_MS {
            fault("/abandon_after_ms", "out_of_range", "use 0 to 30000 milliseconds");
        }
        if self.fail_after_minutes == 0 {
            fault("/fail_after_minutes", "out_of_range", "use at least 1 minute");
        }
        errors.extend(self.hours().check(self.windows.is_empty()));
        errors
    }
}

#[cfg(test)]
mod tests;

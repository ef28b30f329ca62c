//! Bots: what speaks once a call is answered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{field::FieldError, ids::BotId, outcome::words, result::ConversationResult};

words! {
    /// How a bot is attached (BT-1).
    BotKind {
        /// Built in: prompts, keys, branches, a result.
        Script = "script" / 0,
        /// WebSocket with Twilio Media Streams shapes.
        MediaStream = "media_stream" / 1,
        /// An OpenAI-Realtime-compatible model over WebSocket.
        Realtime = "realtime" / 2,
        /// A bridge to the bot's SIP URI.
        Sip = "sip" / 3,
    }
}

/// A bot as kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Bot {
    /// Identity.
    pub id: BotId,
    /// Name for people.
    pub name: String,
    /// How it is attached.
    pub kind: BotKind,
    /// May be used.
    pub enabled: bool,
    /// As entered, by kind; `{}` is a valid script.
    pub settings: Value,
}

/// The settings of a script bot: steps that say prompts, listen for a key and
/// branch.
///
/// Empty settings are valid: it greets, listens, says goodbye and hangs up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// The step that begins.
    pub start: String,
    /// The steps by name.
    pub steps: BTreeMap<String, Step>,
    /// Whether a result may ask for a callback (CB-1); without, such wishes are dropped.
    pub callbacks: bool,
}

/// One step of a script.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Step {
    /// Prompts to play, in order, by the name of their audio file.
    pub say: Vec<String>,
    /// Listen for a key; a key pressed while the prompts play counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<Listen>,
    /// Set the result of the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<ConversationResult>,
    /// Where to go on; hangs up when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What a step listens for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Key (`0`–`9`, `*`, `#`) → step.
    #[serde(default)]
    pub keys: BTreeMap<char, String>,
    /// How long to listen after the prompts, in seconds.
    pub seconds: f64,
}

/// Names of the prompts that come with the product, as `engine` embeds them.
pub const PROMPTS: &[&str] = &["greeting", "menu", "thanks", "callback", "opt_out", "goodbye"];

impl Default for Script {
    fn default() -> Self {
        let step = |say: &[&str], result: Option<&str>, next: Option<&str>| Step {
            say: say.iter().map(|name| (*name).to_owned()).collect(),
            listen: None,
            result: result.map(ConversationResult::of),
            next: next.map(str::to_owned),
        };
        let menu = Step {
            listen: Some(Listen {
                keys: [('1', "interested".to_owned()), ('9', "opt_out".to_owned())].into(),
                seconds: 4.0,
            }),
            ..step(&["greeting", "menu"], Some("no_key"), Some("goodbye"))
        };
        let mut opt_out = step(&["opt_out"], Some("opt_out"), None);
        if let Some(result) = &mut opt_out.result {
            result.opt_out = Some(true);
        }
        Self {
            start: "menu".into(),
            steps: [
                ("menu".to_owned(), menu),
                ("interested".to_owned(), step(&["thanks"], Some("interested"), Some("goodbye"))),
                ("opt_out".to_owned(), opt_out),
                ("goodbye".to_owned(), step(&["goodbye"], None, None)),
            ]
            .into(),
            callbacks: true,
        }
    }
}

impl Script {
    /// Reads and checks a script bot's settings; `{}` gives the default script.
    pub fn from_settings(settings: &Value) -> Result<Self, Vec<FieldError>> {
        let script: Self = serde_json::from_value(settings.clone())
            .map_err(|error| vec![FieldError::new("/settings", "invalid", error.to_string())])?;
        let mut errors = Vec::new();
        let known = |name: &String| script.steps.contains_key(name);
        if !known(&script.start) {
            errors.push(FieldError::new(
                "/settings/start",
                "unknown_step",
                format!("there is no step `{}`", script.start),
            ));
        }
        for (name, step) in &script.steps {
            let at = |field: &str| format!("/settings/steps/{name}/{field}");
            for prompt in &step.say {
                if !PROMPTS.contains(&prompt.as_str()) {
                    errors.push(FieldError::new(
                        at("say"),
                        "unknown_prompt",
                        format!("there is no prompt `{prompt}`; there are {}", PROMPTS.join(", ")),
                    ));
                }
            }
            let keys = step.listen.iter().flat_map(|listen| &listen.keys);
            for (key, target) in keys {
                if !matches!(key, '0'..='9' | '*' | '#') {
                    errors.push(FieldError::new(
                        at("listen/keys"),
                        "invalid_key",
                        format!("`{key}` is not a key: use 0 to 9, * or #"),
                    ));
                }
                if !known(target) {
                    errors.push(FieldError::new(
                        at("listen/keys"),
                        "unknown_step",
                        format!("there is no step `{target}`"),
                    ));
                }
            }
            if let Some(listen) = &step.listen
                && !(0.0..=60.0).contains(&listen.seconds)
            {
                errors.push(FieldError::new(
                    at("listen/seconds"),
                    "out_of_range",
                    "listen for 0 to 60 seconds",
                ));
            }
            if let Some(next) = &step.next
                && !known(next)
            {
                errors.push(FieldError::new(
                    at("next"),
                    "unknown_step",
                    format!("there is no step `{next}`"),
                ));
            }
        }
        if errors.is_empty() { Ok(script) } else { Err(errors) }
    }
}

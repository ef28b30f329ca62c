//! The built-in bot: says prompts, hears keys, branches, returns a result.

use std::{collections::BTreeMap, sync::Arc};

use campanile_domain::{
    bot::{self, Bot as BotSettings, BotKind},
    result::ConversationResult,
};

use super::{Bot, Heard, Said};
use crate::prompts::{self, Clip};

/// A script made ready: prompts and steps are found, none is looked up by name in a call.
#[derive(Debug)]
pub(crate) struct Script {
    start: usize,
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    say: Vec<&'static Clip>,
    listen: Option<Listen>,
    result: Option<ConversationResult>,
    next: Option<usize>,
}

#[derive(Debug)]
struct Listen {
    keys: BTreeMap<char, usize>,
    ms: u64,
}

/// One conversation of a script.
pub(crate) struct ScriptBot {
    script: Arc<Script>,
    step: usize,
    phase: Phase,
    result: Option<ConversationResult>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Plays the prompts of the step: this one, from this frame on.
    Saying { prompt: usize, frame: usize },
    /// All prompts of the step were played; waits for a key.
    Listening { until_ms: u64 },
    /// Nothing is left to say.
    Over,
}

impl Script {
    /// The script of a bot; the text says why there is none.
    pub(crate) fn of(settings: &BotSettings) -> Result<Self, String> {
        if settings.kind != BotKind::Script {
            return Err(format!("bots of the kind `{}` cannot speak yet", settings.kind.word()));
        }
        let script = bot::Script::from_settings(&settings.settings).map_err(|errors| {
            let errors = errors.iter().map(|error| format!("{}: {}", error.pointer, error.message));
            errors.collect::<Vec<_>>().join("; ")
        })?;
        Self::new(&script)
    }

    fn new(script: &bot::Script) -> Result<Self, String> {
        let number = |name: &String| {
            script.steps.keys().position(|known| known == name).ok_or(format!("no step `{name}`"))
        };
        let steps = script.steps.values().map(|step| {
            let say = step
                .say
                .iter()
                .map(|name| prompts::prompt(name).ok_or(format!("no prompt `{name}`")));
            let listen = step.listen.as_ref().map(|listen| {
                let keys = listen.keys.iter().map(|(key, name)| Ok((*key, number(name)?)));
                // Between 0 and 60, which `from_settings` checks.
                let ms = (listen.seconds * 1_000.0) as u64;
                Ok::<_, String>(Listen { keys: keys.collect::<Result<_, String>>()?, ms })
            });
            Ok(Step {
                say: say.collect::<Result<_, String>>()?,
                listen: listen.transpose()?,
                result: step.result.clone().map(|mut result| {
                    result.callback = result.callback.filter(|_| script.callbacks);
                    result
                }),
                next: step.next.as_ref().map(number).transpose()?,
            })
        });
        Ok(Self { start: number(&script.start)?, steps: steps.collect::<Result<_, String>>()? })
    }

    /// A script that says one prompt and hangs up.
    pub(crate) fn message(prompt: &'static Clip) -> Self {
        let step = Step { say: vec![prompt], listen: None, result: None, next: None };
        Self { start: 0, steps: vec![step] }
    }
}

impl ScriptBot {
    pub(crate) fn new(script: Arc<Script>) -> Self {
        let start = script.start;
        let mut bot = Self { script, step: start, phase: Phase::Over, result: None };
        bot.enter(start);
        bot
    }

    fn enter(&mut self, step: usize) {
        self.step = step;
        self.phase = Phase::Saying { prompt: 0, frame: 0 };
        if let Some(result) = &self.script.steps[step].result {
            self.result = Some(result.clone());
        }
    }

    fn leave(&mut self) {
        match self.script.steps[self.step].next {
            Some(next) => self.enter(next),
            None => self.phase = Phase::Over,
        }
    }
}

impl Bot for ScriptBot {
    fn hear(&mut self, heard: Heard<'_>, _now_ms: u64) {
        let Heard::Digit(key) = heard else { return };
        let listen = match self.phase {
            // A key cuts the prompts short: who knows the menu need not hear it out.
            Phase::Saying { .. } | Phase::Listening { .. } => &self.script.steps[self.step].listen,
            Phase::Over => return,
        };
        if let Some(step) = listen.as_ref().and_then(|listen| listen.keys.get(&key)) {
            self.enter(*step);
        }
    }

    fn speak(&mut self, now_ms: u64) -> Said<'_> {
        // Steps that neither say nor wait can form a circle; once round it is enough.
        for _ in 0..=2 * self.script.steps.len() {
            let step = &self.script.steps[self.step];
            match self.phase {
                Phase::Saying { prompt, frame } => match step.say.get(prompt) {
                    Some(clip) if frame < clip.frames() => {
                        self.phase = Phase::Saying { prompt, frame: frame + 1 };
                        return Said::Clip { clip, frame };
                    }
                    Some(_) => self.phase = Phase::Saying { prompt: prompt + 1, frame: 0 },
                    None => match &step.listen {
                        Some(listen) => {
                            self.phase = Phase::Listening { until_ms: now_ms + listen.ms };
                        }
                        None => self.leave(),
                    },
                },
                Phase::Listening { until_ms } if now_ms < until_ms => return Said::Silence,
                Phase::Listening { .. } => self.leave(),
                Phase::Over => return Said::HangUp,
            }
        }
        Said::HangUp
    }

    fn conclude(&mut self) -> Option<ConversationResult> {
        self.result.take()
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use campanile_domain::ids::BotId;
    use serde_json::{Value, json};

    use super::*;

    fn bot(settings: Value) -> Result<ScriptBot, String> {
        let settings = BotSettings {
            id: BotId(1),
            name: "Test".into(),
            kind: BotKind::Script,
            enabled: true,
            settings,
        };
        Ok(ScriptBot::new(Arc::new(Script::of(&settings)?)))
    }

    /// Holds the conversation in virtual time, with keys pressed at these frames, and
    /// tells what was said, by how many frames, and the result.
    fn talk(mut bot: ScriptBot, keys: &[(u64, char)]) -> String {
        const NAMES: [&str; 7] =
            ["greeting", "menu", "thanks", "callback", "opt_out", "goodbye", "abandoned"];
        let mut told = String::new();
        let mut last = ("", 0);
        for tick in 0..50 * 120 {
            for (_, key) in keys.iter().filter(|(at, _)| *at == tick) {
                bot.hear(Heard::Digit(*key), tick * 20);
            }
            let now = match bot.speak(tick * 20) {
                Said::Silence => "silence",
                Said::Clip { clip, .. } => NAMES
                    .into_iter()
                    .find(|name| std::ptr::eq(prompts::prompt(name).unwrap(), clip))
                    .unwrap(),
                Said::HangUp => {
                    let result = bot.conclude().map(|result| result.disposition);
                    write!(told, " {}x{} | {result:?}", last.0, last.1).unwrap();
                    return told.trim_start_matches(" x0").trim_start().to_owned();
                }
                other => panic!("{other:?}"),
            };
            if now != last.0 {
                write!(told, " {}x{}", last.0, last.1).unwrap();
                last = (now, 0);
            }
            last.1 += 1;
        }
        panic!("still talking after two minutes: {told}");
    }

    fn frames(name: &str) -> usize {
        prompts::prompt(name).unwrap().frames()
    }

    #[test]
    fn without_a_key_it_greets_listens_says_goodbye_and_hangs_up() {
        assert_eq!(
            talk(bot(json!({})).unwrap(), &[]),
            format!(
                "greetingx{} menux{} silencex200 goodbyex{} | Some(\"no_key\")",
                frames("greeting"),
                frames("menu"),
                frames("goodbye"),
            )
        );
    }

    #[test]
    fn a_key_cuts_the_menu_short() {
        assert_eq!(
            talk(bot(json!({})).unwrap(), &[(150, '1')]),
            format!(
                "greetingx{} menux{} thanksx{} goodbyex{} | Some(\"interested\")",
                frames("greeting"),
                150 - frames("greeting"),
                frames("thanks"),
                frames("goodbye"),
            )
        );
    }

    #[test]
    fn a_key_in_the_silence_after_the_menu_counts_and_one_that_means_nothing_does_not() {
        let spoken = frames("greeting") + frames("menu");
        let at = spoken as u64 + 10;
        assert_eq!(
            talk(bot(json!({})).unwrap(), &[(at - 5, '5'), (at, '9')]),
            format!(
                "greetingx{} menux{} silencex10 opt_outx{} | Some(\"opt_out\")",
                frames("greeting"),
                frames("menu"),
                frames("opt_out"),
            )
        );
    }

    #[test]
    fn keys_after_the_choice_change_nothing() {
        let told = talk(bot(json!({})).unwrap(), &[(5, '1'), (6, '9'), (7, '9')]);
        assert!(told.ends_with("| Some(\"interested\")"), "{told}");
    }

    #[test]
    fn an_opt_out_says_so_in_the_result() {
        let mut bot = bot(json!({})).unwrap();
        bot.hear(Heard::Digit('9'), 0);
        assert_eq!(bot.conclude().unwrap().opt_out, Some(true));
    }

    #[test]
    fn a_key_asks_for_a_callback_unless_the_bot_may_not() {
        let script = |callbacks: bool| {
            json!({"start": "menu", "callbacks": callbacks, "steps": {
                "menu": {"say": ["greeting"], "listen": {"keys": {"2": "later"}, "seconds": 4}},
                "later": {"say": ["callback"], "result": {
                    "disposition": "callback",
                    "callback": {"when_text": "in 2 hours", "reason": "pressed 2"}}},
            }})
        };
        let wish = |callbacks| {
            let mut bot = bot(script(callbacks)).unwrap();
            bot.hear(Heard::Digit('2'), 0);
            bot.conclude().unwrap().callback
        };
        let asked = wish(true).unwrap();
        assert_eq!(asked.when_text.as_deref(), Some("in 2 hours"));
        assert_eq!(asked.reason.as_deref(), Some("pressed 2"));
        assert_eq!(wish(false), None);
    }

    #[test]
    fn a_circle_of_silent_steps_hangs_up() {
        let settings = json!({"start": "a", "steps": {"a": {"next": "b"}, "b": {"next": "a"}}});
        assert_eq!(talk(bot(settings).unwrap(), &[]), "| None");
    }

    #[test]
    fn a_message_is_said_once() {
        let message = Script::message(prompts::prompt(prompts::ABANDONED).unwrap());
        assert_eq!(
            talk(ScriptBot::new(Arc::new(message)), &[(3, '1')]),
            format!("abandonedx{} | None", frames("abandoned"))
        );
    }

    #[test]
    fn settings_that_are_no_script_are_refused_in_words() {
        let Err(error) = bot(json!({"start": "nowhere"})) else { panic!("taken") };
        assert!(error.contains("there is no step `nowhere`"), "{error}");
    }
}

//! Bots: what speaks once a call is answered.

mod script;

use campanile_domain::{bot::BotKind, result::ConversationResult};
use campanile_wire::g711::FRAME_SAMPLES;

use crate::prompts::Clip;
pub(crate) use script::{Script, ScriptBot};

/// 20 ms of mono 16-bit samples at 8 kHz: what one RTP packet of G.711 holds.
pub type Frame = [i16; FRAME_SAMPLES];

/// What came from the callee.
#[derive(Debug, Clone, Copy)]
pub enum Heard<'a> {
    /// The next 20 ms, in order and without a gap: what was lost is concealed, and where
    /// nothing comes there is silence.
    Audio(&'a Frame),
    /// A key: `0`–`9`, `*`, `#`, `A`–`D`.
    Digit(char),
}

/// What a bot does in the next 20 ms.
#[derive(Debug)]
pub enum Said<'a> {
    /// Nothing.
    Silence,
    /// A frame of a recording, encoded beforehand.
    Clip {
        /// Which recording.
        clip: &'a Clip,
        /// Which of its frames; past the end is silence.
        frame: usize,
    },
    /// Fresh samples.
    Audio(&'a Frame),
    /// Everything was said: hang up.
    HangUp,
    /// The bot broke down, with the reason for an operator.
    Failed(String),
}

/// One conversation of one kind of bot.
///
/// Every 20 ms the media thread calls `hear` with what is to be heard and `speak`;
/// neither may block, for every other call waits. A bot that needs the network talks
/// to a task of its own over a bounded channel. `now_ms` counts from the moment the
/// bot was attached.
pub trait Bot: Send {
    /// Takes in what the callee said or pressed.
    fn hear(&mut self, heard: Heard<'_>, now_ms: u64);

    /// The next 20 ms.
    fn speak(&mut self, now_ms: u64) -> Said<'_>;

    /// What the conversation came to: asked once, when the call ends from whatever
    /// side. `None` when the bot cannot tell.
    fn conclude(&mut self) -> Option<ConversationResult>;
}

/// Whether this version has a bot of that kind that can speak. A campaign whose bot
/// cannot is refused at Start; a call placed with one ends as `bot_error`, undialled.
pub fn speaks(kind: BotKind) -> bool {
    match kind {
        BotKind::Script => true,
        BotKind::MediaStream | BotKind::Realtime | BotKind::Sip => false,
    }
}

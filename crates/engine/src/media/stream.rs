//! The audio of one call, without its socket: what is sent, what is heard, who listens.

use std::{
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use campanile_domain::{attempt::Audio, result::ConversationResult};
use campanile_wire::{
    dtmf,
    g711::{self, FRAME_SAMPLES},
    rtp::{self, Arrival, Packet},
    sdp::{Codec, Direction, Remote},
    time::Time,
};
use jiff::Timestamp;

use super::{latch::Latch, wheel::FRAME};
use crate::{
    bot::{Bot, Frame, Heard, Said},
    clock::Now,
};

/// Mean magnitude of a frame from which on it is speech: about -40 dBFS, above the
/// noise of a line and the comfort noise of a phone.
const SPEECH_LEVEL: u32 = 330;
/// Frames of speech that make a callee who spoke: 100 ms, longer than a click.
const SPEECH_FRAMES: u32 = 5;

/// When a call is ended for the sake of its audio (DI-15).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// No RTP came for this long.
    pub(crate) no_media: Duration,
    /// The callee neither spoke nor pressed a key for this long after the answer.
    pub(crate) silent_customer: Duration,
}

/// Why the audio side wants the call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The bot has said everything.
    BotHungUp,
    /// The bot broke down.
    BotFailed(String),
    /// Nothing came from the callee for too long.
    NoMedia,
    /// Sound came, and no voice in it.
    SilentCustomer,
}

/// What was counted by the end of a call.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Figures {
    pub(crate) sent: u32,
    pub(crate) received: u32,
    pub(crate) first_bot_audio_at: Option<Timestamp>,
    pub(crate) result: Option<ConversationResult>,
    /// `None` when no bot ever spoke.
    pub(crate) audio: Option<Audio>,
}

/// The audio of one call.
pub(crate) struct Stream {
    latch: Latch,
    remote: Option<Remote>,
    sender: rtp::Sender,
    receiver: rtp::Receiver,
    dtmf: dtmf::Receiver,
    hearing: Hearing,
    talk: Option<Talk>,
    sent: u32,
    first_bot_audio_at: Option<Timestamp>,
}

/// What the callee did so far.
struct Hearing {
    /// Samples that do not fill a frame yet: phones may send 10, 30 or 60 ms a packet.
    partial: Frame,
    filled: usize,
    speech_frames: u32,
    pressed: bool,
    last: Option<Time>,
}

/// The bot's side, from the moment it was attached.
struct Talk {
    bot: Box<dyn Bot>,
    limits: Limits,
    answered_at: Time,
    since: Time,
    due: Time,
    /// It panicked while it heard something.
    broken: bool,
    ended: bool,
}

impl Stream {
    /// `ssrc`, `sequence` and `timestamp` are random (RFC 3550 5.1).
    pub(crate) fn new(ssrc: u32, sequence: u16, timestamp: u32) -> Self {
        Self {
            latch: Latch::default(),
            remote: None,
            sender: rtp::Sender::new(ssrc, sequence, timestamp),
            receiver: rtp::Receiver::new(),
            dtmf: dtmf::Receiver::new(),
            hearing: Hearing {
                partial: [0; FRAME_SAMPLES],
                filled: 0,
                speech_frames: 0,
                pressed: false,
                last: None,
            },
            talk: None,
            sent: 0,
            first_bot_audio_at: None,
        }
    }

    /// The far end described itself, in early media, its answer or later.
    pub(crate) fn described(&mut self, remote: Remote, now: Time) {
        self.latch.described(remote.addr, now);
        self.remote = Some(remote);
    }

    /// The bot speaks from `due` on.
    pub(crate) fn attach(
        &mut self,
        bot: Box<dyn Bot>,
        limits: Limits,
        answered_at: Time,
        due: Time,
    ) {
        self.talk =
            Some(Talk { bot, limits, answered_at, since: due, due, broken: false, ended: false });
    }

    /// A datagram came to the call's port.
    pub(crate) fn receive(&mut self, from: SocketAddr, datagram: &[u8], now: Time) {
        let Some(remote) = self.remote else { return };
        let Ok(packet) = Packet::parse(datagram) else { return };
        let is_audio = packet.header.payload_type == remote.payload_type;
        let is_dtmf = Some(packet.header.payload_type) == remote.dtmf;
        // Comfort noise (RFC 3389) is a sign of life that holds no voice.
        let is_noise = packet.header.payload_type == 13;
        if !(is_audio || is_dtmf || is_noise) || !self.latch.accepts(from, now) {
            return;
        }
        let arrival = self.receiver.receive(now, &packet.header);
        self.hearing.last = Some(now);
        if arrival == Arrival::Duplicate {
            return;
        }
        if is_dtmf {
            if let Some(digit) = self.dtmf.receive(packet.header.timestamp, packet.payload) {
                self.hearing.pressed = true;
                self.tell(Heard::Digit(digit.key), now);
            }
        } else if is_audio && arrival != Arrival::Late {
            self.listen(remote.codec, packet.payload, now);
        }
    }

    /// The 20 ms of this stream have come: writes the packet to be sent and says where
    /// to, and says once when the call is to be ended.
    pub(crate) fn tick(
        &mut self,
        now: Now,
        packet: &mut Vec<u8>,
    ) -> (Option<SocketAddr>, Option<Verdict>) {
        let (Some(remote), Some(talk)) = (self.remote, self.talk.as_mut()) else {
            return (None, None);
        };
        // Too late to send what was missed: the media clock moves on, nothing bursts.
        let missed = ((now.at - talk.due).as_micros() / FRAME.as_micros()) as u32;
        self.sender_skips(missed);
        let talk = self.talk.as_mut().expect("nothing above detaches the bot");
        talk.due += FRAME * (missed + 1);
        if !remote.listens() {
            // On hold the bot waits: what it says now would not be heard.
            self.sender.skip(1);
            return (None, self.verdict(&remote, now.at));
        }
        let destination = self.latch.destination();
        let verdict = self.speak(&remote, now, packet);
        (destination, verdict.or_else(|| self.verdict(&remote, now.at)))
    }

    /// The packet of this tick left.
    pub(crate) fn was_sent(&mut self) {
        self.sent += 1;
    }

    /// The call is over.
    pub(crate) fn conclude(mut self) -> Figures {
        let result = self.talk.as_mut().and_then(|talk| guarded(|| talk.bot.conclude()).flatten());
        Figures {
            sent: self.sent,
            received: u32::try_from(self.receiver.figures().received).unwrap_or(u32::MAX),
            first_bot_audio_at: self.first_bot_audio_at,
            result,
            audio: None,
        }
    }

    fn sender_skips(&mut self, frames: u32) {
        if frames > 0 {
            self.sender.skip(frames);
        }
    }

    fn speak(&mut self, remote: &Remote, now: Now, packet: &mut Vec<u8>) -> Option<Verdict> {
        let talk = self.talk.as_mut()?;
        let silence = [g711::silence(remote.codec); FRAME_SAMPLES];
        let mut encoded = silence;
        let mut payload: &[u8] = &silence;
        let mut spoke = true;
        let mut verdict = None;
        if talk.ended {
            spoke = false;
        } else {
            let now_ms = (now.at - talk.since).as_millis() as u64;
            let panicked = || Said::Failed("the bot panicked".into());
            let bot = &mut talk.bot;
            let said = match talk.broken {
                true => panicked(),
                // A bot that panics ends its own call and no other.
                false => guarded(move || bot.speak(now_ms)).unwrap_or_else(panicked),
            };
            match said {
                Said::Clip { clip, frame } => {
                    payload = clip.frame(remote.codec, frame).unwrap_or(&silence);
                }
                Said::Audio(samples) => {
                    g711::encode(remote.codec, samples, &mut encoded);
                    payload = &encoded;
                }
                Said::Silence => spoke = false,
                Said::HangUp => verdict = Some(Verdict::BotHungUp),
                Said::Failed(why) => verdict = Some(Verdict::BotFailed(why)),
            }
        }
        if verdict.is_some() {
            talk.ended = true;
            spoke = false;
        }
        if spoke {
            self.first_bot_audio_at.get_or_insert(now.wall);
        }
        self.sender.frame(remote.payload_type, payload, packet);
        verdict
    }

    /// Whether a limit has passed; told once.
    fn verdict(&mut self, remote: &Remote, now: Time) -> Option<Verdict> {
        let talk = self.talk.as_mut().filter(|talk| !talk.ended)?;
        let speaks = matches!(remote.direction, Direction::SendRecv | Direction::SendOnly);
        let heard = self.hearing.last;
        let quiet = now - heard.unwrap_or(talk.answered_at).max(talk.answered_at);
        let said_something = self.hearing.pressed || self.hearing.speech_frames >= SPEECH_FRAMES;
        let verdict = if speaks && quiet >= talk.limits.no_media {
            Verdict::NoMedia
        } else if heard.is_some()
            && !said_something
            && now - talk.answered_at >= talk.limits.silent_customer
        {
            Verdict::SilentCustomer
        } else {
            return None;
        };
        talk.ended = true;
        Some(verdict)
    }

    fn listen(&mut self, codec: Codec, mut payload: &[u8], now: Time) {
        while !payload.is_empty() {
            let hearing = &mut self.hearing;
            let taken = g711::decode(codec, payload, &mut hearing.partial[hearing.filled..]);
            hearing.filled += taken;
            payload = &payload[taken..];
            if hearing.filled < FRAME_SAMPLES {
                return;
            }
            hearing.filled = 0;
            let frame = hearing.partial;
            let sum: u32 = frame.iter().map(|sample| u32::from(sample.unsigned_abs())).sum();
            if self.talk.is_some() && sum >= SPEECH_LEVEL * FRAME_SAMPLES as u32 {
                hearing.speech_frames += 1;
            }
            self.tell(Heard::Audio(&frame), now);
        }
    }

    fn tell(&mut self, heard: Heard<'_>, now: Time) {
        let Some(talk) = self.talk.as_mut().filter(|talk| !talk.ended) else { return };
        let now_ms = (now - talk.since).as_millis() as u64;
        // A bot that panics ends its own call and no other, with its next 20 ms.
        talk.broken |= guarded(|| talk.bot.hear(heard, now_ms)).is_none();
    }
}

/// Runs code of a bot; `None` when it panicked, which the panic hook has logged.
fn guarded<T>(run: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(run)).ok()
}

#[cfg(test)]
mod tests;

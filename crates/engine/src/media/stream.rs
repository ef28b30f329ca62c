//! The audio of one call, without its socket: what is sent, what is heard, who listens.

mod hearing;
mod reports;
mod speaking;

use std::{
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use campanile_domain::{attempt::Audio, result::ConversationResult};
use campanile_wire::{
    g711::{self, FRAME_SAMPLES},
    rtp::{NotRtp, Packet},
    sdp::{Direction, Remote},
    time::Time,
};
use jiff::Timestamp;

use super::{latch::Latch, wheel::FRAME};
use crate::{
    bot::{Bot, Heard, Said},
    clock::Now,
};
use hearing::Hearing;
use reports::Reports;
use speaking::Speaking;

/// Frames that are heard one after the other once a wake-up came late; what is older is
/// left out.
const CATCH_UP: u32 = 10;

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
    speaking: Speaking,
    hearing: Hearing,
    reports: Option<Box<Reports>>,
    talk: Option<Talk>,
    /// Packets that were not of this call.
    strays: u32,
    first_bot_audio_at: Option<Timestamp>,
}

/// The bot's side, from the moment it was attached.
struct Talk {
    bot: Box<dyn Bot>,
    limits: Limits,
    since: Time,
    due: Time,
    /// From when on the silence of the callee counts; `None` while it is on hold.
    expected_since: Option<Time>,
    /// The far end has listened. One that holds from the answer on (RFC 3264 8.4) never gave
    /// the call a chance, and the limits run.
    begun: bool,
    /// What the callee may have said while this thread had no time to listen.
    deaf: Duration,
    /// Since the answer, holds left out, up to `expected_since`.
    waited: Duration,
    /// It panicked while it heard something.
    broken: bool,
    ended: bool,
}

/// Whether audio is to come from a far end that described itself so.
fn is_expected(remote: &Remote) -> bool {
    remote.direction == Direction::SendRecv && remote.listens()
}

impl Stream {
    /// `ssrc`, `sequence` and `timestamp` are random (RFC 3550 5.1).
    pub(crate) fn new(ssrc: u32, sequence: u16, timestamp: u32) -> Self {
        Self {
            latch: Latch::default(),
            remote: None,
            speaking: Speaking::new(ssrc, sequence, timestamp),
            hearing: Hearing::default(),
            reports: None,
            talk: None,
            strays: 0,
            first_bot_audio_at: None,
        }
    }

    /// The far end described itself, in early media, its answer or later.
    pub(crate) fn described(&mut self, remote: Remote, now: Time) {
        self.latch.described(remote.addr, now);
        self.remote = Some(remote);
        let Some(talk) = &mut self.talk else { return };
        if remote.listens() && !talk.begun {
            // Whoever takes the call off hold begins it.
            talk.begun = true;
            talk.expected_since = is_expected(&remote).then_some(now);
            return;
        }
        match (talk.expected_since, !talk.begun || is_expected(&remote)) {
            (Some(since), false) => {
                talk.waited += now - since;
                talk.expected_since = None;
            }
            (None, true) => talk.expected_since = Some(now),
            (Some(_), true) | (None, false) => {}
        }
    }

    /// The bot speaks from `due` on.
    pub(crate) fn attach(
        &mut self,
        bot: Box<dyn Bot>,
        limits: Limits,
        answered_at: Time,
        due: Time,
    ) {
        let begun = self.remote.as_ref().is_none_or(Remote::listens);
        let expected = !begun || self.remote.as_ref().is_none_or(is_expected);
        self.talk = Some(Talk {
            bot,
            limits,
            since: due,
            due,
            expected_since: expected.then_some(answered_at),
            begun,
            deaf: Duration::ZERO,
            waited: Duration::ZERO,
            broken: false,
            ended: false,
        });
    }

    /// Reports are exchanged from now on.
    pub(crate) fn open_reports(&mut self, now: Now) {
        self.reports = Some(Box::new(Reports::new(self.speaking.sender(), now)));
    }

    /// A datagram came to the call's port.
    pub(crate) fn receive(&mut self, from: SocketAddr, datagram: &[u8], now: Time) {
        let Some(remote) = self.remote else { return };
        let packet = match Packet::parse(datagram) {
            Ok(packet) => packet,
            // Some far ends send both on one port, asked or not (RFC 5761).
            Err(NotRtp::Rtcp) => return self.receive_report(from, datagram, now),
            Err(_) => return self.stray(),
        };
        if !hearing::is_of(&remote, packet.header.payload_type) || !self.latch.accepts(from, now) {
            return self.stray();
        }
        let is_playing = self.talk.is_some();
        if let Some(key) = self.hearing.receive(&remote, &packet, now, is_playing) {
            self.tell(Heard::Digit(key), now);
        }
    }

    /// A datagram came to the port above, which is for reports.
    pub(crate) fn receive_report(&mut self, from: SocketAddr, datagram: &[u8], now: Time) {
        let (Some(remote), Some(reports)) = (&self.remote, &mut self.reports) else { return };
        let audio = self.latch.destination().unwrap_or(remote.addr);
        let known = from.ip() == audio.ip() || from.ip() == remote.rtcp.ip();
        if !known || !reports.receive(from, datagram, self.speaking.sender(), now) {
            self.stray();
        }
    }

    /// Writes the report that is due, or the last one, and says where it goes.
    pub(crate) fn report(
        &mut self,
        now: Time,
        is_last: bool,
        packet: &mut Vec<u8>,
    ) -> Option<SocketAddr> {
        let (remote, reports) = (self.remote.as_ref()?, self.reports.as_mut()?);
        if !is_last && now < reports.due() {
            return None;
        }
        let audio = self.latch.destination().unwrap_or(remote.addr);
        let heard = self.hearing.report();
        reports.write(now, self.speaking.sender(), heard, is_last, packet);
        Some(reports.destination(remote, audio))
    }

    /// Whether the next [`tick`](Self::tick) would end the call for its silence, if nothing
    /// waits in its socket: a thread that was late must look there first.
    pub(crate) fn is_silent(&self, now: Time) -> bool {
        self.talk.as_ref().is_some_and(|talk| self.is_quiet(talk, now))
    }

    /// The 20 ms of this stream have come: what came is heard, what is to be said is given
    /// to `send` (destination and packet; whether it left). Says once when the call is to be
    /// ended.
    pub(crate) fn tick(
        &mut self,
        now: Now,
        packet: &mut Vec<u8>,
        send: &mut dyn FnMut(SocketAddr, &[u8]) -> bool,
    ) -> Option<Verdict> {
        let (Some(remote), Some(talk)) = (self.remote, self.talk.as_mut()) else {
            return None;
        };
        // Too late to send what was missed: the media clock moves on, nothing bursts.
        let missed = ((now.at - talk.due).as_micros() / FRAME.as_micros()) as u32;
        let due = talk.due;
        talk.due += FRAME * (missed + 1);
        talk.deaf += FRAME * missed.saturating_sub(CATCH_UP);
        for frame in missed.saturating_sub(CATCH_UP)..=missed {
            self.hear(&remote, due + FRAME * frame);
        }
        self.speaking.skip(missed);
        if !remote.listens() {
            // On hold the bot waits: what it says now would not be heard.
            self.speaking.hold();
            return self.verdict(now.at);
        }
        let verdict = self.speak(&remote, now, packet, send);
        verdict.or_else(|| self.verdict(now.at))
    }

    /// The call is over.
    pub(crate) fn conclude(mut self) -> Figures {
        let result = self.talk.as_mut().and_then(|talk| guarded(|| talk.bot.conclude()).flatten());
        let figures = self.hearing.figures();
        let audio = self.talk.as_ref().map(|_| {
            let reports = self.reports.as_deref();
            let round_trip = reports.and_then(Reports::round_trip);
            Audio {
                sent: self.speaking.sent(),
                heard: self.hearing.leg(round_trip),
                told: reports.and_then(Reports::told),
                round_trip_ms: round_trip.map(|trip| trip.as_secs_f32() * 1_000.0),
                strays: self.strays,
                skipped: self.speaking.skipped(),
            }
        });
        Figures {
            sent: self.speaking.sent(),
            received: u32::try_from(figures.received).unwrap_or(u32::MAX),
            first_bot_audio_at: self.first_bot_audio_at,
            result,
            audio,
        }
    }

    fn stray(&mut self) {
        self.strays = self.strays.saturating_add(1);
    }

    /// Plays the frame of the moment `at` to the bot.
    fn hear(&mut self, remote: &Remote, at: Time) {
        let mut frame = [0; FRAME_SAMPLES];
        let key = self.hearing.play(remote, at, &mut frame);
        self.tell(Heard::Audio(&frame), at);
        if let Some(key) = key {
            self.tell(Heard::Digit(key), at);
        }
    }

    fn speak(
        &mut self,
        remote: &Remote,
        now: Now,
        packet: &mut Vec<u8>,
        send: &mut dyn FnMut(SocketAddr, &[u8]) -> bool,
    ) -> Option<Verdict> {
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
        let destination = self.latch.destination().unwrap_or(remote.addr);
        self.speaking.say(remote, payload, packet, &mut |packet| send(destination, packet));
        verdict
    }

    /// Whether a limit has passed; told once. Nothing is expected of a callee on hold.
    fn verdict(&mut self, now: Time) -> Option<Verdict> {
        let talk = self.talk.as_ref().filter(|talk| !talk.ended)?;
        let since = talk.expected_since?;
        let listened = (talk.waited + (now - since)).saturating_sub(talk.deaf);
        let verdict = if self.is_quiet(talk, now) {
            Verdict::NoMedia
        } else if self.hearing.last().is_some()
            && !self.hearing.is_alive()
            && listened >= talk.limits.silent_customer
        {
            Verdict::SilentCustomer
        } else {
            return None;
        };
        self.talk.as_mut()?.ended = true;
        Some(verdict)
    }

    fn is_quiet(&self, talk: &Talk, now: Time) -> bool {
        let Some(since) = talk.expected_since.filter(|_| !talk.ended) else { return false };
        now - self.hearing.last().unwrap_or(since).max(since) >= talk.limits.no_media
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

//! What comes from the callee: counted, put in order, listened to.

use std::time::Duration;

use campanile_domain::attempt::Leg;
use campanile_wire::{
    dtmf,
    playout::{self, Playout, Sound},
    quality,
    rtp::{self, Arrival, Packet},
    sdp::Remote,
    time::Time,
    tones,
};

use crate::bot::Frame;

/// Mean magnitude of a frame from which on it is speech: about -40 dBFS, above the
/// noise of a line and the comfort noise of a phone.
const SPEECH_LEVEL: u32 = 330;
/// Frames of speech that make a callee who spoke: 100 ms, longer than a click.
const SPEECH_FRAMES: u32 = 5;
/// Packets below which an opinion would be a guess: a second.
const OPINION_PACKETS: u64 = 50;
/// What a packet holds, and so waits for at its sender.
const PACKET: Duration = Duration::from_millis(20);

/// The receiving side of one call.
#[derive(Default)]
pub(super) struct Hearing {
    receiver: rtp::Receiver,
    playout: Playout,
    keys: dtmf::Receiver,
    tones: tones::Detector,
    speech_frames: u32,
    pressed: bool,
    last: Option<Time>,
}

/// Whether packets of this type are part of a call whose far end described itself so.
pub(super) fn is_of(remote: &Remote, payload_type: u8) -> bool {
    payload_type == remote.payload_type
        || Some(payload_type) == remote.dtmf
        || playout::is_comfort(payload_type)
}

impl Hearing {
    /// A packet of the call came; gives the key that it tells of first. Audio is kept only
    /// when somebody is going to hear it.
    pub(super) fn receive(
        &mut self,
        remote: &Remote,
        packet: &Packet<'_>,
        now: Time,
        is_playing: bool,
    ) -> Option<char> {
        let header = &packet.header;
        let arrival = self.receiver.receive(now, header);
        self.last = Some(now);
        if arrival == Arrival::Duplicate {
            return None;
        }
        if Some(header.payload_type) == remote.dtmf {
            let digit = self.keys.receive(header.timestamp, packet.payload)?;
            self.pressed = true;
            return Some(digit.key);
        }
        if playout::is_comfort(header.payload_type) {
            // A sign of life that holds no voice.
            self.playout.comfort(header, packet.payload);
        } else if is_playing {
            self.playout.audio(now, header, remote.codec, packet.payload);
        }
        None
    }

    /// The frame to be heard at `now`, and the key that was pressed in it, when the far end
    /// sends keys as tones.
    pub(super) fn play(&mut self, remote: &Remote, now: Time, frame: &mut Frame) -> Option<char> {
        if self.playout.frame(now, frame) != Sound::Voice {
            return None;
        }
        let sum: u32 = frame.iter().map(|sample| u32::from(sample.unsigned_abs())).sum();
        if remote.listens() && sum >= SPEECH_LEVEL * frame.len() as u32 {
            self.speech_frames = self.speech_frames.saturating_add(1);
        }
        // Never both: who sends events may send the tone beside them.
        let key = remote.dtmf.is_none().then(|| self.tones.hear(frame)).flatten();
        self.pressed |= key.is_some();
        key
    }

    /// When the last packet came.
    pub(super) fn last(&self) -> Option<Time> {
        self.last
    }

    /// Whether the callee spoke or pressed a key.
    pub(super) fn is_alive(&self) -> bool {
        self.pressed || self.speech_frames >= SPEECH_FRAMES
    }

    pub(super) fn figures(&self) -> rtp::Figures {
        self.receiver.figures()
    }

    /// For a report to the far end.
    pub(super) fn report(&mut self) -> Option<rtp::Heard> {
        self.receiver.heard()
    }

    /// How it was, for the attempt.
    pub(super) fn leg(&self, round_trip: Option<Duration>) -> Leg {
        let figures = self.receiver.figures();
        let late = self.playout.late();
        let expected = figures.received + figures.lost;
        let mos = (figures.received >= OPINION_PACKETS).then(|| {
            let way = round_trip.unwrap_or_default() / 2;
            let unheard = (figures.lost + late) as f32 / expected as f32;
            quality::mos(unheard, way + self.playout.waiting() + PACKET)
        });
        let count = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        Leg {
            received: count(figures.received),
            lost: count(figures.lost),
            late: count(late),
            duplicates: count(figures.duplicates),
            jitter_ms: figures.jitter.as_secs_f32() * 1_000.0,
            mos,
        }
    }
}

//! One phone in one call: what it will do and what it has seen.

use std::net::SocketAddr;

use campanile_wire::{
    dtmf::Press,
    rtp::Sender,
    sdp::{Codec, Remote},
};

use crate::{
    mix::{Course, Fate},
    record::{Line, Side, now},
    voice::{Speaker, Voice},
};

/// 100 ms, as long as people press.
const PRESS_FRAMES: u16 = 5;

/// What a phone does next, when its time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deed {
    /// 180.
    Ring,
    /// The final answer.
    Decide,
    /// The next 20 ms of audio.
    Speak,
    /// A key.
    Press,
    /// BYE, or off the network.
    Leave,
}

/// A phone from the INVITE to the end of the call.
pub(crate) struct Phone {
    pub(crate) line: Line,
    pub(crate) course: Course,
    /// What the caller offered.
    pub(crate) remote: Option<Remote>,
    sender: Sender,
    frames: u64,
    press: Option<Press>,
    heard: bool,
}

impl Phone {
    pub(crate) fn new(line: Line, course: Course, remote: Option<Remote>, sender: Sender) -> Self {
        Self { line, course, remote, sender, frames: 0, press: None, heard: false }
    }

    /// Whether it sends audio once it is answered.
    pub(crate) fn speaks(&self) -> bool {
        self.course.fate != Fate::Silent && self.remote.is_some_and(|remote| remote.listens())
    }

    /// Takes an RTP packet; true for the first, which starts the patience before a key.
    pub(crate) fn hears(&mut self) -> bool {
        self.line.rtp_in += 1;
        !std::mem::replace(&mut self.heard, true)
    }

    /// Begins to press its key.
    pub(crate) fn press(&mut self) {
        let can = self.remote.is_some_and(|remote| remote.dtmf.is_some());
        if let Some((key, _)) = self.course.key.filter(|_| can) {
            self.press = Press::new(key, PRESS_FRAMES);
            self.line.key = Some(key);
        }
    }

    /// Writes the next packet; where it goes. `late` frames were missed since the last.
    pub(crate) fn speak(
        &mut self,
        voices: &Voices,
        late: u32,
        packet: &mut Vec<u8>,
    ) -> Option<SocketAddr> {
        let remote = self.remote?;
        if late > 0 {
            self.sender.skip(late);
        }
        self.frames += u64::from(late) + 1;
        let pressing = match (&mut self.press, remote.dtmf) {
            (Some(press), Some(dtmf)) => press.packet(&mut self.sender, dtmf, packet),
            _ => false,
        };
        if !pressing {
            self.press = None;
            let speaker = match self.course.fate {
                Fate::Voicemail => Speaker::Machine,
                _ => Speaker::Person,
            };
            let frame = voices.of(remote.codec).frame(speaker, self.frames - 1);
            self.sender.frame(remote.payload_type, frame, packet);
        }
        Some(remote.addr)
    }

    pub(crate) fn rings(&mut self) {
        self.line.ringing_at = Some(now());
    }

    pub(crate) fn answers(&mut self) {
        self.line.answered_at = Some(now());
    }

    pub(crate) fn bye(&mut self, by: Side) {
        self.line.bye_at.get_or_insert_with(now);
        self.line.bye_by.get_or_insert(by);
    }
}

/// The sounds in both codecs.
pub(crate) struct Voices {
    alaw: Voice,
    ulaw: Voice,
}

impl Voices {
    pub(crate) fn new() -> Self {
        Self { alaw: Voice::new(Codec::Pcma), ulaw: Voice::new(Codec::Pcmu) }
    }

    fn of(&self, codec: Codec) -> &Voice {
        match codec {
            Codec::Pcma => &self.alaw,
            Codec::Pcmu => &self.ulaw,
        }
    }
}

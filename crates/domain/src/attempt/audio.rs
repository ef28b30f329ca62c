//! How the audio of a call was: what was counted and how it must have sounded.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The audio of one call, both ways. Kept with the attempt as JSON; a figure that is not
/// known is absent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Audio {
    /// RTP packets sent.
    pub sent: u32,
    /// What came from the far end, as counted here.
    pub heard: Leg,
    /// What came to the far end, as its RTCP reports said last; `None` without RTCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<Leg>,
    /// Milliseconds from here to the far end and back (RFC 3550 6.4.1, LSR and DLSR).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round_trip_ms: Option<f32>,
    /// Packets on the call's ports that were not of the call: from elsewhere, or nothing
    /// that we know.
    pub strays: u32,
    /// Frames of 20 ms that left late, so that their time was skipped.
    pub skipped: u32,
}

/// One direction of a call.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Leg {
    /// Packets that came, without duplicates.
    pub received: u32,
    /// Packets that never came.
    pub lost: u32,
    /// Packets that came too late to be heard.
    pub late: u32,
    /// Packets that came more than once.
    pub duplicates: u32,
    /// Interarrival jitter at the end (RFC 3550 A.8), milliseconds.
    pub jitter_ms: f32,
    /// Estimated opinion of a listener, 1 (bad) to 4.4 (as good as G.711 can be), by the
    /// E-model of ITU-T G.107. `None` when too little was heard to tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mos: Option<f32>,
}

impl Leg {
    /// The share of the packets that never came, 0 to 1; 0 when none was expected.
    pub fn loss(&self) -> f32 {
        let expected = self.received.saturating_add(self.lost);
        if expected == 0 { 0.0 } else { self.lost as f32 / expected as f32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_a_share_of_what_was_expected() {
        assert_eq!(Leg { received: 75, lost: 25, ..Leg::default() }.loss(), 0.25);
        assert_eq!(Leg::default().loss(), 0.0);
    }

    #[test]
    fn what_is_kept_is_read_back_and_an_older_record_too() {
        let audio = Audio {
            sent: 5,
            heard: Leg { received: 4, mos: Some(4.25), ..Leg::default() },
            round_trip_ms: Some(12.5),
            ..Audio::default()
        };
        let text = serde_json::to_string(&audio).unwrap();
        assert_eq!(serde_json::from_str::<Audio>(&text).unwrap(), audio);
        assert!(!text.contains("told"), "{text}");
        assert_eq!(serde_json::from_str::<Audio>("{}").unwrap(), Audio::default());
    }
}

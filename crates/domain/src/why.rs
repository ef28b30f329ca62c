//! Why nothing is dialled: every reason named, with its until-when (DI-12).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{outcome::words, window::Hours};

words! {
    /// What holds dialling back. The word is stable: API, metrics and help
    /// anchors use it.
    ReasonCode {
        /// Nothing does: calls are being placed.
        Dialling = "dialling" / 0,
        /// Outside the calling window.
        OutsideWindow = "outside_window" / 1,
        /// Everyone callable waits for a retry time.
        RetryWait = "retry_wait" / 2,
        /// Every seat is taken or spoken for by a ringing call.
        SeatsFull = "seats_full" / 3,
        /// The carriers' calls per second are used up.
        CarrierCps = "carrier_cps" / 4,
        /// The carriers' channels are used up.
        CarrierChannels = "carrier_channels" / 5,
        /// Every carrier of the pool rests after failures.
        CarrierResting = "carrier_resting" / 6,
        /// Every carrier of the pool is disabled or missing.
        NoCarrier = "no_carrier" / 7,
        /// No enabled outbound number.
        NoNumber = "no_number" / 8,
        /// Paused by a person.
        Paused = "paused" / 9,
        /// Nobody is left to call; live calls are ending.
        NothingLeft = "nothing_left" / 10,
        /// The bot is missing or disabled.
        BotMissing = "bot_missing" / 11,
        /// The machine's `--max-calls` is reached.
        MachineFull = "machine_full" / 12,
        /// Always-on with an empty line: waits for contacts.
        WaitingForContacts = "waiting_for_contacts" / 13,
        /// The database does not take writes (disk full, stalled).
        StoreDown = "store_down" / 14,
        /// The dialler is not running, or has not reported yet.
        DiallerDown = "dialler_down" / 15,
        /// The abandon rate is at its limit.
        AbandonLimit = "abandon_limit" / 16,
        /// The only contacts left to dial are in a call of another campaign.
        AnotherCall = "another_call" / 17,
        /// The deployment's calls or minutes of the day are used up.
        DailyLimit = "daily_limit" / 18,
        /// The toll-fraud guard bars the number; said of contacts alone.
        NumberBarred = "number_barred" / 19,
    }
}

/// Why, and until when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// Which.
    pub code: ReasonCode,
    /// One sentence for an operator, without times: pages add `until` in the
    /// campaign's zone.
    pub sentence: String,
    /// When it is expected to pass.
    pub until: Option<Timestamp>,
}

/// That the hours are closed, and why (DI-1).
pub fn outside(hours: Hours<'_>, now: Timestamp) -> String {
    if hours.is_holiday(now) {
        return "Today is a holiday of the campaign".to_owned();
    }
    format!("Outside the calling window {} {}", hours.spans(), hours.zone_name())
}

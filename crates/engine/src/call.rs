//! One call from its INVITE to its one report.
//!
//! The SIP shard owns every call and feeds it what the user agent, the runner, the
//! media thread and the clock say; the call answers with [`Action`]s. It holds no
//! socket and reads no clock.

mod ending;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use campanile_domain::{
    attempt::CallReport,
    ids::AttemptId,
    outcome::{Ending, HangupBy},
    result::ConversationResult,
    scheduler::CallEvent,
    settings::Settings,
};
use campanile_wire::{
    sdp::{self, Codec, Remote},
    time::Time,
    ua::{EndCause, Ended},
};
use jiff::Timestamp;
use tokio::sync::mpsc;

use self::ending::{Guard, Withdrawal, after_answer, before_answer, millis};
use crate::{
    clock::Now,
    line::{LineEvent, unplaced},
    media::{Figures, Verdict},
};

/// The longest that the message for an abandoned callee may take, hold and all.
const MESSAGE_MAX: Duration = Duration::from_secs(15);

/// What happens to a call.
#[derive(Debug)]
pub(crate) enum Input {
    /// 101 to 199 came.
    Provisional { code: u16, sdp: Option<Vec<u8>> },
    /// 2xx came and was acknowledged.
    Answered { code: u16, reason: String, sdp: Option<Vec<u8>> },
    /// The far end described its audio anew.
    Renegotiated { sdp: Vec<u8> },
    /// The SIP side is over.
    SipEnded(Ended),
    /// There is a seat.
    Connect,
    /// There is none.
    Abandon,
    /// The runner wants it ended.
    HangUp,
    /// The audio side wants it ended.
    Verdict(Verdict),
    /// The audio side is over.
    Closed(Box<Figures>),
    /// `deadline` came.
    Timeout,
}

/// What a call wants done.
#[derive(Debug)]
pub(crate) enum Action {
    /// CANCEL or BYE, whichever is right.
    HangUp,
    /// BYE to an answer that cannot be talked to, which is told so.
    Disagree,
    /// Tell the audio side where the far end is.
    Describe(Remote),
    /// The bot speaks.
    AttachBot { answered_at: Time },
    /// The message for abandoned callees is played.
    AttachMessage { answered_at: Time },
    /// End the audio; answered with [`Input::Closed`].
    CloseMedia,
    /// Tell the runner.
    Tell(CallEvent),
}

/// See the module.
pub(crate) struct Call {
    state: State,
    settings: Arc<Settings>,
    codecs: Vec<Codec>,
    invited: Time,
    ringing_at: Option<Timestamp>,
    early: Option<Remote>,
    answered: Option<Now>,
    /// The code and the words of the answer.
    answer: Option<(u16, String)>,
    bot_attached_at: Option<Timestamp>,
    actions: VecDeque<Action>,
    guard: Guard,
}

#[derive(Debug)]
enum State {
    /// The INVITE is out; perhaps it rings.
    Calling,
    /// Taken back before the answer: waits for the final answer.
    Withdrawing(Withdrawal),
    /// Answered; waits for a seat.
    Waiting,
    /// The bot talks.
    Talking,
    /// The message for abandoned callees plays.
    Abandoning { since: Time },
    /// Everything is known but what the audio side counted.
    Closing(Box<CallReport>, Automatic),
    /// Reported.
    Over,
}

/// The disposition that this side gives (BT-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Automatic {
    None,
    /// Unless the bot said something else.
    Timeout,
    /// Whatever the bot expected: the callee never took part.
    SilentCustomer,
}

impl Call {
    /// A call whose INVITE leaves now.
    pub(crate) fn new(
        attempt: AttemptId,
        settings: Arc<Settings>,
        codecs: Vec<Codec>,
        events: mpsc::Sender<LineEvent>,
        now: Time,
    ) -> Self {
        Self {
            state: State::Calling,
            settings,
            codecs,
            invited: now,
            ringing_at: None,
            early: None,
            answered: None,
            answer: None,
            bot_attached_at: None,
            actions: VecDeque::new(),
            guard: Guard { attempt, events, armed: true },
        }
    }

    pub(crate) fn attempt(&self) -> AttemptId {
        self.guard.attempt
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// When to give it [`Input::Timeout`].
    pub(crate) fn deadline(&self) -> Option<Time> {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let longest = self.answered.map(|now| now.at + seconds(self.settings.max_call_seconds));
        match self.state {
            State::Calling => Some(self.invited + seconds(self.settings.ring_timeout_seconds)),
            State::Waiting | State::Talking => longest,
            State::Abandoning { since } => Some(since + MESSAGE_MAX),
            // The user agent sees to it that these end.
            State::Withdrawing(_) | State::Closing(..) | State::Over => None,
        }
    }

    /// What it wants done; empty it after every `handle`.
    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether its report was given: the owner may forget it.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Takes in what happened.
    pub(crate) fn handle(&mut self, input: Input, now: Now) {
        match input {
            Input::Provisional { code, sdp } => self.on_provisional(code, sdp, now),
            Input::Answered { code, reason, sdp } => self.on_answered((code, reason), sdp, now),
            Input::Renegotiated { sdp } => {
                if let Ok(remote) = sdp::parse(&sdp, &self.codecs) {
                    self.actions.push_back(Action::Describe(remote));
                }
            }
            Input::SipEnded(ended) => self.on_sip_ended(ended, now),
            Input::Connect => {
                if let (State::Waiting, Some(answered)) = (&self.state, self.answered) {
                    self.state = State::Talking;
                    self.bot_attached_at = Some(now.wall);
                    self.actions.push_back(Action::AttachBot { answered_at: answered.at });
                    self.actions.push_back(Action::Tell(CallEvent::BotAttached));
                }
            }
            Input::Abandon => {
                if let (State::Waiting, Some(answered)) = (&self.state, self.answered) {
                    self.state = State::Abandoning { since: now.at };
                    self.actions.push_back(Action::AttachMessage { answered_at: answered.at });
                }
            }
            Input::HangUp => match self.state {
                State::Calling => self.withdraw(Withdrawal::HungUp),
                State::Waiting | State::Talking | State::Abandoning { .. } => {
                    self.hang_up(HangupBy::Dialler, false, Automatic::None, now);
                }
                State::Withdrawing(_) | State::Closing(..) | State::Over => {}
            },
            Input::Verdict(verdict) => self.on_verdict(verdict, now),
            Input::Closed(figures) => self.on_closed(*figures),
            Input::Timeout => self.on_timeout(now),
        }
    }

    /// Ends the call at once, without waiting for what the far end says to that.
    pub(crate) fn cut(&mut self, now: Now) {
        match self.state {
            State::Calling | State::Withdrawing(_) => {
                self.actions.push_back(Action::HangUp);
                let ending = match self.state {
                    State::Withdrawing(Withdrawal::RingTimeout) => {
                        Ending::RingTimeout { sip_code: None }
                    }
                    _ => Ending::Withdrawn,
                };
                self.close(ending, Some(HangupBy::Dialler), None, Automatic::None, now);
            }
            State::Waiting | State::Talking | State::Abandoning { .. } => {
                self.hang_up(HangupBy::Dialler, false, Automatic::None, now);
            }
            State::Closing(..) | State::Over => {}
        }
    }

    fn on_provisional(&mut self, code: u16, sdp: Option<Vec<u8>>, now: Now) {
        if !matches!(self.state, State::Calling | State::Withdrawing(_)) {
            return;
        }
        if (180..190).contains(&code) && self.ringing_at.is_none() {
            self.ringing_at = Some(now.wall);
            self.actions.push_back(Action::Tell(CallEvent::Ringing));
        }
        // Early media that cannot be understood is not missed.
        if let Some(remote) = sdp.and_then(|sdp| sdp::parse(&sdp, &self.codecs).ok()) {
            self.early = Some(remote);
            self.actions.push_back(Action::Describe(remote));
        }
    }

    fn on_answered(&mut self, answer: (u16, String), sdp: Option<Vec<u8>>, now: Now) {
        match self.state {
            State::Calling => {}
            State::Withdrawing(_) => {
                // The agent hangs up by itself when a 200 crosses our CANCEL.
                self.actions.push_back(Action::HangUp);
                return;
            }
            _ => return,
        }
        let remote = match (sdp, self.early) {
            (Some(sdp), _) => sdp::parse(&sdp, &self.codecs),
            // Some carriers answer the offer in 183 and leave the 200 empty.
            (None, Some(early)) => Ok(early),
            (None, None) => Err(sdp::SdpError::NoAudio),
        };
        match remote {
            Ok(remote) => {
                self.state = State::Waiting;
                self.answered = Some(now);
                self.answer = Some(answer);
                self.actions.push_back(Action::Describe(remote));
                self.actions.push_back(Action::Tell(CallEvent::Answered));
            }
            Err(error) => {
                self.actions.push_back(Action::Disagree);
                let ending = Ending::Refused {
                    // What we would have answered to such a description (RFC 3261 21.4.26).
                    sip_code: 488,
                    after_ms: millis(now.at - self.invited),
                    rang: self.ringing_at.is_some(),
                };
                let answer = Some((answer.0, format!("answered without usable audio: {error}")));
                self.close(ending, Some(HangupBy::Dialler), answer, Automatic::None, now);
            }
        }
    }

    fn on_sip_ended(&mut self, ended: Ended, now: Now) {
        let answer = ended.code.map(|code| (code, ended.reason.clone().unwrap_or_default()));
        let (ending, by) = match &self.state {
            State::Calling | State::Withdrawing(_) => {
                let rang = self.ringing_at.is_some();
                let withdrawal = match self.state {
                    State::Withdrawing(withdrawal) => Some(withdrawal),
                    _ => None,
                };
                before_answer(&ended, withdrawal, rang)
            }
            State::Waiting if ended.cause == EndCause::ByeReceived => {
                (self.left(now), HangupBy::Callee)
            }
            State::Waiting | State::Abandoning { .. } => {
                (Ending::NoSeat, after_answer(ended.cause))
            }
            State::Talking => (Ending::Connected { bot_failed: false }, after_answer(ended.cause)),
            State::Closing(..) | State::Over => return,
        };
        let answer = self.answer.clone().or(answer);
        self.close(ending, Some(by), answer, Automatic::None, now);
        if let State::Closing(report, _) = &mut self.state {
            report.retry_after_seconds = ended.retry_after;
            if report.sip_code.is_none() {
                // Why nothing came, if that is known.
                report.sip_reason = ended.reason;
            }
        }
    }

    fn on_verdict(&mut self, verdict: Verdict, now: Now) {
        if !matches!(self.state, State::Talking | State::Abandoning { .. }) {
            return;
        }
        let (by, failed, automatic) = match verdict {
            Verdict::BotHungUp => match self.state {
                State::Abandoning { .. } => (HangupBy::Dialler, false, Automatic::None),
                _ => (HangupBy::Bot, false, Automatic::None),
            },
            Verdict::BotFailed(why) => {
                tracing::warn!(attempt.id = %self.attempt(), "The bot failed in a call: {why}");
                (HangupBy::Bot, true, Automatic::None)
            }
            Verdict::NoMedia => (HangupBy::Dialler, false, Automatic::Timeout),
            Verdict::SilentCustomer => (HangupBy::Dialler, false, Automatic::SilentCustomer),
        };
        self.hang_up(by, failed, automatic, now);
    }

    fn on_timeout(&mut self, now: Now) {
        if self.deadline().is_none_or(|deadline| now.at < deadline) {
            return;
        }
        match self.state {
            State::Calling => self.withdraw(Withdrawal::RingTimeout),
            State::Waiting | State::Talking | State::Abandoning { .. } => {
                self.hang_up(HangupBy::Dialler, false, Automatic::Timeout, now);
            }
            State::Withdrawing(_) | State::Closing(..) | State::Over => {}
        }
    }

    fn on_closed(&mut self, figures: Figures) {
        let State::Closing(report, automatic) = std::mem::replace(&mut self.state, State::Over)
        else {
            // Nothing but `close` ends the audio.
            return;
        };
        let of = |word| Some(ConversationResult::of(word));
        let result = match automatic {
            Automatic::None => figures.result,
            Automatic::Timeout => figures.result.or_else(|| of("timeout")),
            Automatic::SilentCustomer => of("silent_customer"),
        };
        let attached = report.bot_attached_at.is_some();
        let report = CallReport {
            first_bot_audio_at: figures.first_bot_audio_at.filter(|_| attached),
            result: result.filter(|_| attached),
            rtp_sent: figures.sent,
            rtp_received: figures.received,
            media: figures.audio,
            ..*report
        };
        self.guard.armed = false;
        self.actions.push_back(Action::Tell(CallEvent::Ended(Box::new(report))));
    }

    fn withdraw(&mut self, withdrawal: Withdrawal) {
        self.state = State::Withdrawing(withdrawal);
        self.actions.push_back(Action::HangUp);
    }

    /// Ends an answered call from this side.
    fn hang_up(&mut self, by: HangupBy, bot_failed: bool, automatic: Automatic, now: Now) {
        self.actions.push_back(Action::HangUp);
        let ending = match self.state {
            State::Talking => Ending::Connected { bot_failed },
            _ => Ending::NoSeat,
        };
        // The BYE may go unanswered for half a minute; the talk is over now, and so is
        // the use of the seat.
        self.close(ending, Some(by), self.answer.clone(), automatic, now);
    }

    /// What it is when a callee hangs up who waits for his seat: not abandoned before the time
    /// for that has come (DI-16).
    fn left(&self, now: Now) -> Ending {
        let patience = Duration::from_millis(self.settings.seat_patience_ms().into());
        match self.answered {
            Some(answered) if now.at - answered.at < patience => Ending::Left,
            _ => Ending::NoSeat,
        }
    }

    fn close(
        &mut self,
        ending: Ending,
        hangup_by: Option<HangupBy>,
        answer: Option<(u16, String)>,
        automatic: Automatic,
        now: Now,
    ) {
        let (sip_code, sip_reason) = answer.unzip();
        let report = CallReport {
            sip_code,
            sip_reason: sip_reason.filter(|reason| !reason.is_empty()),
            hangup_by,
            ringing_at: self.ringing_at,
            answered_at: self.answered.map(|answered| answered.wall),
            bot_attached_at: self.bot_attached_at,
            ..unplaced(self.attempt(), ending, "", now.wall)
        };
        self.state = State::Closing(Box::new(report), automatic);
        self.actions.push_back(Action::CloseMedia);
    }
}

#[cfg(test)]
mod tests;

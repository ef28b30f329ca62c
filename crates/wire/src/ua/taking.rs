//! The called side at work: carries out what its table says.

mod reliable;

use std::sync::Arc;

use self::reliable::{Extension, Reliable};
use super::{
    agenda::Timer,
    asking::Answered,
    call::{Came, Common, Shared, Verdict},
    callee::{Action, Input, Phase},
    compose::{self, ALLOW, Reply, SUPPORTED, reason},
    dialog::{Dialog, Parties},
    event::{Event, Means},
    session::Wish,
};
use crate::{
    message::{Name, NameAddr},
    time::Time,
};

/// A call that came in.
pub(super) struct Callee {
    phase: Phase,
    /// Which INVITE it is, for its repetitions and its CANCEL.
    pub(super) transaction: Box<str>,
    reply: Reply,
    cseq: u32,
    /// What was answered last, to be answered again.
    last: Arc<[u8]>,
    /// The final answer that the owner gave, until the table sends it.
    chosen: Option<Arc<[u8]>>,
    /// How often the INVITE came again.
    pub(super) repeats: u32,
    wish: Wish,
    /// What the INVITE says of reliable provisionals (RFC 3262 3).
    extension: Extension,
    /// The reliable provisional that is not acknowledged.
    reliable: Option<Reliable>,
    /// One with a description was acknowledged: offer and answer are exchanged.
    rang_reliably: bool,
    /// The RSeq of the last one.
    rseq: u32,
}

impl Callee {
    /// Takes the call and says 100, so that the INVITE is not repeated.
    pub(super) fn start(
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        transaction: Box<str>,
        came: Came<'_>,
    ) -> Self {
        let uri = |name| {
            let value = came.message.get(name).and_then(NameAddr::parse);
            value.map(|party| party.uri).unwrap_or_default()
        };
        let parties = Parties {
            call_id: Arc::clone(&common.call_id),
            local: format!("<{}>;tag={}", uri(Name::To), common.local_tag).into(),
            remote_uri: uri(Name::From),
            remote_tag: came.tag_of_from(),
            fallback_target: uri(Name::From),
            peer: came.envelope.via.answer_to(came.from),
        };
        let mut dialog = Dialog::of(came.message, parties, false);
        dialog.remote_cseq = Some(came.envelope.cseq);
        common.add_leg(dialog);
        let reply = came.reply();
        let last = reply.answer(100, None, &[], None);
        common.send(shared, now, reply.to_addr, &last);
        Self {
            phase: Phase::Ringing,
            transaction,
            reply,
            cseq: came.envelope.cseq,
            last,
            chosen: None,
            repeats: 0,
            wish: Wish::of(came.message),
            extension: Extension::of(came.message),
            reliable: None,
            rang_reliably: false,
            // RFC 3262 3 asks for a number that leaves room to count on.
            rseq: (shared.tokens.next() % (1 << 30)) as u32,
        }
    }

    pub(super) fn input(
        &mut self,
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        input: Input,
        came: Option<Came<'_>>,
    ) {
        let (next, actions) = self.phase.after(input);
        self.phase = next;
        for action in actions {
            match (action, came) {
                (Action::SendFinal, _) => self.send_final(common, shared, now),
                (Action::Refuse(code), _) => {
                    self.choose(common, shared, *code, &[], None);
                    self.send_final(common, shared, now);
                }
                (Action::AnswerCancel | Action::AnswerBye, Some(came)) => {
                    common.answer(shared, now, came, 200, &[]);
                }
                (Action::SendBye, _) => common.bye(shared, now, 0),
                (Action::ReportAck, Some(came)) => {
                    common.tell(shared, Event::Acked { sdp: came.sdp() });
                }
                (Action::ReportCancelled, _) => common.tell(shared, Event::Cancelled),
                (Action::End(cause), _) => common.end(shared, now, *cause),
                (Action::AnswerCancel | Action::AnswerBye | Action::ReportAck, None) => {
                    unreachable!("{action:?} answers a message")
                }
            }
        }
    }

    /// The INVITE came again: so did not our last answer.
    pub(super) fn repeated(&mut self, common: &mut Common, shared: &mut Shared, now: Time) {
        self.repeats += 1;
        if !matches!(self.phase, Phase::Talking | Phase::Hanging | Phase::Over) {
            common.send(shared, now, self.reply.to_addr, &self.last);
        }
    }

    /// 101 to 199.
    pub(super) fn ring(
        &mut self,
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        code: u16,
        sdp: Option<&[u8]>,
    ) {
        if self.phase != Phase::Ringing || !(101..200).contains(&code) {
            return;
        }
        if self.extension == Extension::Required {
            return self.ring_reliably(common, shared, now, code, sdp);
        }
        self.last = self.write(common, shared, code, &[], sdp);
        common.send(shared, now, self.reply.to_addr, &self.last);
    }

    /// 200 with our description.
    pub(super) fn answer(
        &mut self,
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        sdp: Vec<u8>,
    ) {
        if self.phase == Phase::Ringing {
            let agreed = common.agree(shared, now, self.wish);
            let mut headers = vec![("Supported", SUPPORTED)];
            headers.extend(agreed.headers());
            self.choose(common, shared, 200, &headers, Some(&sdp));
            common.sdp = sdp;
            self.input(common, shared, now, Input::Answer, None);
        }
    }

    /// 300 and more.
    pub(super) fn reject(
        &mut self,
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        code: u16,
        headers: &[(&str, &str)],
    ) {
        if self.phase == Phase::Ringing && (300..700).contains(&code) {
            self.choose(common, shared, code, headers, None);
            self.input(common, shared, now, Input::Reject, None);
        }
    }

    /// Whether we may offer anew.
    pub(super) fn may_offer(&self, means: Means) -> bool {
        match self.phase {
            Phase::Talking => true,
            Phase::Ringing => means == Means::Update && self.rang_reliably,
            _ => false,
        }
    }

    /// A request within the call.
    pub(super) fn request(
        &mut self,
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        came: Came<'_>,
    ) {
        match came.envelope.method {
            "ACK" => {
                let cseq = came.envelope.cseq;
                if !common.acked(shared, cseq) {
                    return;
                }
                if cseq == self.cseq {
                    self.input(common, shared, now, Input::Ack, Some(came));
                } else if let Some(sdp) = came.sdp() {
                    common.tell(shared, Event::Renegotiated { sdp });
                }
            }
            "BYE" => {
                let Some(leg) = common.leg_of(came.tag_of_from()) else {
                    return common.answer(shared, now, came, 481, &[]);
                };
                if common.in_order(came.tag_of_from(), came.envelope) == Some(false) {
                    return common.answer(shared, now, came, 500, &[]);
                }
                common.bye_over(shared, leg);
                self.input(common, shared, now, Input::Bye, Some(came));
            }
            "CANCEL" => self.input(common, shared, now, Input::Cancel, Some(came)),
            "PRACK" => self.acknowledged(common, shared, now, came),
            _ => {
                let up = matches!(self.phase, Phase::Answered | Phase::Talking);
                common.request(shared, now, came, up);
            }
        }
    }

    /// An answer to one of our requests.
    pub(super) fn response(
        &mut self,
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        code: u16,
        came: Came<'_>,
    ) {
        let branch = came.envelope.via.branch.unwrap_or_default();
        if came.envelope.method == "BYE"
            && let Some(leg) = common.bye_leg(branch)
            && common.bye_answered(shared, now, leg, code, came)
        {
            self.input(common, shared, now, Input::ByeDone, None);
        } else if common.ask_answered(shared, now, code, came) == Some(Answered::Lost) {
            self.input(common, shared, now, Input::Lost, None);
        }
    }

    pub(super) fn wake(
        &mut self,
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        timer: Timer,
    ) {
        match timer {
            Timer::FinalAgain => common.final_again(shared, now),
            Timer::FinalGiveUp => {
                common.final_sent = None;
                common.stop(shared, Timer::FinalAgain);
                self.input(common, shared, now, Input::NoAck, None);
            }
            Timer::ByeAgain(leg) => common.bye_again(shared, now, usize::from(leg)),
            Timer::ByeGiveUp(leg) => {
                common.bye_over(shared, usize::from(leg));
                self.input(common, shared, now, Input::ByeDone, None);
            }
            Timer::ReliableAgain => self.reliable_again(common, shared, now),
            // RFC 3262 3: nobody hears us.
            Timer::ReliableGiveUp => {
                self.choose(common, shared, 504, &[], None);
                self.input(common, shared, now, Input::Reject, None);
            }
            Timer::AskAgain(number) => common.ask_again(shared, now, number),
            Timer::AskGiveUp(number) => {
                if common.ask_given_up(shared, number) == Answered::Lost {
                    self.input(common, shared, now, Input::Lost, None);
                }
            }
            Timer::RenewAgain => common.renew_again(shared, now),
            Timer::Refresh => common.refresh(shared, now),
            Timer::SessionEnd => self.input(common, shared, now, Input::Lost, None),
            // Of the calling side, or of the user agent.
            Timer::InviteAgain
            | Timer::InviteGiveUp
            | Timer::RedirectGiveUp
            | Timer::CancelAgain
            | Timer::CancelGiveUp
            | Timer::Release => {}
        }
    }

    fn choose(
        &mut self,
        common: &mut Common,
        shared: &Shared,
        code: u16,
        headers: &[(&str, &str)],
        sdp: Option<&[u8]>,
    ) {
        self.chosen = Some(self.write(common, shared, code, headers, sdp));
        common.verdict = Verdict {
            code: Some(code),
            reason: Some(reason(code).to_owned()),
            ..Verdict::default()
        };
    }

    fn send_final(&mut self, common: &mut Common, shared: &mut Shared, now: Time) {
        self.stop_reliable(common, shared);
        if let Some(bytes) = self.chosen.take() {
            self.last = Arc::clone(&bytes);
            common.send_final(shared, now, self.reply.to_addr, bytes, self.cseq);
        }
    }

    fn write(
        &self,
        common: &Common,
        shared: &Shared,
        code: u16,
        headers: &[(&str, &str)],
        sdp: Option<&[u8]>,
    ) -> Arc<[u8]> {
        let contact = compose::contact("", common.contact, common.transport);
        let mut all = vec![("Contact", contact.as_str()), ("Server", &shared.config.user_agent)];
        if code == 200 {
            all.push(("Allow", ALLOW));
        }
        all.extend_from_slice(headers);
        self.reply.answer(code, Some(&common.local_tag), &all, sdp)
    }
}

//! A call that is withdrawn around the first answers to it: at each millisecond of the first
//! fifty, on lines of different length, with each of the first datagrams lost in turn. Both ends
//! are ours and without a socket, so that the time is exact; what went over the line is judged.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by its panic")]

use std::time::Duration;

use campanile_wire::{
    sdp::{self, Codec, Local},
    time::Time,
    ua::{CallKey, EndCause, Ended, Event, Invite, Peer, UaConfig, UserAgent},
};

/// What the callee does when so many milliseconds are over since the INVITE came.
type Course = &'static [(u64, Deed)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Ring,
    Answer,
    Refuse,
}

const COURSES: [Course; 5] = [
    &[(20, Deed::Ring), (30, Deed::Answer)],
    &[(20, Deed::Ring), (30, Deed::Refuse)],
    &[(10, Deed::Answer)],
    &[(5, Deed::Ring), (6, Deed::Refuse)],
    // It rings on and on.
    &[(15, Deed::Ring)],
];

/// One of the two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Caller,
    Callee,
}

/// A datagram: who gets it, and when.
#[derive(Debug, Clone)]
struct Datagram {
    at: Duration,
    to: End,
    text: String,
}

/// A call of which everything is known.
struct World {
    now: Duration,
    way: Duration,
    /// The datagram that is lost, counted from 0.
    lost: Option<usize>,
    sent: usize,
    /// Sent, whether they arrived or not.
    acks: usize,
    caller: UserAgent,
    callee: UserAgent,
    line: Vec<Datagram>,
    /// What arrived, in order.
    heard: Vec<Datagram>,
    call: CallKey,
    incoming: Option<(CallKey, Duration)>,
    deeds: Vec<(u64, Deed)>,
    ended: [Vec<Ended>; 2],
}

fn agent(addr: &str, accept_calls: bool) -> UserAgent {
    let config = UaConfig { accept_calls, ..UaConfig::new(addr.parse().unwrap()) };
    UserAgent::new(config, [if accept_calls { 1 } else { 2 }; 32])
}

fn described(port: u16) -> Vec<u8> {
    let addr = ([127, 0, 0, 1], port).into();
    sdp::offer(&Local { addr, codecs: vec![Codec::Pcma], session: 1, version: 1 })
}

const CALLER: &str = "127.0.0.1:5060";
const CALLEE: &str = "127.0.0.1:5070";

impl World {
    fn new(course: Course, way: Duration, lost: Option<usize>) -> Self {
        let mut caller = agent(CALLER, false);
        let invite = Invite {
            to: Peer::udp(CALLEE.parse().unwrap()),
            further: Vec::new(),
            route: Vec::new(),
            request_uri: format!("sip:callee@{CALLEE}"),
            from_uri: format!("sip:caller@{CALLER}"),
            from_display: None,
            to_uri: format!("sip:callee@{CALLEE}"),
            call_id: "withdrawn@caller".to_owned(),
            sdp: described(40_000),
            late_offer: false,
            auth: None,
            headers: Vec::new(),
        };
        let call = caller.invite(Time::from_origin(Duration::ZERO), invite).unwrap();
        Self {
            now: Duration::ZERO,
            way,
            lost,
            sent: 0,
            acks: 0,
            caller,
            callee: agent(CALLEE, true),
            line: Vec::new(),
            heard: Vec::new(),
            call,
            incoming: None,
            deeds: course.to_vec(),
            ended: [Vec::new(), Vec::new()],
        }
    }

    /// Lets everything happen until nothing is left to happen; hangs up at `withdrawn_at`.
    fn play(&mut self, withdrawn_at: Duration) {
        let mut withdrawn_at = Some(withdrawn_at);
        loop {
            self.settle();
            let timers = [self.caller.poll_timeout(), self.callee.poll_timeout()];
            let deed = self.incoming.zip(self.deeds.first());
            let deed = deed.map(|((_, came), (after, _))| came + Duration::from_millis(*after));
            let arrives = self.line.iter().map(|each| each.at).min();
            let timers =
                timers.into_iter().flatten().map(|at| at.since(Time::from_origin(Duration::ZERO)));
            let Some(next) = timers.chain(deed).chain(arrives).chain(withdrawn_at).min() else {
                return;
            };
            assert!(next < Duration::from_secs(200), "it never ends");
            self.now = self.now.max(next);
            let now = Time::from_origin(self.now);
            if withdrawn_at.is_some_and(|at| at <= self.now) {
                withdrawn_at = None;
                self.caller.hang_up(now, self.call);
            } else if arrives.is_some_and(|at| at <= self.now) {
                self.arrive();
            } else if deed.is_some_and(|at| at <= self.now) {
                self.act();
            } else {
                self.caller.handle_timeout(now);
                self.callee.handle_timeout(now);
            }
        }
    }

    fn arrive(&mut self) {
        let now = Time::from_origin(self.now);
        let first = self.line.iter().enumerate().min_by_key(|(index, each)| (each.at, *index));
        let index = first.unwrap().0;
        let datagram = self.line.remove(index);
        let (agent, from) = match datagram.to {
            End::Caller => (&mut self.caller, CALLEE),
            End::Callee => (&mut self.callee, CALLER),
        };
        agent.handle_message(now, Peer::udp(from.parse().unwrap()), datagram.text.as_bytes());
        self.heard.push(Datagram { at: self.now, ..datagram });
    }

    fn act(&mut self) {
        let now = Time::from_origin(self.now);
        let (key, _) = self.incoming.unwrap();
        // Whoever was withdrawn does nothing more.
        let is_over = !self.ended[1].is_empty();
        match self.deeds.remove(0).1 {
            _ if is_over => {}
            Deed::Ring => self.callee.ring(now, key, 180, None),
            Deed::Answer => self.callee.answer(now, key, described(50_000)),
            Deed::Refuse => self.callee.reject(now, key, 486, &[]),
        }
    }

    /// Takes what both ends have to say at this moment.
    fn settle(&mut self) {
        for to in [End::Callee, End::Caller] {
            let agent = if to == End::Callee { &mut self.caller } else { &mut self.callee };
            while let Some(transmit) = agent.poll_transmit() {
                let nth = self.sent;
                self.sent += 1;
                let text = String::from_utf8(transmit.bytes.to_vec()).unwrap();
                self.acks += usize::from(text.starts_with("ACK"));
                if Some(nth) != self.lost {
                    self.line.push(Datagram { at: self.now + self.way, to, text });
                }
            }
        }
        while let Some((_, event)) = self.caller.poll_event() {
            if let Event::Ended(ended) = event {
                self.ended[0].push(ended);
            }
        }
        while let Some((key, event)) = self.callee.poll_event() {
            match event {
                Event::Incoming(_) => self.incoming = Some((key, self.now)),
                Event::Ended(ended) => self.ended[1].push(ended),
                _ => {}
            }
        }
    }

    /// Whether everything was as RFC 3261 9.1, 13 and 15 have it.
    fn judge(&self) -> Result<(), String> {
        let must = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
        let caller = self.heard.iter().filter(|each| each.to == End::Caller);
        let code_of = |each: &Datagram| each.text.get(8..11).and_then(|code| code.parse().ok());
        let of_invite = caller.filter(|each| each.text.contains(" INVITE\r\n"));
        let answers: Vec<(Duration, u16)> =
            of_invite.filter_map(|each| Some((each.at, code_of(each)?))).collect();
        let to_callee: Vec<_> = self.heard.iter().filter(|each| each.to == End::Callee).collect();
        let first = |method: &str| to_callee.iter().find(|each| each.text.starts_with(method));
        let last = answers.iter().find(|(_, code)| *code >= 200);

        must(self.caller.kept_calls() == 0, "the caller keeps the call")?;
        must(self.callee.kept_calls() == 0, "the callee keeps the call")?;
        let [[ended], [_]] = [&self.ended[0][..], &self.ended[1][..]] else {
            return Err(format!("not one end for each: {:?}", self.ended));
        };
        must(ended.code == last.map(|(_, code)| *code), "another code than that which came")?;
        if let Some(cancel) = first("CANCEL") {
            let sent = cancel.at - self.way;
            must(answers.iter().any(|(at, _)| *at <= sent), "a CANCEL before any answer")?;
            must(last.is_none_or(|(at, _)| *at >= sent), "a CANCEL after the final answer")?;
        }
        let expected: &[EndCause] = match ended.code {
            Some(200) => &[EndCause::AnsweredWhileCancelling, EndCause::ByeSent],
            Some(487) => &[EndCause::Cancelled],
            Some(_) => &[EndCause::Cancelled, EndCause::Refused],
            None => return Err("no final answer, on a line that loses one datagram".to_owned()),
        };
        must(expected.contains(&ended.cause), "another cause than the answer was")?;
        let is_up = ended.code == Some(200);
        must(first("BYE").is_some() == is_up, "BYE for a call that is up, and for no other")?;
        must(self.acks > 0, "the final answer is acknowledged")
    }
}

#[test]
fn whenever_a_call_is_withdrawn_both_ends_know_that_it_is_over() {
    let (mut played, mut cancelled, mut crossed) = (0, 0, 0);
    for course in COURSES {
        for way in [0, 1, 7, 12].map(Duration::from_millis) {
            for lost in [None].into_iter().chain((0..8).map(Some)) {
                for withdrawn_at in (0..=50).map(Duration::from_millis) {
                    let mut world = World::new(course, way, lost);
                    world.play(withdrawn_at);
                    if let Err(why) = world.judge() {
                        let heard: String = world
                            .heard
                            .iter()
                            .map(|each| {
                                let line = each.text.lines().next().unwrap_or_default();
                                format!("{:?} {:?} hears {line}\n", each.at, each.to)
                            })
                            .collect();
                        panic!(
                            "{why}: withdrawn after {withdrawn_at:?}, {way:?} away, lost {lost:?}, \
                             {course:?}\n{heard}{:?}",
                            world.ended
                        );
                    }
                    played += 1;
                    let cause = world.ended[0][0].cause;
                    cancelled += u32::from(cause == EndCause::Cancelled);
                    crossed += u32::from(cause == EndCause::AnsweredWhileCancelling);
                }
            }
        }
    }
    assert!(
        cancelled > 1_000 && crossed > 50,
        "{played}: {cancelled} cancelled, {crossed} crossed"
    );
}

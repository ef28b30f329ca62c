//! Calls between two user agents on a fair network, as ladders.

use std::time::Duration;

use super::net::{End, Net, Weather, description, invite};
use crate::{
    time::Time,
    ua::{CallKey, EndCause, Event, Refused, UserAgent},
};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Everything has ended and nothing is kept.
pub(super) fn assert_empty(net: &mut Net) {
    for agent in [&mut net.caller, &mut net.callee] {
        assert_eq!((agent.live_calls(), agent.kept_calls()), (0, 0));
        assert_eq!(agent.poll_timeout(), None, "a timer is left");
        assert!(agent.shared.agenda.is_empty());
        assert!(agent.transactions.is_empty() && agent.shared.lingering.is_empty());
    }
}

/// Rings, and answers at once.
fn answers(agent: &mut UserAgent, now: Time, key: CallKey, event: &Event) {
    if let Event::Incoming(_) = event {
        agent.ring(now, key, 180, None);
        agent.answer(now, key, description(End::Callee));
    }
}

fn rings(agent: &mut UserAgent, now: Time, key: CallKey, event: &Event) {
    if let Event::Incoming(_) = event {
        agent.ring(now, key, 180, None);
    }
}

#[test]
fn an_answered_call_is_hung_up_by_the_caller() {
    let mut net = Net::new(1, Weather::FAIR, answers);
    let call = net.caller.invite(net.now, invite(1)).unwrap();
    net.later(seconds(5), move |net| net.caller.hang_up(net.now, call));
    net.run(seconds(60));
    insta::assert_snapshot!(net.ladder());
    assert_eq!(net.ends(End::Caller), [EndCause::ByeSent]);
    assert_eq!(net.ends(End::Callee), [EndCause::ByeReceived]);
    assert_empty(&mut net);
}

#[test]
fn a_call_that_nobody_answers_is_cancelled() {
    let mut net = Net::new(1, Weather::FAIR, rings);
    let call = net.caller.invite(net.now, invite(1)).unwrap();
    net.later(seconds(20), move |net| net.caller.cancel(net.now, call));
    net.run(seconds(60));
    insta::assert_snapshot!(net.ladder());
    assert_eq!(net.ends(End::Caller), [EndCause::Cancelled]);
    assert_eq!(net.ends(End::Callee), [EndCause::Cancelled]);
    assert_empty(&mut net);
}

#[test]
fn no_more_calls_are_placed_than_were_agreed() {
    let mut net = Net::new(1, Weather::FAIR, rings);
    net.caller.shared.config.max_calls = 1;
    assert!(net.caller.invite(net.now, invite(1)).is_ok());
    assert_eq!(net.caller.invite(net.now, invite(2)), Err(Refused::Full));
}

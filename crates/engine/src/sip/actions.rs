//! What calls want, done.

use std::{cmp::Reverse, sync::Arc, time::Duration};

use campanile_wire::time::Time;

use super::Shard;
use crate::{
    bot::{Script, ScriptBot},
    call::{Action, Input},
    clock::Now,
    media::{self, Place},
};

impl Shard {
    pub(super) fn tell_call(&mut self, place: Place, input: Input, now: Now) {
        let Some(entry) = self.calls.get_mut(place) else { return };
        entry.call.handle(input, now);
        self.carry_out(place, now);
    }

    /// Does what a call wants, until it wants nothing more.
    pub(super) fn carry_out(&mut self, place: Place, now: Now) {
        while let Some(entry) = self.calls.get_mut(place) {
            let Some(action) = entry.call.poll_action() else { break };
            let (key, attempt) = (entry.key, entry.call.attempt());
            match action {
                Action::HangUp => self.parts.agent.hang_up(now.at, key),
                // What we would have answered to such a description (RFC 3261 21.4.26).
                Action::Disagree => {
                    self.parts.agent.hang_up_because(now.at, key, 488, "No common codec");
                }
                Action::Describe(remote) => {
                    self.media(place).send(media::Command::Described(place, remote));
                }
                Action::AttachBot { answered_at } => {
                    let script = entry.script.clone();
                    self.attach(place, script, answered_at);
                }
                Action::AttachMessage { answered_at } => {
                    let script = self.message.clone();
                    self.attach(place, script, answered_at);
                }
                Action::CloseMedia => self.media(place).send(media::Command::Close(place)),
                Action::Tell(event) => self.report(attempt, event),
            }
        }
        let Some(entry) = self.calls.get_mut(place) else { return };
        if entry.call.is_over() {
            if let Some(entry) = self.calls.remove(place) {
                self.parts.ports.give_back(entry.port, now.at);
            }
        } else if let Some(deadline) = entry.call.deadline() {
            let (attempt, listed) = (entry.call.attempt(), entry.listed);
            if listed != Some(deadline) {
                entry.listed = Some(deadline);
                self.deadlines.push(Reverse((deadline, place, attempt)));
            }
        }
    }

    fn attach(&mut self, place: Place, script: Arc<Script>, answered_at: Time) {
        let Some(entry) = self.calls.get_mut(place) else { return };
        let settings = entry.call.settings();
        let limits = media::Limits {
            no_media: Duration::from_secs(settings.no_media_seconds.into()),
            silent_customer: Duration::from_secs(settings.silent_customer_seconds.into()),
        };
        let bot = Box::new(ScriptBot::new(script));
        self.media(place).send(media::Command::Attach { place, bot, limits, answered_at });
    }
}

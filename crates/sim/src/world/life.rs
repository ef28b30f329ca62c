//! The life of the process: it boots, reads the setup, and dies.

use campanile_domain::{ids::IdSource, scheduler::Scheduler, setup::DiallerSetup};
use jiff::SignedDuration;
use rand::RngExt;

use super::{Event, World};
use crate::fault::Fault;

impl World {
    pub(super) fn read_setup(&mut self) {
        self.reading = true;
        let asleep = self.fault == Some(Fault::SleepsAfterBoot) && self.known.campaigns.is_empty();
        let us = match (asleep, self.hasty) {
            (true, _) => 8_000_000..8_000_001,
            (false, true) => 0..1,
            (false, false) => 100..5_000,
        };
        self.soon(us, Event::ReadSetup(self.life));
    }

    pub(super) fn boot(&mut self) {
        if self.scheduler.is_some() {
            return;
        }
        self.life += 1;
        self.judge.boots(self.now);
        self.idle_since_boot = Some(self.now);
        self.trace.note(self.now, format_args!("the process begins"));
        self.report.unknown += self.store.recover(self.wall());
        self.judge.recovered(&self.store);
        let ids = IdSource::new(self.wall().as_millisecond(), self.rng.random());
        self.scheduler =
            Some(Scheduler::new(ids, self.scene.max_calls, self.wall()).after_another());
        self.reading = false;
        if let Some(network) = &mut self.network {
            network.boot();
        }
        self.changed();
    }

    /// The process dies: nobody says goodbye.
    pub(super) fn crash(&mut self, length: SignedDuration) {
        if self.scheduler.is_none() {
            return;
        }
        self.trace.note(self.now, format_args!("the process dies for {length:#}"));
        self.report.crashes += 1;
        self.judge.crashed();
        self.scheduler = None;
        self.calls.clear();
        if let Some(network) = &mut self.network {
            network.crash();
        }
        self.known = DiallerSetup::default();
        self.at(self.now + length, Event::Boot);
    }
}

//! Campaigns that compete for one carrier or one machine (CL-16, R-5).

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Many contacts, many seats: only what is shared holds the campaign back.
fn hungry(id: i64, priority: i32) -> CampaignSetup {
    let mut setup = campaign(id);
    setup.queue.waiting = 10_000;
    let settings = Arc::make_mut(&mut setup.settings);
    (settings.concurrency, settings.priority) = (1_000, priority);
    setup
}

/// What competes, and for how long.
#[derive(Debug, Clone)]
struct Contest {
    priorities: Vec<i32>,
    cps: f64,
    channels: u32,
    max_calls: u32,
    /// Seconds that the n-th call lasts.
    lengths: Vec<i64>,
    seconds: i64,
    /// For so many seconds from the start the first campaign's leases are not answered.
    held: i64,
}

impl Contest {
    /// INVITEs of each campaign, in their order.
    fn dials(&self) -> Vec<i64> {
        let campaigns = (1i64..).zip(&self.priorities).map(|(id, each)| hungry(id, *each));
        let settings = CarrierSettings {
            cps: self.cps,
            burst: 1,
            channels: self.channels,
            ..carrier(1, "Acme").settings
        };
        let carriers = vec![Carrier { settings, ..carrier(1, "Acme") }];
        let mut rig = Rig::with_max_calls(campaigns.collect(), carriers, self.max_calls);
        let mut up: Vec<(Timestamp, AttemptId)> = Vec::new();
        let (mut dialled, end) = (Vec::new(), rig.now + SignedDuration::from_secs(self.seconds));
        let answered = rig.now + SignedDuration::from_secs(self.held);
        while rig.now < end {
            let is_late = |command: &mut Command| {
                matches!(command, Command::Lease { campaign: CampaignId(1), .. })
                    && rig.now < answered
            };
            let late: Vec<Command> = rig.asked.extract_if(.., is_late).collect();
            let placements = rig.serve();
            rig.asked.extend(late);
            for placed in placements {
                let length = self.lengths[dialled.len() % self.lengths.len()];
                up.push((rig.now + SignedDuration::from_secs(length), placed.attempt.id));
                dialled.push(placed.attempt.lease.campaign.0);
            }
            rig.pass(SignedDuration::from_millis(200));
            let over: Vec<AttemptId> =
                up.extract_if(.., |(at, _)| *at <= rig.now).map(|(_, id)| id).collect();
            over.into_iter().for_each(|id| rig.end(id, BUSY).done());
            // The store says how the line stands, as it does after every end.
            rig.tell_setup();
        }
        dialled
    }
}

fn counts(dials: &[i64]) -> BTreeMap<i64, i64> {
    let mut counts = BTreeMap::new();
    for campaign in dials {
        *counts.entry(*campaign).or_default() += 1;
    }
    counts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Looked at after every single dial: one may be ahead while the claims of another are
    /// on their way, and the other catches up. It does not grow with time.
    #[test]
    fn campaigns_of_one_priority_share_evenly_at_every_moment(
        campaigns in 2usize..=4,
        cps in 1.0f64..20.0,
        channels in 1u32..40,
        max_calls in 1u32..40,
        lengths in prop::collection::vec(1i64..15, 1..20),
    ) {
        let priorities = vec![3; campaigns];
        let contest = Contest { priorities, cps, channels, max_calls, lengths, seconds: 120, held: 0 };
        let dials = contest.dials();
        prop_assert!(dials.len() > campaigns, "{} dials", dials.len());
        let mut so_far: BTreeMap<i64, i64> = (1..=campaigns as i64).map(|id| (id, 0)).collect();
        for campaign in &dials {
            *so_far.entry(*campaign).or_default() += 1;
            let (least, most) = (so_far.values().min(), so_far.values().max());
            let apart = most.unwrap() - least.unwrap();
            prop_assert!(apart <= 6, "{apart} apart: {so_far:?}");
        }
    }
}

#[test]
fn whoever_could_not_dial_for_a_while_catches_up_on_it() {
    let contest = Contest {
        priorities: vec![0, 0],
        cps: 5.0,
        channels: 500,
        max_calls: 1_000,
        lengths: vec![3],
        seconds: 30,
        held: 2,
    };
    let dials = contest.dials();
    let before = counts(&dials[..8]);
    assert_eq!(before.get(&1), None, "its store was slow: {before:?}");
    let counts = counts(&dials);
    assert!((counts[&1] - counts[&2]).abs() <= 2, "{counts:?}");
}

#[test]
fn the_higher_priority_takes_what_is_short_and_leaves_what_it_cannot_use() {
    let short = Contest {
        priorities: vec![0, 5, 0],
        cps: 5.0,
        channels: 500,
        max_calls: 1_000,
        lengths: vec![3],
        seconds: 60,
        held: 0,
    };
    let dials = short.dials();
    assert_eq!(counts(&dials).keys().copied().collect::<Vec<_>>(), [2], "the rate is short");

    // Its seats are short and not the carrier's rate: the others dial beside it.
    let campaigns = vec![hungry(1, 0), campaign(2), hungry(3, 0)];
    let mut rig = Rig::new(campaigns, vec![carrier(1, "Acme")]);
    Arc::make_mut(&mut rig.setup.campaigns[1].settings).priority = 5;
    rig.tell_setup();
    let mut dialled = Vec::new();
    for _ in 0..10 {
        dialled.extend(rig.serve().into_iter().map(|placed| placed.attempt.lease.campaign.0));
        rig.seconds(1);
    }
    let counts = counts(&dialled);
    assert_eq!(counts[&2], 10, "as many as it has seats");
    assert!(counts[&1] > 50 && counts[&3] > 50, "{counts:?}");
}

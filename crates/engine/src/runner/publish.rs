//! Shows what is happening now: once a second, and at once when a state or a reason
//! changes.

use std::{collections::HashMap, time::Duration};

use campanile_domain::{
    ids::CampaignId,
    live::{LiveState, LiveView},
    scheduler::Scheduler,
    why::ReasonCode,
};
use campanile_store::live::LiveHub;
use jiff::Timestamp;
use tokio::time::Instant;

/// Changes of state within this time are shown as one.
const COALESCE: Duration = Duration::from_millis(100);
/// Figures are shown this often.
const FIGURES: Duration = Duration::from_secs(1);

/// Decides when a view is worth showing.
pub(super) struct Publisher {
    hub: LiveHub,
    shown: HashMap<CampaignId, Shown>,
    next_look: Instant,
}

struct Shown {
    at: Instant,
    run: u32,
    state: LiveState,
    reason: ReasonCode,
}

impl Publisher {
    pub(super) fn new(hub: LiveHub) -> Self {
        Self { hub, shown: HashMap::new(), next_look: Instant::now() }
    }

    /// When to look again.
    pub(super) fn next_look(&self) -> Instant {
        self.next_look
    }

    /// Looks at the scheduler, if it is time to.
    pub(super) fn look(&mut self, scheduler: &Scheduler) {
        let now = Instant::now();
        if now >= self.next_look {
            self.next_look = now + COALESCE;
            self.show(scheduler.live(Timestamp::now()), now);
        }
    }

    fn show(&mut self, views: Vec<LiveView>, now: Instant) {
        self.shown.retain(|campaign, _| {
            let still_there = views.iter().any(|view| view.campaign == *campaign);
            if !still_there {
                self.hub.clear(*campaign);
            }
            still_there
        });
        for view in views {
            let news =
                Shown { at: now, run: view.run, state: view.state, reason: view.reason.code };
            let worth_showing = self.shown.get(&view.campaign).is_none_or(|shown| {
                (shown.run, shown.state, shown.reason) != (news.run, news.state, news.reason)
                    || now - shown.at >= FIGURES
            });
            if worth_showing {
                self.shown.insert(view.campaign, news);
                self.hub.publish(view);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use campanile_domain::why::Reason;

    use super::*;

    fn view(state: LiveState, ringing: u32) -> LiveView {
        LiveView {
            campaign: CampaignId(1),
            run: 1,
            at: Timestamp::UNIX_EPOCH,
            state,
            reason: Reason {
                code: ReasonCode::Dialling,
                sentence: "Calls are being placed.".into(),
                until: None,
            },
            ringing,
            in_progress: 0,
            seats: 10,
            dials_per_second: None,
            connected_per_hour: None,
            avg_ring_seconds: None,
            last_dial_at: None,
            eta_seconds: None,
            carriers: Vec::new(),
            engaged: Vec::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn figures_wait_for_the_second_and_a_new_state_does_not() {
        let hub = LiveHub::default();
        let mut publisher = Publisher::new(hub.clone());
        let start = Instant::now();
        let mut show = |ms: u64, views: Vec<LiveView>| {
            publisher.show(views, start + Duration::from_millis(ms));
            hub.latest(CampaignId(1)).map(|view| (view.state, view.ringing))
        };
        use LiveState::{Live, Paused};
        assert_eq!(show(0, vec![view(Live, 1)]), Some((Live, 1)));
        assert_eq!(show(100, vec![view(Live, 2)]), Some((Live, 1)));
        assert_eq!(show(200, vec![view(Paused, 3)]), Some((Paused, 3)));
        assert_eq!(show(1_100, vec![view(Paused, 4)]), Some((Paused, 3)));
        assert_eq!(show(1_200, vec![view(Paused, 5)]), Some((Paused, 5)));
        assert_eq!(show(1_300, vec![]), None);
    }
}

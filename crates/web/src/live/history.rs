//! The last quarter of an hour of each campaign, for the small curves beside its
//! figures. Kept in memory only: a curve is a glance, the reports are the record.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use campanile_domain::{ids::CampaignId, live::LiveView};
use jiff::{SignedDuration, Timestamp};
use tokio::time::{MissedTickBehavior, interval};

use crate::app::App;

/// How far back a curve goes, seconds.
pub(crate) const SPAN_SECONDS: i64 = 900;
/// Time between two points, seconds.
const EVERY_SECONDS: u64 = 5;
/// Points of one campaign: a point every five seconds for fifteen minutes.
const POINTS_MAX: usize = 180;
/// A view that is older tells nothing about now.
const FRESH: SignedDuration = SignedDuration::from_secs(15);

/// The figures of a campaign at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    pub(crate) at: Timestamp,
    /// 0 while nothing is dialled.
    pub(crate) dials_per_second: f64,
    /// `None` while the engine has no figure.
    pub(crate) connected_per_hour: Option<f64>,
}

/// The points of every campaign that the engine reports; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Histories(Arc<Mutex<HashMap<CampaignId, History>>>);

struct History {
    run: u32,
    points: VecDeque<Point>,
}

impl Histories {
    /// The points of a run, oldest first.
    pub(crate) fn of(&self, campaign: CampaignId, run: u32) -> Vec<Point> {
        let histories = self.lock();
        let kept = histories.get(&campaign).filter(|history| history.run == run);
        kept.map(|history| history.points.iter().copied().collect()).unwrap_or_default()
    }

    /// Adds a point of each fresh view, and forgets what is too old.
    pub(crate) fn add(&self, views: &[Arc<LiveView>], now: Timestamp) {
        let mut histories = self.lock();
        for view in views.iter().filter(|view| now.duration_since(view.at) <= FRESH) {
            let history = histories
                .entry(view.campaign)
                .or_insert_with(|| History { run: view.run, points: VecDeque::new() });
            if history.run != view.run {
                *history = History { run: view.run, points: VecDeque::new() };
            }
            history.points.push_back(Point {
                at: now,
                dials_per_second: view.dials_per_second.unwrap_or(0.0),
                connected_per_hour: view.connected_per_hour,
            });
        }
        histories.retain(|_, history| {
            let is_old = |point: &Point| now.duration_since(point.at).as_secs() >= SPAN_SECONDS;
            while history.points.len() > POINTS_MAX || history.points.front().is_some_and(is_old) {
                history.points.pop_front();
            }
            !history.points.is_empty()
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<CampaignId, History>> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

/// Adds points until the server closes, whether or not somebody watches.
pub(crate) async fn record(app: App) {
    let mut ticks = interval(Duration::from_secs(EVERY_SECONDS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut closing = app.closing();
    loop {
        tokio::select! {
            _ = closing.wait_for(|closing| *closing) => return,
            _ = ticks.tick() => app.histories.add(&app.live.all(), app.now()),
        }
    }
}

#[cfg(test)]
mod tests {
    use campanile_domain::{
        live::LiveState,
        why::{Reason, ReasonCode},
    };

    use super::*;

    const ID: CampaignId = CampaignId(7);

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(1_900_000_000 + second).unwrap()
    }

    fn view(run: u32, at: Timestamp) -> Arc<LiveView> {
        let reason = Reason { code: ReasonCode::Dialling, sentence: String::new(), until: None };
        Arc::new(LiveView {
            campaign: ID,
            run,
            at,
            state: LiveState::Live,
            reason,
            ringing: 0,
            in_progress: 0,
            seats: 1,
            dials_per_second: Some(2.0),
            connected_per_hour: None,
            avg_ring_seconds: None,
            last_dial_at: None,
            eta_seconds: None,
            carriers: Vec::new(),
            engaged: Vec::new(),
        })
    }

    #[test]
    fn a_quarter_of_an_hour_is_kept_and_no_more() {
        let histories = Histories::default();
        for tick in 0..400 {
            let now = second(tick * 5);
            histories.add(&[view(1, now)], now);
        }
        let kept = histories.of(ID, 1);
        assert_eq!(kept.len(), POINTS_MAX);
        assert_eq!(kept.last().unwrap().at, second(399 * 5));
        assert_eq!(kept[0].dials_per_second, 2.0);

        histories.add(&[], second(399 * 5 + SPAN_SECONDS));
        assert!(histories.lock().is_empty(), "a campaign that is over costs nothing");
    }

    #[test]
    fn ticks_that_come_too_often_do_not_make_it_longer() {
        let histories = Histories::default();
        for tick in 0..1_000 {
            histories.add(&[view(1, second(0))], second(tick % 10));
        }
        assert_eq!(histories.of(ID, 1).len(), POINTS_MAX);
    }

    #[test]
    fn a_new_run_begins_anew_and_a_silent_dialler_adds_nothing() {
        let histories = Histories::default();
        histories.add(&[view(1, second(0))], second(5));
        histories.add(&[view(1, second(0))], second(60));
        assert_eq!(histories.of(ID, 1).len(), 1, "the view of second 0 is no news in second 60");
        histories.add(&[view(2, second(65))], second(65));
        assert!(histories.of(ID, 1).is_empty());
        assert_eq!(histories.of(ID, 2).len(), 1);
    }
}

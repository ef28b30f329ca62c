//! One task per watched topic: waits for a change, renders, hands out.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use campanile_domain::{
    campaign::Status,
    ids::CampaignId,
    live::{LiveState, LiveView},
    why::ReasonCode,
};
use campanile_store::{Change, StoreError, rows::Role};
use tokio::{
    sync::{broadcast, watch},
    time::{Instant, sleep_until, timeout_at},
};

use crate::{api, app::App, console, live::Topic, service::ServiceError};

/// Changes that come together are shown together.
const TOGETHER: Duration = Duration::from_millis(100);
/// Counters move at most so often.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// Without any change a page is rendered again after this long: a calling window
/// opens without a commit.
const AT_LEAST_EVERY: Duration = Duration::from_secs(15);
/// The list shows what the engine says of every campaign, and wakes only at commits:
/// a carrier that rests would go unseen for longer.
const LIST_AT_LEAST_EVERY: Duration = Duration::from_secs(2);

/// A whole server-sent event, or nothing yet.
pub(crate) type Frame = Option<Bytes>;

/// What is rendered, and for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Sight {
    /// A fragment of the console; its buttons depend on the role.
    Page(Topic, Role),
    /// The live state of a campaign as JSON, for the API.
    Json(CampaignId),
}

impl Sight {
    fn topic(self) -> Topic {
        match self {
            Self::Page(topic, _) => topic,
            Self::Json(id) => Topic::Campaign(id),
        }
    }

    /// The event to send; `None` when its subject is gone.
    async fn render(self, app: &App) -> Result<Option<Bytes>, ServiceError> {
        match self {
            Self::Page(topic, role) => {
                let fragment = console::live::fragment(app, topic, role).await?;
                Ok(fragment.map(|html| event(&topic.to_string(), &html)))
            }
            Self::Json(id) => {
                let json = api::events::state(app, id).await?;
                Ok(json.map(|json| event("campaign", &json)))
            }
        }
    }
}

/// A server-sent event (WHATWG HTML 9.2): every line of the data has its own field.
fn event(name: &str, data: &str) -> Bytes {
    let mut text = String::with_capacity(name.len() + data.len() + 64);
    text.push_str("event: ");
    text.push_str(name);
    text.push('\n');
    for line in data.split(['\n', '\r']) {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
    text.into()
}

/// The rendered sights, while they are watched.
#[derive(Clone, Default)]
pub(crate) struct Pages {
    frames: Arc<Mutex<HashMap<Sight, watch::Sender<Frame>>>>,
}

impl Pages {
    /// Frames of `sight`; starts its task when nobody else watches. They end when
    /// its subject is gone or the server closes.
    pub(crate) fn watch(&self, app: &App, sight: Sight) -> watch::Receiver<Frame> {
        let mut frames = self.frames.lock().expect("no holder of this lock panics");
        match frames.entry(sight) {
            Entry::Occupied(frame) => frame.get().subscribe(),
            Entry::Vacant(place) => {
                let frame = watch::Sender::new(None);
                let receiver = frame.subscribe();
                place.insert(frame.clone());
                let slot = Slot { pages: self.clone(), sight, frame };
                tokio::spawn(show(app.clone(), slot));
                receiver
            }
        }
    }
}

/// A sight's place among the watched ones; given up when its task ends, however it
/// ends, so that the next viewer starts a new one.
struct Slot {
    pages: Pages,
    sight: Sight,
    frame: watch::Sender<Frame>,
}

impl Slot {
    /// Gives the place up if nobody watches. A viewer who comes in this moment is
    /// not lost: to subscribe takes the same lock.
    fn leave_if_unwatched(&self) -> bool {
        let mut frames = self.pages.frames.lock().expect("no holder of this lock panics");
        let unwatched = self.frame.receiver_count() == 0;
        if unwatched {
            frames.remove(&self.sight);
        }
        unwatched
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Ok(mut frames) = self.pages.frames.lock() else { return };
        // The place may have been given up and taken by another task.
        if frames.get(&self.sight).is_some_and(|frame| frame.same_channel(&self.frame)) {
            frames.remove(&self.sight);
        }
    }
}

async fn show(app: App, slot: Slot) {
    let topic = slot.sight.topic();
    let mut news = News::of(&app, topic);
    let mut shown_face = None;
    let mut closing = app.closing();
    loop {
        let rendered_at = Instant::now();
        match slot.sight.render(&app).await {
            Ok(Some(event)) => {
                slot.frame.send_if_modified(|shown| {
                    let changed = shown.as_ref() != Some(&event);
                    *shown = Some(event);
                    changed
                });
            }
            Ok(None) => return,
            Err(error) => tracing::warn!(%topic, %error, "A live page could not be rendered"),
        }
        tokio::select! {
            () = slot.frame.closed() => if slot.leave_if_unwatched() { return },
            _ = closing.wait_for(|closing| *closing) => return,
            () = due(&app, topic, &mut news, rendered_at, &mut shown_face) => {}
        }
    }
}

/// Returns when the topic is worth rendering again.
async fn due(
    app: &App,
    topic: Topic,
    news: &mut News,
    rendered_at: Instant,
    shown_face: &mut Option<Face>,
) {
    let at_least_every = match topic {
        Topic::Campaign(_) => AT_LEAST_EVERY,
        Topic::List => LIST_AT_LEAST_EVERY,
    };
    if timeout_at(rendered_at + at_least_every, news.next()).await.is_err() {
        return;
    }
    loop {
        sleep_until(Instant::now() + TOGETHER).await;
        news.skip();
        let face = Face::of(app, topic).await.ok();
        let is_new_face = face.is_some() && face != *shown_face;
        if face.is_some() {
            *shown_face = face;
        }
        if is_new_face || rendered_at.elapsed() >= AT_MOST_EVERY {
            return;
        }
        // Only counters moved: they wait for their second, unless the face changes
        // meanwhile.
        let _ = timeout_at(rendered_at + AT_MOST_EVERY, news.next()).await;
        if rendered_at.elapsed() >= AT_MOST_EVERY {
            return;
        }
    }
}

/// What must be seen at once when it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Face {
    status: Option<(Status, u32, u32, u64)>,
    live: Option<(LiveState, ReasonCode)>,
}

impl Face {
    async fn of(app: &App, topic: Topic) -> Result<Self, StoreError> {
        let Topic::Campaign(id) = topic else {
            return Ok(Self { status: None, live: None });
        };
        let campaign = app.store.campaign(id).await?;
        Ok(Self {
            status: Some((
                campaign.status,
                campaign.run,
                campaign.revision,
                campaign.activity_count,
            )),
            live: app.live.latest(id).map(|view| (view.state, view.reason.code)),
        })
    }
}

/// Wakes when something that a topic shows has changed.
pub(crate) struct News {
    topic: Topic,
    changes: broadcast::Receiver<Change>,
    view: Option<watch::Receiver<Option<Arc<LiveView>>>>,
}

impl News {
    pub(crate) fn of(app: &App, topic: Topic) -> Self {
        let view = match topic {
            Topic::Campaign(id) => Some(app.live.watch(id)),
            Topic::List => None,
        };
        Self { topic, changes: app.store.changes(), view }
    }

    /// Waits for the next change; pending for ever when the store is closed.
    pub(crate) async fn next(&mut self) {
        loop {
            let changed = async {
                match &mut self.view {
                    Some(view) => view.changed().await.is_ok(),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                open = changed => if open { return } else { self.view = None },
                change = self.changes.recv() => match change {
                    Ok(change) if concerns(self.topic, change) => return,
                    Ok(_) => {}
                    // What was missed may have concerned us.
                    Err(broadcast::error::RecvError::Lagged(_)) => return,
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                },
            }
        }
    }

    /// Takes what is there already.
    fn skip(&mut self) {
        while !matches!(
            self.changes.try_recv(),
            Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed)
        ) {}
        if let Some(view) = &mut self.view {
            view.mark_unchanged();
        }
    }
}

fn concerns(topic: Topic, change: Change) -> bool {
    let same = |id: CampaignId| match topic {
        Topic::Campaign(watched) => watched == id,
        Topic::List => true,
    };
    match change {
        Change::Campaign(id) => same(id),
        Change::Setup => true,
        Change::Import(_) => false,
    }
}

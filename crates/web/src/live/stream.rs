//! The streams themselves: `/live` for pages, `/campaigns/{id}/events` for programs.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use campanile_domain::{field::FieldError, ids::CampaignId};
use campanile_store::rows::Role;
use futures_util::{
    StreamExt,
    stream::{self, SelectAll},
};
use serde::Deserialize;
use tokio::{
    sync::watch,
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};
use tokio_stream::wrappers::WatchStream;
use tower_sessions::Session;

use crate::{
    api::path_id,
    app::App,
    auth::{Act, Caller, Who, rights::Rank, sessions},
    live::{
        Topic, UnknownTopic,
        hub::{Frame, Sight},
    },
    problem::Problem,
};

/// Proxies and browsers give up on a silent connection.
const PING_EVERY: Duration = Duration::from_secs(15);
/// Topics of one stream.
const TOPICS_MAX: usize = 50;

#[derive(Deserialize)]
pub(crate) struct Topics {
    #[serde(default)]
    topics: String,
}

/// `GET /live?topics=campaign:cmp_x,list`: named events, each an HTML fragment.
pub(crate) async fn pages(
    State(app): State<App>,
    Caller(who): Caller,
    session: Session,
    Query(query): Query<Topics>,
) -> Result<Response, Problem> {
    who.require(Act::Look)?;
    let Rank::User(role) = who.rank() else { return Err(Problem::unauthorized()) };
    let topics: Vec<Topic> = query
        .topics
        .split(',')
        .map(str::parse)
        .collect::<Result<_, UnknownTopic>>()
        .map_err(|error| fault("unknown", error.to_string()))?;
    if topics.len() > TOPICS_MAX {
        return Err(fault("too_many", format!("watch at most {TOPICS_MAX} topics")));
    }
    let sights = topics.into_iter().map(|topic| Sight::Page(topic, role));
    Ok(Viewer::new(&app, who, Some(session), sights).into_response())
}

/// `GET /api/v1/campaigns/{id}/events`: events named `campaign`, each the live state
/// as JSON.
pub(crate) async fn campaign_events(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    who.require(Act::Look)?;
    let id: CampaignId = path_id(&id, "campaign")?;
    app.store.campaign(id).await?;
    Ok(Viewer::new(&app, who, None, [Sight::Json(id)]).into_response())
}

fn fault(code: &'static str, message: String) -> Problem {
    Problem::invalid(vec![FieldError::new("/topics", code, message)])
}

/// One open stream.
struct Viewer {
    app: App,
    who: Who,
    session: Option<Session>,
    frames: SelectAll<WatchStream<Frame>>,
    ping: Interval,
    closing: watch::Receiver<bool>,
}

impl Viewer {
    fn new(
        app: &App,
        who: Who,
        session: Option<Session>,
        sights: impl IntoIterator<Item = Sight>,
    ) -> Self {
        let frames =
            sights.into_iter().map(|sight| WatchStream::new(app.pages.watch(app, sight))).collect();
        let mut ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { app: app.clone(), who, session, frames, ping, closing: app.closing() }
    }

    /// The next bytes; `None` ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let frame = tokio::select! {
                biased;
                _ = self.closing.wait_for(|closing| *closing) => return None,
                // None: everything that was watched is gone.
                frame = self.frames.next() => Some(frame?),
                _ = self.ping.tick() => None,
            };
            match frame {
                Some(Some(event)) => return Some(event),
                // Not rendered yet.
                Some(None) => {}
                None => {
                    return self.may_stay().await.then(|| Bytes::from_static(b": ping\n\n"));
                }
            }
        }
    }

    /// Whether the person is still signed in with the role that the fragments were
    /// rendered for; a new stream tells otherwise.
    async fn may_stay(&self) -> bool {
        let (Rank::User(role), Some(session)) = (self.who.rank(), &self.session) else {
            return true;
        };
        let Some(id) = session.id() else { return false };
        let kept = self.app.store.session(sessions::hash_of(&id), self.app.now()).await;
        matches!(kept, Ok(Some(_))) && self.role_now().await == Some(role)
    }

    async fn role_now(&self) -> Option<Role> {
        let id = self.who.actor.id.parse().ok()?;
        self.app.store.user(id).await.ok().map(|user| user.role)
    }
}

impl IntoResponse for Viewer {
    fn into_response(self) -> Response {
        let bytes = stream::unfold(self, async |mut viewer| {
            viewer.next().await.map(|bytes| (Ok::<_, Infallible>(bytes), viewer))
        });
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            // nginx would gather the events otherwise.
            ("x-accel-buffering".parse().expect("a header name"), HeaderValue::from_static("no")),
        ];
        (headers, Body::from_stream(bytes)).into_response()
    }
}

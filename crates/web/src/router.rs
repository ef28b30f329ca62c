//! Every route, in one place.

use std::{collections::BTreeMap, future::Future, net::SocketAddr};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderName, HeaderValue},
    middleware::{from_fn, from_fn_with_state},
    routing::{MethodRouter, get},
};
use rand::distr::{Alphanumeric, SampleString};
use tokio::net::TcpListener;
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::CompressionLayer,
    request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer},
    trace::{DefaultOnResponse, TraceLayer},
};
use tracing::{Level, Span};

use crate::{
    api,
    app::App,
    auth::{same_origin, sessions},
    console, headers, health, live, problem,
};

/// Largest body of a JSON request or a form, bytes. Contact files have their own
/// limit.
pub(crate) const BODY_MAX: usize = 1 << 20;

/// The whole web face.
pub fn router(app: App) -> Router {
    let request_id = HeaderName::from_static("x-request-id");
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/live", get(live::pages))
        .nest("/api/v1", api(&app))
        .merge(console::routes())
        .fallback(api::unknown)
        // From here on the last is the outermost.
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(sessions::layer(&app))
        .layer(from_fn_with_state(app.clone(), same_origin::guard))
        .layer(CatchPanicLayer::custom(problem::of_panic))
        .layer(from_fn(problem::finish))
        .layer(CompressionLayer::new().compress_when(headers::is_compressible))
        .layer(from_fn(headers::secure))
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(span_of)
                .on_request(())
                .on_response(DefaultOnResponse::new().level(Level::DEBUG))
                // The problem document has told the cause.
                .on_failure(()),
        )
        .layer(PropagateRequestIdLayer::new(request_id.clone()))
        .layer(SetRequestIdLayer::new(request_id, RandomId))
        // An id from outside would let a caller write into our log.
        .layer(from_fn(forget_foreign_id))
        .with_state(app)
}

/// `/api/v1`, as promised by api.md: the table of routes, each behind its guard.
fn api(app: &App) -> Router<App> {
    let mut by_path = BTreeMap::<_, MethodRouter<App>>::new();
    for route in api::routes::table() {
        let (path, on) = route.guarded(app);
        let whole = by_path.remove(path).unwrap_or_default().merge(on);
        by_path.insert(path, whole);
    }
    by_path
        .into_iter()
        .fold(Router::new(), |router, (path, on)| router.route(path, on))
        .fallback(api::unknown)
}

/// Serves until `shutdown` comes, then ends the live streams and lets the other
/// requests finish.
///
/// # Errors
///
/// Only of the listener itself.
pub async fn serve(
    listener: TcpListener,
    app: App,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    tokio::spawn(live::record(app.clone()));
    let service = router(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service)
        .with_graceful_shutdown(async move {
            shutdown.await;
            app.close_streams();
        })
        .await
}

/// Every log line of a request carries its id. The query stays out: it may hold a
/// phone number or the setup token.
fn span_of<B>(request: &axum::http::Request<B>) -> Span {
    let id = request.extensions().get::<RequestId>();
    let id = id.and_then(|id| id.header_value().to_str().ok()).unwrap_or_default();
    tracing::info_span!(
        "request",
        request.id = id,
        http.method = %request.method(),
        http.path = request.uri().path(),
    )
}

/// 22 letters and digits: 130 bits of chance.
#[derive(Clone, Copy)]
struct RandomId;

impl MakeRequestId for RandomId {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<RequestId> {
        let id = Alphanumeric.sample_string(&mut rand::rng(), 22);
        HeaderValue::try_from(format!("req_{id}")).ok().map(RequestId::new)
    }
}

async fn forget_foreign_id(
    mut request: Request,
    next: axum::middleware::Next,
) -> axum::response::Response {
    request.headers_mut().remove("x-request-id");
    next.run(request).await
}

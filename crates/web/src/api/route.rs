//! One route of the API: what may be asked, who may ask it, and what is sent both ways.
//!
//! The router, the table of rights and the description of the API are all made from
//! the same values, so that none can say something else than the others.

use axum::{
    extract::DefaultBodyLimit,
    handler::Handler,
    http::{Method, StatusCode},
    middleware::from_fn_with_state,
    routing::{MethodFilter, MethodRouter, on},
};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::{
    api::{guard, page::Page},
    app::App,
    auth::Act,
};

/// Describes a type.
pub(crate) type Describe = fn(&mut SchemaGenerator) -> Schema;

/// One method at one address.
pub(crate) struct Route {
    pub(crate) method: Method,
    /// Below `/api/v1`, with `{names}` as axum writes them.
    pub(crate) path: &'static str,
    pub(crate) rule: Rule,
    /// What it does, as an imperative without a stop.
    pub(crate) title: &'static str,
    pub(crate) query: Option<Describe>,
    pub(crate) body: Sent,
    pub(crate) answer: Answer,
    pub(crate) repeat: Repeat,
    pub(crate) is_page: bool,
    on: MethodRouter<App>,
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Anybody, with or without a key.
    Open,
    /// Whoever may do this.
    May(Act),
}

/// What a request carries.
#[derive(Clone, Copy)]
pub(crate) enum Sent {
    /// No body; one that is there is not read.
    Nothing,
    /// A JSON object.
    Json(Describe),
    /// A contact file, read as it arrives, with a limit of its own.
    File,
}

/// What a request that was done is answered with.
#[derive(Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content: Content,
}

/// How the answer is written.
#[derive(Clone, Copy)]
pub(crate) enum Content {
    Nothing,
    Json(Describe),
    /// A text of this media type.
    Text(&'static str),
}

/// What a second request with the same `Idempotency-Key` gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// The answer that the first one got.
    Reply,
    /// The key is for the handler, which keeps it with what it writes.
    Handler,
    /// The key is not looked at: asking twice changes nothing more, or the answer holds
    /// a secret, which is never kept.
    Ignored,
}

pub(crate) fn get<H, T>(path: &'static str, act: Act, title: &'static str, handler: H) -> Route
where
    H: Handler<T, App>,
    T: 'static,
{
    Route::new(MethodFilter::GET, Method::GET, path, Rule::May(act), title, handler)
}

pub(crate) fn post<H, T>(path: &'static str, act: Act, title: &'static str, handler: H) -> Route
where
    H: Handler<T, App>,
    T: 'static,
{
    Route::new(MethodFilter::POST, Method::POST, path, Rule::May(act), title, handler)
}

pub(crate) fn patch<H, T>(path: &'static str, act: Act, title: &'static str, handler: H) -> Route
where
    H: Handler<T, App>,
    T: 'static,
{
    Route::new(MethodFilter::PATCH, Method::PATCH, path, Rule::May(act), title, handler)
}

pub(crate) fn delete<H, T>(path: &'static str, act: Act, title: &'static str, handler: H) -> Route
where
    H: Handler<T, App>,
    T: 'static,
{
    Route::new(MethodFilter::DELETE, Method::DELETE, path, Rule::May(act), title, handler)
}

/// A GET for anybody.
pub(crate) fn open<H, T>(path: &'static str, title: &'static str, handler: H) -> Route
where
    H: Handler<T, App>,
    T: 'static,
{
    Route::new(MethodFilter::GET, Method::GET, path, Rule::Open, title, handler)
}

impl Route {
    /// Answers 204 until told otherwise.
    fn new<H, T>(
        filter: MethodFilter,
        method: Method,
        path: &'static str,
        rule: Rule,
        title: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let is_write = method == Method::POST || method == Method::PATCH;
        Self {
            method,
            path,
            rule,
            title,
            query: None,
            body: Sent::Nothing,
            answer: Answer { status: StatusCode::NO_CONTENT, content: Content::Nothing },
            repeat: if is_write { Repeat::Reply } else { Repeat::Ignored },
            is_page: false,
            on: on(filter, handler),
        }
    }

    /// Reads this query.
    pub(crate) fn query<Q: JsonSchema>(self) -> Self {
        Self { query: Some(|generator| Q::json_schema(generator)), ..self }
    }

    /// Takes this object.
    pub(crate) fn takes<B: JsonSchema>(self) -> Self {
        Self { body: Sent::Json(|generator| B::json_schema(generator)), ..self }
    }

    /// Takes a contact file.
    pub(crate) fn takes_file(self) -> Self {
        let on = self.on.route_layer(DefaultBodyLimit::disable());
        Self { body: Sent::File, repeat: Repeat::Handler, on, ..self }
    }

    /// Answers 200 with this.
    pub(crate) fn gives<A: JsonSchema>(self) -> Self {
        self.answers::<A>(StatusCode::OK)
    }

    /// Answers 200 with a page of these.
    pub(crate) fn lists<A: JsonSchema>(self) -> Self {
        Self { is_page: true, ..self.gives::<Page<A>>() }
    }

    /// Answers 201 with this and its address.
    pub(crate) fn makes<A: JsonSchema>(self) -> Self {
        self.answers::<A>(StatusCode::CREATED)
    }

    /// Answers 200 with a text of this media type.
    pub(crate) fn gives_text(self, kind: &'static str) -> Self {
        Self { answer: Answer { status: StatusCode::OK, content: Content::Text(kind) }, ..self }
    }

    /// What becomes of an `Idempotency-Key`, where a write does not keep its answer.
    pub(crate) fn repeated(self, repeat: Repeat) -> Self {
        Self { repeat, ..self }
    }

    fn answers<A: JsonSchema>(self, status: StatusCode) -> Self {
        let content = Content::Json(|generator| generator.subschema_for::<A>());
        Self { answer: Answer { status, content }, ..self }
    }

    /// The handler behind its guard, for the router.
    pub(crate) fn guarded(self, app: &App) -> (&'static str, MethodRouter<App>) {
        let entry = guard::Entry { app: app.clone(), rule: self.rule, repeat: self.repeat };
        (self.path, self.on.route_layer(from_fn_with_state(entry, guard::enter)))
    }
}

//! The faces of Campanile: the console for people, the API for machines.
//!
//! Both call the same [`service`] functions and never each other. Nothing here can
//! reach the engine: a pause is a row and a wake-up, so it survives a crash and
//! works between processes.
//!
//! [`router`] lists every route.

mod api;
pub mod app;
pub mod auth;
pub mod console;
pub mod csv_import;
mod headers;
mod health;
pub mod live;
pub mod problem;
pub mod report;
mod router;
pub mod service;

pub use api::{openapi::openapi, rates::ApiRate};
pub use app::{App, AppSettings, Clock, EngineFacts, EngineLoad};
pub use auth::{
    keys::mint_key,
    passwords::{LENGTH_MIN as PASSWORD_LENGTH_MIN, hash_password},
};
pub use csv_import::import_csv;
pub use router::{router, serve};

//! HTTP: the gate, the table of routes, reading requests, and the sockets.

mod body;
mod gate;
mod openapi;
mod others;
mod route;
mod schema;
mod serve;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde_json::Value;
use tokio::sync::Semaphore;

pub use self::gate::Access;
pub(crate) use self::gate::COOKIE;
use self::gate::Gate;
pub use self::openapi::document;
pub use self::route::{Answering, Asked, Gives, Handler, Route, Takes, blocking, routes};
pub use self::serve::{Server, Stopper};
use crate::Refusal;
use crate::engine::Engine;

/// What all routes share.
pub struct App {
    /// What works.
    pub engine: Engine,
    pub(crate) gate: Gate,
    /// Kilobytes of bodies that may still be read at once.
    pub(crate) bodies: Arc<Semaphore>,
    /// Connections that are open.
    pub(crate) connections: AtomicUsize,
    /// What the web UI's API remembers.
    pub(crate) web_ui: crate::routes::web_ui::State,
}

impl App {
    /// Routes over an engine, for those who may.
    ///
    /// # Errors
    /// If `access` would let in everybody, or nobody: one sentence.
    pub fn new(engine: Engine, access: &Access) -> Result<Arc<Self>, String> {
        let kilobytes = engine.limits().all_bodies / 1024;
        Ok(Arc::new(Self {
            engine,
            gate: Gate::new(access)?,
            bodies: Arc::new(Semaphore::new(kilobytes)),
            connections: AtomicUsize::new(0),
            web_ui: Default::default(),
        }))
    }

    pub(crate) fn is_token(&self, token: &str) -> bool {
        self.gate.is_token(token)
    }

    pub(crate) fn has_token(&self) -> bool {
        self.gate.has_token()
    }
}

/// An answer of this type.
pub fn answer(content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// An answer in JSON.
pub fn json(value: &Value) -> Response {
    answer("application/json", value.to_string())
}

/// A header whose value is made of what we made.
pub(crate) fn header_value(text: &str) -> Result<HeaderValue, Refusal> {
    HeaderValue::from_str(text).map_err(|_| Refusal::failed("an answer has no room for its header"))
}

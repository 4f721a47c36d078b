//! The table of routes, which the router and the OpenAPI document are both made of.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::OnceLock;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawPathParams, Request};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::any;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{App, body, gate};
use crate::{Kind, Refusal, routes};

/// What becomes of a request.
pub type Answering = Pin<Box<dyn Future<Output = Result<Response, Refusal>> + Send>>;

/// What a route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// No body; what is sent all the same is not read.
    Nothing,
    /// JSON as this schema describes it.
    Json(&'static str),
    /// A PNG, JPEG or WebP file.
    Picture,
    /// Something else of this content type.
    Other(&'static str),
}

/// What a route gives if all is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// JSON as this schema describes it.
    Json(&'static str),
    /// A PNG file.
    Png,
    /// Events as they happen.
    Events,
    /// Text of this content type.
    Text(&'static str),
}

/// A route.
pub struct Route {
    /// GET, POST or DELETE.
    pub method: &'static str,
    /// Its address; `{name}` stands for one part of it, `{*name}` for all that is left, and the
    /// last part may end in `.png`.
    pub path: &'static str,
    /// What it is for: one line.
    pub summary: &'static str,
    /// Whether it needs no token, because it tells nothing.
    pub open: bool,
    /// What it takes.
    pub takes: Takes,
    /// Names in the query, and what they mean.
    pub query: &'static [(&'static str, &'static str)],
    /// The status if all is well, and what it gives.
    pub gives: (u16, Gives),
    /// What it does.
    pub handle: Handler,
}

/// What a route does with a request.
pub type Handler = fn(Arc<App>, Asked) -> Answering;

impl Route {
    /// One that answers GET with 200, and takes nothing but the token.
    pub fn get(path: &'static str, summary: &'static str, gives: Gives, handle: Handler) -> Self {
        let (method, open, takes, query) = ("GET", false, Takes::Nothing, &[]);
        Self { method, path, summary, open, takes, query, gives: (200, gives), handle }
    }
}

/// A request, read.
pub struct Asked {
    /// What stands for the names in the address, decoded.
    params: Vec<(String, String)>,
    query: Vec<(String, String)>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Asked {
    /// What stands for `{name}` in the address.
    pub fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }

    /// What the query says for `name`.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// If it is none.
    pub fn json(&self) -> Result<Value, Refusal> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Refusal::invalid(format!("the request is no JSON: {error}")))
    }
}

/// Work that would hold up others: decoding, encoding, the disk.
pub fn blocking(work: impl FnOnce() -> Result<Response, Refusal> + Send + 'static) -> Answering {
    Box::pin(async move {
        let done = tokio::task::spawn_blocking(work).await;
        let panicked = "a mistake in this program: please report what you asked for";
        done.unwrap_or_else(|_| Err(Refusal::failed(panicked)))
    })
}

/// All routes. Whoever adds an API adds its file here.
pub fn routes() -> &'static [Route] {
    static ROUTES: OnceLock<Vec<Route>> = OnceLock::new();
    ROUTES.get_or_init(|| {
        let groups = [routes::jobs::routes(), routes::about::routes(), routes::gallery::routes()];
        let more = [routes::health::routes(), routes::page::routes()];
        let others = [routes::web_ui::routes(), routes::openai::routes()];
        groups.into_iter().chain(more).chain(others).flatten().collect()
    })
}

/// Whether the gate lets everybody through to this. What has names in its address is open as a
/// whole or not at all.
pub(super) fn is_open(method: &Method, path: &str) -> bool {
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    let is = |route: &&Route| match route.path.split_once("{*") {
        Some((before, _)) => path.starts_with(before),
        None => route.path == path,
    };
    routes().iter().any(|route| route.open && route.method == method && is(&route))
}

/// By which route a request was answered.
#[derive(Clone, Copy)]
pub(super) struct Answered(pub &'static str);

/// The ending that tells routes with the same names apart.
const PNG: &str = ".png";

/// The router made of the table, behind the gate.
pub(super) fn router(app: &Arc<App>) -> Router {
    let mut by_shape: BTreeMap<&'static str, Vec<&'static Route>> = BTreeMap::new();
    for route in routes() {
        by_shape.entry(route.path.trim_end_matches(PNG)).or_default().push(route);
    }
    let mut router = Router::new();
    for (shape, group) in by_shape {
        let app = app.clone();
        let handler = move |params: RawPathParams, request: Request| {
            let (app, group) = (app.clone(), group.clone());
            let params = params.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
            let params: Vec<(String, String)> = params.collect();
            async move {
                let outcome = dispatch(&app, &group, params, request).await;
                let (path, response) = match outcome {
                    Ok((path, response)) => (path, response),
                    Err((path, refusal)) => (path, routes::words::refused(path, &refusal)),
                };
                let mut response = response;
                response.extensions_mut().insert(Answered(path));
                response
            }
        };
        router = router.route(shape, any(handler));
    }
    let nowhere = || async { Refusal::not_found("there is nothing at this address").response() };
    router.fallback(nowhere).layer(from_fn_with_state(app.clone(), gate::pass))
}

async fn dispatch(
    app: &Arc<App>,
    group: &[&'static Route],
    mut params: Vec<(String, String)>,
    request: Request,
) -> Result<(&'static str, Response), (&'static str, Refusal)> {
    let (parts, body) = request.into_parts();
    let is_png = parts.uri.path().ends_with(PNG);
    let ends = |route: &&&Route| route.path.ends_with(PNG);
    // Those with the ending are for what has it; the others are for the rest.
    let with = group.iter().filter(|route| ends(route) == is_png).copied();
    let mut fitting: Vec<&Route> = with.collect();
    if fitting.is_empty() && !is_png {
        let sentence = "there is nothing at this address";
        return Err((group[0].path, Refusal::not_found(sentence)));
    }
    if fitting.is_empty() {
        fitting = group.to_vec();
    }
    let method = if parts.method == Method::HEAD { "GET" } else { parts.method.as_str() };
    let Some(route) = fitting.iter().find(|route| route.method == method) else {
        let allowed: Vec<&str> = fitting.iter().map(|route| route.method).collect();
        return Ok((fitting[0].path, not_allowed(&allowed)));
    };
    if route.path.ends_with(PNG)
        && let Some((_, last)) = params.last_mut()
    {
        last.truncate(last.len().saturating_sub(PNG.len()));
    }
    let query = parts.uri.query().map(pairs).unwrap_or_default();
    let answer = async {
        let held = body::read(app, route.takes, &parts.headers, body).await?;
        let asked = Asked { params, query, headers: parts.headers, body: held.bytes.clone() };
        // The room of the body is taken until the answer is there.
        let response = (route.handle)(app.clone(), asked).await;
        drop(held);
        response
    };
    answer.await.map(|response| (route.path, response)).map_err(|refusal| (route.path, refusal))
}

fn not_allowed(allowed: &[&str]) -> Response {
    let allowed = allowed.join(", ");
    let sentence = format!("this address knows {allowed} only");
    let refusal = Refusal::new(Kind::Invalid, sentence).with_status(StatusCode::METHOD_NOT_ALLOWED);
    let mut response = refusal.response();
    if let Ok(allowed) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

/// `a=b&c=d`, decoded.
fn pairs(query: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).take(32);
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

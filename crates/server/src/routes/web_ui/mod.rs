//! The API of Stable Diffusion web UI (A1111), `/sdapi/v1/`, for programs that speak it.
//!
//! Fields that nobody knows are ignored, as there. What would change the picture and cannot be done
//! is refused. A seed stands for the web UI's noise, unless `randn_source` says otherwise.

mod answer;
mod begin;
mod draw;
mod extras;
mod fill;
mod lists;
mod options;
mod paint;
mod png_info;
mod progress;
mod sampling;
mod wish;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use serde_json::{Map, Value};

pub(super) use self::answer::encoded;
pub(super) use self::begin::ONE;
pub(super) use self::draw::run;
use crate::engine::Job;
use crate::http::{Gives, Handler, Route, Takes};

/// What the web UI remembers between two requests.
#[derive(Default)]
pub(crate) struct State {
    /// Options that were set.
    options: Mutex<Map<String, Value>>,
    /// Jobs that are waited for, in order.
    ongoing: Mutex<Vec<Arc<Ongoing>>>,
}

/// A job that somebody waits for.
struct Ongoing {
    job: Arc<Job>,
    /// Pictures that were finished or left out before this job.
    before: usize,
    /// Pictures of the whole request.
    total: usize,
    /// Pictures of one round.
    round: usize,
    /// Whether it goes on with the next round.
    skip: AtomicBool,
    /// Whether it was interrupted.
    interrupted: AtomicBool,
}

pub(crate) fn routes() -> Vec<Route> {
    let mut routes = vec![
        post("/sdapi/v1/txt2img", "Make pictures (web UI)", "WebUiTask", draw::from_text),
        post(
            "/sdapi/v1/img2img",
            "Make pictures of pictures (web UI)",
            "WebUiTask",
            draw::from_picture,
        ),
        post(
            "/sdapi/v1/extra-single-image",
            "Enlarge a picture (web UI)",
            "WebUiExtras",
            extras::one,
        ),
        post(
            "/sdapi/v1/extra-batch-images",
            "Enlarge pictures (web UI)",
            "WebUiExtras",
            extras::several,
        ),
        post(
            "/sdapi/v1/png-info",
            "What a picture says of itself (web UI)",
            "WebUiPicture",
            png_info::read,
        ),
        Route {
            query: &[("skip_current_image", "true leaves out the preview")],
            ..get("/sdapi/v1/progress", "How far it is (web UI)", progress::progress)
        },
        bare("/sdapi/v1/interrupt", "End what is worked at (web UI)", progress::interrupt),
        bare("/sdapi/v1/skip", "Go on with the next round (web UI)", progress::skip),
        get("/sdapi/v1/options", "Options (web UI)", options::tell),
        post("/sdapi/v1/options", "Set options (web UI)", "WebUiOptions", options::set),
    ];
    routes.extend(lists::routes());
    routes
}

fn get(path: &'static str, summary: &'static str, handle: Handler) -> Route {
    Route::get(path, summary, Gives::Json("Anything"), handle)
}

/// What is asked for with a body.
fn post(path: &'static str, summary: &'static str, schema: &'static str, handle: Handler) -> Route {
    Route { method: "POST", takes: Takes::Json(schema), ..get(path, summary, handle) }
}

/// What is asked for without one.
fn bare(path: &'static str, summary: &'static str, handle: Handler) -> Route {
    Route { method: "POST", ..get(path, summary, handle) }
}

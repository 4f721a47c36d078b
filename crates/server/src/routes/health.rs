//! For those who look after the server: whether it lives, whether it takes work, what it counts.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::json;

use crate::clock;
use crate::http::{
    Answering, App, Asked, Gives, Route, answer, blocking, document, json as in_json,
};
use crate::metrics::Gauges;
use crate::{Kind, Refusal};

const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(crate) fn routes() -> Vec<Route> {
    let get = Route::get;
    vec![
        Route {
            open: true,
            ..get("/health", "Whether the server lives", Gives::Json("Health"), |_, _| {
                // At once, on whichever thread this is.
                Box::pin(async { Ok(in_json(&json!({"status": "ok"}))) })
            })
        },
        get("/ready", "Whether the server takes work now", Gives::Json("Health"), ready),
        get("/metrics", "What is counted", Gives::Text(METRICS), metrics),
        get("/openapi.json", "This document", Gives::Json("Anything"), |_, _| {
            blocking(|| Ok(in_json(&document())))
        }),
    ]
}

fn ready(app: Arc<App>, _: Asked) -> Answering {
    Box::pin(async move {
        let engine = &app.engine;
        let not = |kind, sentence: &str| {
            let status = axum::http::StatusCode::SERVICE_UNAVAILABLE;
            Err(Refusal::new(kind, sentence).with_status(status).retry_after(1))
        };
        if engine.is_closed() {
            return not(Kind::Draining, "the server is about to end");
        }
        if engine.waiting() >= engine.limits().queue {
            return not(Kind::Busy, "the queue is full");
        }
        Ok(in_json(&json!({"status": "ok"})))
    })
}

fn metrics(app: Arc<App>, _: Asked) -> Answering {
    blocking(move || {
        let engine = &app.engine;
        let gauges = Gauges {
            waiting: engine.waiting(),
            running: usize::from(engine.running().is_some()),
            models: engine.catalogue().loaded().len(),
            memory: clock::resident_memory(),
            connections: app.connections.load(Ordering::Relaxed),
        };
        Ok(answer(METRICS, engine.metrics().text(gauges)))
    })
}

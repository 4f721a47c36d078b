//! Jobs: asked for, looked at, cancelled.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::Response;
use serde_json::json;

use super::events;
use crate::Refusal;
use crate::engine::{Handle, Wish};
use crate::http::{
    Answering, App, Asked, Gives, Route, Takes, answer, blocking, header_value, json as in_json,
};

/// How long a job has to end that was cancelled, before its asker hears how it is.
const SOON: Duration = Duration::from_millis(1500);

pub(crate) fn routes() -> Vec<Route> {
    let get = Route::get;
    vec![
        Route {
            method: "POST",
            path: "/api/v1/jobs",
            summary: "Ask for pictures",
            open: false,
            takes: Takes::Json("Request"),
            query: &[],
            gives: (202, Gives::Json("Taken")),
            handle: submit,
        },
        get(
            "/api/v1/jobs",
            "Jobs that are worked at, that wait, and the last that ended",
            Gives::Json("Jobs"),
            |app, _| blocking(move || Ok(in_json(&json!({"jobs": app.engine.jobs()})))),
        ),
        get("/api/v1/jobs/{id}", "One job", Gives::Json("Job"), |app, asked| {
            blocking(move || Ok(in_json(&find(&app, &asked)?.json())))
        }),
        Route {
            method: "DELETE",
            ..get("/api/v1/jobs/{id}", "Cancel a job", Gives::Json("Job"), cancel)
        },
        get("/api/v1/jobs/{id}/events", "What happens to a job", Gives::Events, events::listen),
        get(
            "/api/v1/jobs/{id}/steps/{picture}/{step}.png",
            "What the network saw in a picture's latents at a step",
            Gives::Png,
            preview,
        ),
        get(
            "/api/v1/jobs/{id}/attention/{token}.png",
            "Where the first picture looked at a word of its prompt, white the most",
            Gives::Png,
            attention,
        ),
        get(
            "/api/v1/jobs/{id}/explain",
            "What happened on the way, if the request asked to keep it",
            Gives::Json("Explained"),
            explain,
        ),
    ]
}

fn find(app: &App, asked: &Asked) -> Result<Handle, Refusal> {
    app.engine.job(asked.param("id"))
}

fn submit(app: Arc<App>, asked: Asked) -> Answering {
    blocking(move || {
        let handle = app.engine.submit(Wish::from_json(asked.json()?)?)?;
        let (id, position) = (handle.id(), handle.position);
        let taken = json!({"id": id, "position": position, "seed": handle.job.seed()});
        let mut response = in_json(&taken);
        *response.status_mut() = StatusCode::ACCEPTED;
        let location = header_value(&format!("/api/v1/jobs/{id}"))?;
        response.headers_mut().insert(header::LOCATION, location);
        Ok(response)
    })
}

fn cancel(app: Arc<App>, asked: Asked) -> Answering {
    Box::pin(async move {
        let found = tokio::task::spawn_blocking(move || {
            let handle = find(&app, &asked)?;
            handle.cancel();
            Ok(handle)
        });
        let handle: Handle = found.await.unwrap_or_else(|_| {
            Err(Refusal::failed("the job could not be cancelled: try again"))
        })?;
        handle.ended_within(SOON).await;
        Ok(in_json(&handle.job.json(0)))
    })
}

fn preview(app: Arc<App>, asked: Asked) -> Answering {
    blocking(move || {
        let handle = find(&app, &asked)?;
        let number = |name| asked.param(name).parse::<usize>().ok();
        let preview = number("picture").zip(number("step"));
        let preview = preview.and_then(|(picture, step)| handle.job.preview(picture, step));
        picture(preview, "there is no preview of that step any more, or none yet")
    })
}

fn attention(app: Arc<App>, asked: Asked) -> Answering {
    blocking(move || {
        let handle = find(&app, &asked)?;
        let token = asked.param("token").parse::<usize>().ok();
        let map = token.and_then(|token| handle.job.attention(token));
        picture(map, "there is no map of that word any more, or none yet")
    })
}

/// A picture that never changes, or that there is `none`.
fn picture(png: Option<Bytes>, none: &str) -> Result<Response, Refusal> {
    let mut response = answer("image/png", png.ok_or_else(|| Refusal::not_found(none))?);
    let for_long = header_value("private, max-age=86400, immutable")?;
    response.headers_mut().insert(header::CACHE_CONTROL, for_long);
    Ok(response)
}

fn explain(app: Arc<App>, asked: Asked) -> Answering {
    blocking(move || {
        let handle = find(&app, &asked)?;
        let none = "nothing was kept of this job: ask for it with \"explain\": true, and wait";
        Ok(in_json(&handle.job.explained().ok_or_else(|| Refusal::not_found(none))?))
    })
}

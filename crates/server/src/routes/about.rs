//! What there is to know before anything is asked for; the token of the page; what a file says.

use std::sync::Arc;

use aquatint_diffusion::{SAMPLERS, SPACINGS};
use aquatint_pipeline::GenerateRequest;
use aquatint_pipeline::metadata::Description;
use axum::http::header;
use serde_json::{Value, json};

use crate::http::{
    Answering, App, Asked, Gives, Route, Takes, blocking, header_value, json as in_json,
};
use crate::{Kind, Refusal};

pub(crate) fn routes() -> Vec<Route> {
    let get = |path, summary, gives, handle| Route::get(path, summary, Gives::Json(gives), handle);
    vec![
        get("/api/v1/models", "The models, the default first", "Models", |app, _| {
            blocking(move || Ok(in_json(&models(&app))))
        }),
        get("/api/v1/samplers", "How to step from noise to picture", "Samplers", |_, _| {
            blocking(|| Ok(in_json(&samplers())))
        }),
        get("/api/v1/limits", "How much may be asked for", "Limits", |app, _| {
            blocking(move || Ok(in_json(&limits(&app))))
        }),
        Route {
            method: "POST",
            open: true,
            takes: Takes::Json("Token"),
            ..get("/api/v1/session", "Trade the token for a cookie", "Session", session)
        },
        Route {
            method: "POST",
            takes: Takes::Picture,
            ..get("/api/v1/read", "How a picture was made, as its file says", "Read", |_, asked| {
                blocking(move || read(&asked))
            })
        },
    ]
}

fn models(app: &App) -> Value {
    let catalogue = app.engine.catalogue();
    let loaded = catalogue.loaded();
    let all = catalogue.all().iter().enumerate();
    let all: Vec<Value> = all.map(|(i, model)| model.json(loaded.contains(&i), i == 0)).collect();
    json!({ "models": all })
}

fn samplers() -> Value {
    let samplers = SAMPLERS.iter().map(|sampler| {
        json!({
            "name": sampler.name,
            "label": sampler.web_ui.unwrap_or(sampler.name),
            "paper": sampler.paper,
            "one_line": sampler.one_line,
            "stochastic": sampler.stochastic,
        })
    });
    let schedules = SPACINGS.iter().map(|spacing| {
        json!({
            "name": spacing.name,
            "label": spacing.web_ui.unwrap_or(spacing.name),
            "paper": spacing.paper,
            "one_line": spacing.one_line,
        })
    });
    let (samplers, schedules): (Vec<Value>, Vec<Value>) = (samplers.collect(), schedules.collect());
    json!({"samplers": samplers, "schedules": schedules})
}

fn limits(app: &App) -> Value {
    let limits = app.engine.limits();
    json!({
        "pixels": limits.pixels,
        "steps": limits.steps,
        "count": limits.count,
        "cost": limits.cost,
        "body_bytes": limits.body_bytes,
        "input_pixels": limits.input_pixels,
        "queue": limits.queue,
    })
}

fn session(app: Arc<App>, asked: Asked) -> Answering {
    blocking(move || {
        let given = asked.json()?;
        let token = given.get("token").and_then(Value::as_str);
        if token.is_none() && !app.has_token() {
            let sentence = "a token is a text: send {\"token\": …}";
            return Err(Refusal::invalid(sentence).about("token"));
        }
        let token = token.unwrap_or_default();
        if !app.is_token(token) {
            let sentence = "that is not this server's token: whoever started it knows it";
            return Err(Refusal::new(Kind::Unauthorized, sentence));
        }
        let mut response = in_json(&json!({"ok": true}));
        // Whoever has no token to keep gets no cookie with whatever was sent.
        if app.has_token() {
            let name = crate::http::COOKIE;
            let month = 30 * 24 * 3600;
            let cookie =
                format!("{name}={token}; HttpOnly; SameSite=Strict; Path=/; Max-Age={month}");
            response.headers_mut().insert(header::SET_COOKIE, header_value(&cookie)?);
        }
        Ok(response)
    })
}

fn read(asked: &Asked) -> Result<axum::response::Response, Refusal> {
    let not = |reason: String| Refusal::invalid(format!("the file is no picture: {reason}"));
    let description = Description::read(&asked.body).map_err(not)?;
    let none = "the picture does not say how it was made";
    let made = description.made.ok_or_else(|| Refusal::invalid(none))?;
    let mut request = made.request.clone();
    // Names of files on somebody's disk are of no use here.
    request.remove("init");
    request.remove("mask");
    if let Some(model) = &made.model {
        request.insert("model".into(), json!(model));
    }
    let whole = made.request_over(&GenerateRequest::default()).is_ok();
    let text = description.texts.get("parameters");
    let (width, height) = (description.width, description.height);
    Ok(in_json(&json!({
        "request": request,
        "text": text,
        "by": made.by,
        "whole": whole,
        "width": width,
        "height": height,
    })))
}

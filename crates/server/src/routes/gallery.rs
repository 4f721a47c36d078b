//! The gallery: what was made, found again.

use std::sync::Arc;

use axum::http::header;
use serde_json::{Value, json};

use crate::Refusal;
use crate::http::{
    Answering, App, Asked, Gives, Route, answer, blocking, header_value, json as in_json,
};

/// Pictures of one answer, by habit and at most.
const PAGE: usize = 60;
const MOST: usize = 500;

pub(crate) fn routes() -> Vec<Route> {
    let get = Route::get;
    vec![
        Route {
            query: &[
                ("search", "words that the prompt has, all of them"),
                ("before", "only pictures that are older than this one"),
                ("limit", "how many, 60 by habit, 500 at most"),
            ],
            ..get("/api/v1/pictures", "The newest pictures first", Gives::Json("Pictures"), search)
        },
        get("/api/v1/pictures/{id}", "One picture", Gives::Json("Picture"), |app, asked| {
            blocking(move || {
                let id = asked.param("id");
                let found = app.engine.store().picture(id);
                let found = found.map_err(|error| app.engine.disk(&error))?;
                Ok(in_json(&found.ok_or_else(|| none(id))?.json()))
            })
        }),
        Route {
            method: "DELETE",
            ..get("/api/v1/pictures/{id}", "Delete a picture", Gives::Json("Deleted"), delete)
        },
        get("/api/v1/pictures/{id}.png", "The file of a picture", Gives::Png, file),
    ]
}

fn none(id: &str) -> Refusal {
    Refusal::not_found(format!("there is no picture `{id}`"))
}

fn search(app: Arc<App>, asked: Asked) -> Answering {
    blocking(move || {
        let limit = match asked.query("limit") {
            None => PAGE,
            Some(text) => match text.parse::<usize>() {
                Ok(limit) if (1..=MOST).contains(&limit) => limit,
                _ => {
                    let sentence = format!("`limit` is a number from 1 to {MOST}");
                    return Err(Refusal::invalid(sentence));
                }
            },
        };
        let before = asked.query("before").filter(|before| !before.is_empty());
        let found = app.engine.store().search(asked.query("search").unwrap_or(""), before, limit);
        let found = found.map_err(|error| app.engine.disk(&error))?;
        let pictures: Vec<Value> = found.pictures.iter().map(|picture| picture.json()).collect();
        Ok(in_json(&json!({"pictures": pictures, "next": found.next})))
    })
}

fn delete(app: Arc<App>, asked: Asked) -> Answering {
    blocking(move || {
        let id = asked.param("id");
        let deleted = app.engine.delete_picture(id)?;
        if deleted { Ok(in_json(&json!({ "id": id }))) } else { Err(none(id)) }
    })
}

fn file(app: Arc<App>, asked: Asked) -> Answering {
    blocking(move || {
        let id = asked.param("id");
        let bytes = app.engine.store().read_picture(id);
        let bytes = bytes.map_err(|error| app.engine.disk(&error))?.ok_or_else(|| none(id))?;
        let mut response = answer("image/png", bytes);
        // What is under a name never changes.
        let for_ever = header_value("private, max-age=31536000, immutable")?;
        response.headers_mut().insert(header::CACHE_CONTROL, for_ever);
        Ok(response)
    })
}

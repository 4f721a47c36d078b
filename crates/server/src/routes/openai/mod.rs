//! OpenAI's API of pictures, `/v1/images/` and `/v1/models`, for programs that speak it.
//!
//! What that API has no field for has ours: `seed`, `steps`, `negative_prompt`, `guidance_scale`,
//! `sampler`, `schedule`, `strength` and all others of `/api/v1/jobs`. The names of OpenAI's own
//! models stand for the default model.

mod answer;
mod form;
mod multipart;
mod order;
mod stream;

use std::sync::Arc;

use serde_json::{Value, json};

use self::order::{Order, What};
use super::web_ui::run;
use crate::Refusal;
use crate::http::{Answering, App, Asked, Gives, Route, Takes, blocking, json as in_json};

const FORM: Takes = Takes::Other("multipart/form-data");

pub(crate) fn routes() -> Vec<Route> {
    let get = |path, summary, handle| Route::get(path, summary, Gives::Json("Anything"), handle);
    let post = |path, summary, takes, handle| Route {
        method: "POST",
        takes,
        ..Route::get(path, summary, Gives::Json("Images"), handle)
    };
    vec![
        post(
            "/v1/images/generations",
            "Make pictures (OpenAI); events if `stream` is true",
            Takes::Json("ImagesTask"),
            |app, asked| ask(app, asked, What::Generation),
        ),
        post(
            "/v1/images/edits",
            "Make a picture anew, or where a mask is transparent (OpenAI)",
            FORM,
            |app, asked| ask(app, asked, What::Edit),
        ),
        post(
            "/v1/images/variations",
            "Make a picture like another (OpenAI)",
            FORM,
            |app, asked| ask(app, asked, What::Variation),
        ),
        get("/v1/models", "Models (OpenAI)", |app, _| {
            blocking(move || {
                let all = app.engine.catalogue().all().iter();
                let all: Vec<Value> = all.map(|known| model(&known.entry.name)).collect();
                Ok(in_json(&json!({"object": "list", "data": all})))
            })
        }),
        get("/v1/models/{id}", "One model (OpenAI)", |app, asked| {
            blocking(move || {
                let id = order::model(&app, asked.param("id"))?;
                Ok(in_json(&model(&id)))
            })
        }),
    ]
}

fn model(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": 0, "owned_by": "aquatint"})
}

fn ask(app: Arc<App>, asked: Asked, what: What) -> Answering {
    Box::pin(async move {
        let asking = app.clone();
        let (order, handle, guard) = run(move || {
            let (mut order, wish) = Order::new(&asking, &asked, what)?;
            let handle = asking.engine.submit(wish)?;
            // Gone with its asker, from now on.
            let guard = handle.cancel_on_drop();
            order.seed = handle.job.seed();
            Ok((order, handle, guard))
        })
        .await?;
        if order.stream {
            return Ok(stream::answer(&app, order, handle, guard));
        }
        let pictures = handle.pictures().await?;
        run(move || answer::images(&order, &pictures)).await
    })
}

/// What a route that takes a form has without one.
fn no_form() -> Refusal {
    Refusal::invalid("the request is no form with a picture: send it as multipart/form-data")
}

//! Pictures from words and from pictures: the job, its rounds, and the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value, json};

use super::super::fields::Fields;
use super::Ongoing;
use super::answer::{Drawn, echo, info};
use super::begin;
use super::options::Chosen;
use super::paint::Paste;
use super::sampling::hires;
use super::wish::{Task, task};
use crate::Refusal;
use crate::engine::{CancelOnDrop, Handle, State, Wish, lock};
use crate::http::{Answering, App, Asked, json as in_json};

pub(super) fn from_text(app: Arc<App>, asked: Asked) -> Answering {
    answer(app, asked, false)
}

pub(super) fn from_picture(app: Arc<App>, asked: Asked) -> Answering {
    answer(app, asked, true)
}

/// Everything that is known before the first job.
struct Order {
    task: Task,
    wish: Wish,
    chosen: Chosen,
    model: String,
    paste: Option<Paste>,
    fields: Fields,
}

fn order(app: &App, asked: &Asked, of_picture: bool) -> Result<Order, Refusal> {
    let fields = Fields::of(asked.json()?)?;
    let chosen = Chosen::new(app, fields.object("override_settings")?)?;
    let catalogue = app.engine.catalogue();
    let model = chosen.model(catalogue)?;
    let known = &catalogue.all()[catalogue.find(Some(&model), false)?];
    let mut task = task(&fields, &chosen, known)?;
    // Before pictures are decoded, as far as it can be said without.
    app.engine.limits().check(&task.request)?;
    let mut wish = Wish { model: Some(model.clone()), ..Default::default() };
    let mut paste = None;
    if of_picture {
        let begun = begin::begin(&fields, &mut task.request, known, app.engine.limits())?;
        (wish.init, wish.mask, paste) = (Some(begun.init), begun.mask, begun.paste);
        task.strength = task.request.strength;
    } else {
        task.request.hires = hires(&fields)?;
        task.strength = task.request.hires.as_ref().map(|hires| hires.strength);
    }
    Ok(Order { task, wish, chosen, model, paste, fields })
}

fn answer(app: Arc<App>, asked: Asked, of_picture: bool) -> Answering {
    Box::pin(async move {
        let asking = app.clone();
        let order = run(move || order(&asking, &asked, of_picture)).await?;
        let mut order = order;
        let total = order.task.request.count;
        let mut drawn = Vec::new();
        let mut before = 0;
        while before < total {
            let (asking, at) = (app.clone(), before);
            let (round, wish) = (order.task.round, part(&order, before));
            let submitted = run(move || submit(&asking, wish, at, total, round)).await;
            let waited = match submitted {
                // Who has some pictures gets them.
                Err(_) if before > 0 => break,
                submitted => submitted?,
            };
            let progress = waited.handle.ended().await;
            let ongoing = waited.ongoing.clone();
            if progress.state == State::Failed {
                return Err(Refusal::failed(progress.error.unwrap_or_default()));
            }
            let asking = app.clone();
            let pictures = run(move || read(&asking, &waited)).await?;
            let here = pictures.len();
            drawn.extend(pictures);
            let skipped = ongoing.skip.load(Ordering::SeqCst);
            if progress.state == State::Done || !skipped {
                break;
            }
            before += (here / order.task.round + 1) * order.task.round;
        }
        run(move || {
            let sent = send(&app, &mut order, drawn)?;
            Ok(in_json(&sent))
        })
        .await
    })
}

/// Work that would hold up others.
pub(in crate::routes) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let panicked = "a mistake in this program: please report what you asked for";
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Refusal::failed(panicked)))
}

/// What is asked for from some picture on.
fn part(order: &Order, before: usize) -> Wish {
    let mut wish = order.wish.clone();
    wish.request = order.task.request.clone();
    wish.request.count -= before;
    let first = if wish.request.subseed_strength == 0.0 {
        &mut wish.request.seed
    } else {
        &mut wish.request.subseed
    };
    *first = first.wrapping_add(before as u64);
    wish
}

/// A job that is waited for: gone with its asker, and from the list.
struct Waited {
    handle: Handle,
    ongoing: Arc<Ongoing>,
    app: Arc<App>,
    _guard: CancelOnDrop,
}

impl Drop for Waited {
    fn drop(&mut self) {
        lock(&self.app.web_ui.ongoing).retain(|ongoing| !Arc::ptr_eq(ongoing, &self.ongoing));
    }
}

fn submit(
    app: &Arc<App>,
    wish: Wish,
    before: usize,
    total: usize,
    round: usize,
) -> Result<Waited, Refusal> {
    let handle = app.engine.submit(wish)?;
    let (skip, interrupted) = (AtomicBool::new(false), AtomicBool::new(false));
    let job = handle.job.clone();
    let ongoing = Arc::new(Ongoing { job, before, total, round, skip, interrupted });
    lock(&app.web_ui.ongoing).push(ongoing.clone());
    let _guard = handle.cancel_on_drop();
    Ok(Waited { handle, ongoing, app: app.clone(), _guard })
}

/// The pictures that are finished.
fn read(app: &App, waited: &Waited) -> Result<Vec<Drawn>, Refusal> {
    let mut pictures = Vec::new();
    for made in waited.handle.job.progress().pictures {
        let bytes = app.engine.store().read_picture(&made.id);
        if let Some(bytes) = bytes.map_err(|error| app.engine.disk(&error))? {
            pictures.push(Drawn::new(made, bytes));
        }
    }
    Ok(pictures)
}

fn send(app: &App, order: &mut Order, mut drawn: Vec<Drawn>) -> Result<Value, Refusal> {
    let Order { task, chosen, model, paste, fields, .. } = order;
    let flag = |name: &str, usual| Ok::<_, Refusal>(fields.flag(name)?.unwrap_or(usual));
    if let Some(paste) = paste {
        for drawn in &mut drawn {
            drawn.png = paste.over(&drawn.png)?;
        }
    }
    let size = drawn.first().map_or((0, 0), |drawn| (drawn.made.width, drawn.made.height));
    let size = match (size, task.request.width, task.request.height) {
        ((0, 0), Some(width), Some(height)) => (width, height),
        (size, ..) => size,
    };
    let encoding = chosen.encoding()?;
    let images: Vec<String> = match flag("send_images", true)? {
        true => drawn.iter().map(|drawn| drawn.base64(encoding)).collect::<Result<_, _>>()?,
        false => Vec::new(),
    };
    let info = info(task, model, &drawn, size);
    // As there, pictures stay on the server only if they are to.
    if !flag("save_images", false)? {
        for drawn in &drawn {
            app.engine.delete_picture(&drawn.made.id)?;
        }
    }
    let with_pictures = flag("include_init_images", false)?;
    let asked: Map<String, Value> = std::mem::take(&mut fields.0);
    Ok(json!({"images": images, "parameters": echo(asked, with_pictures), "info": info}))
}

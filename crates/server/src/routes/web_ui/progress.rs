//! How far it is, and that it is not wanted any more. The web UI has one thing that is worked at;
//! here it is the job of this API that is, or the first of those that wait.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Ongoing, State};
use crate::clock;
use crate::engine::{Engine, lock};
use crate::http::{Answering, App, Asked, blocking, json as in_json};

impl State {
    /// What is worked at, or is next.
    fn current(&self, engine: &Engine) -> Option<Arc<Ongoing>> {
        let running = engine.running();
        let ongoing = lock(&self.ongoing);
        let is = |it: &&Arc<Ongoing>| running.as_ref().is_some_and(|job| job.id == it.job.id);
        let next = || ongoing.iter().find(|ongoing| !ongoing.job.ended());
        ongoing.iter().find(is).or_else(next).cloned()
    }
}

pub(super) fn progress(app: Arc<App>, asked: Asked) -> Answering {
    blocking(move || {
        let with_image = !asked.query("skip_current_image").is_some_and(is_true);
        let current = app.web_ui.current(&app.engine);
        Ok(in_json(&current.map_or_else(idle, |current| told(&current, with_image))))
    })
}

fn is_true(text: &str) -> bool {
    ["true", "1", "yes", "on"].iter().any(|word| word.eq_ignore_ascii_case(text))
}

fn state(ongoing: Option<&Ongoing>) -> Value {
    let flag = |of: fn(&Ongoing) -> bool| ongoing.is_some_and(of);
    let rounds = |pictures: fn(&Ongoing) -> usize| {
        ongoing.map_or(0, |ongoing| pictures(ongoing).div_ceil(ongoing.round.max(1)))
    };
    let (step, steps) = ongoing.map_or((0, 0), |ongoing| {
        let progress = ongoing.job.progress();
        (progress.step.min(progress.steps), progress.steps)
    });
    json!({
        "skipped": flag(|ongoing| ongoing.skip.load(Ordering::SeqCst)),
        "interrupted": flag(|ongoing| ongoing.interrupted.load(Ordering::SeqCst)),
        "stopping_generation": false,
        "job": ongoing.map_or("", |ongoing| ongoing.job.id.as_str()),
        "job_count": rounds(|ongoing| ongoing.total),
        "job_timestamp": ongoing.map_or("0".into(), |o| super::answer::timestamp(o.job.created)),
        "job_no": ongoing.map_or(0, |o| {
            (o.before + o.job.progress().pictures.len()) / o.round.max(1)
        }),
        "sampling_step": step,
        "sampling_steps": steps,
    })
}

fn idle() -> Value {
    json!({
        "progress": 0.0,
        "eta_relative": 0.0,
        "state": state(None),
        "current_image": null,
        "textinfo": null,
    })
}

fn told(ongoing: &Ongoing, with_image: bool) -> Value {
    let progress = ongoing.job.progress();
    let part = progress.step as f64 / progress.steps.max(1) as f64;
    let own = ongoing.total - ongoing.before.min(ongoing.total);
    let done = (ongoing.before as f64 + part.min(1.0) * own as f64) / ongoing.total.max(1) as f64;
    let seconds = progress
        .started
        .map_or(0.0, |started| clock::now().saturating_sub(started) as f64 / 1000.0);
    let left = if part > 0.0 { seconds * (1.0 / part.min(1.0) - 1.0) } else { 0.0 };
    let image = ongoing.job.latest_preview().filter(|_| with_image);
    let textinfo = progress.started.is_none().then_some("Waiting in the queue");
    json!({
        "progress": done,
        "eta_relative": left,
        "state": state(Some(ongoing)),
        "current_image": image.map(|png| STANDARD.encode(png)),
        "textinfo": textinfo,
    })
}

pub(super) fn interrupt(app: Arc<App>, _: Asked) -> Answering {
    end(app, |ongoing| &ongoing.interrupted)
}

pub(super) fn skip(app: Arc<App>, _: Asked) -> Answering {
    end(app, |ongoing| &ongoing.skip)
}

fn end(app: Arc<App>, how: fn(&Ongoing) -> &std::sync::atomic::AtomicBool) -> Answering {
    blocking(move || {
        if let Some(current) = app.web_ui.current(&app.engine) {
            how(&current).store(true, Ordering::SeqCst);
            app.engine.cancel(&current.job);
        }
        Ok(in_json(&json!({})))
    })
}

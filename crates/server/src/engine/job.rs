//! One job: what was asked for, how far it is, and what came of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aquatint_pipeline::CancelToken;
use axum::body::Bytes;
use serde_json::{Map, Value, json};

use super::events::{Log, lock};
use crate::clock;

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits.
    Queued,
    /// It is worked at.
    Running,
    /// Its pictures are there.
    Done,
    /// It went wrong.
    Failed,
    /// Somebody did not want it any more.
    Cancelled,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Queued, Self::Running, Self::Done, Self::Failed, Self::Cancelled];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether nothing comes after it.
    pub const fn ended(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// A finished picture of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its name.
    pub id: String,
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// What its noise was made from.
    pub seed: u64,
}

impl Made {
    /// What is said of it.
    pub fn json(&self) -> Value {
        let Self { id, width, height, seed } = self;
        let url = format!("/api/v1/pictures/{id}.png");
        json!({"id": id, "width": width, "height": height, "seed": seed, "url": url})
    }
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Where it is.
    pub state: State,
    /// Steps that were taken for all pictures.
    pub step: usize,
    /// Steps that there are.
    pub steps: usize,
    /// The noise in the latents now.
    pub sigma: Option<f64>,
    /// When the work began, in milliseconds since 1970.
    pub started: Option<u64>,
    /// When it ended.
    pub ended: Option<u64>,
    /// Why it went wrong.
    pub error: Option<String>,
    /// What is finished.
    pub pictures: Vec<Made>,
}

impl Progress {
    /// Of a job that waits.
    pub(crate) fn new(steps: usize) -> Self {
        Self {
            state: State::Queued,
            step: 0,
            steps,
            sigma: None,
            started: None,
            ended: None,
            error: None,
            pictures: Vec::new(),
        }
    }
}

/// Small pictures of what was on the way, by picture and step.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    pub previews: BTreeMap<(usize, usize), Bytes>,
    pub bytes: usize,
    /// Where the first picture looked at its tokens, by their numbers.
    pub attention: BTreeMap<usize, Bytes>,
    /// What was kept for those who want to know how it works.
    pub explained: Option<Value>,
}

/// One job.
#[derive(Debug)]
pub struct Job {
    /// Its name.
    pub id: String,
    /// What was asked for, in our own JSON without the bytes of pictures.
    pub request: Map<String, Value>,
    /// The model's name.
    pub model: String,
    /// When it came, in milliseconds since 1970.
    pub created: u64,
    /// See [`crate::limits`].
    pub cost: u64,
    pub(crate) progress: Mutex<Progress>,
    pub(crate) log: Log,
    pub(crate) shelf: Mutex<Shelf>,
    pub(crate) token: CancelToken,
}

impl Job {
    pub(crate) fn new(
        id: String,
        request: Map<String, Value>,
        model: String,
        created: u64,
        cost: u64,
        progress: Progress,
    ) -> Arc<Self> {
        let (log, shelf, token) = (Log::new(), Mutex::default(), CancelToken::new());
        let progress = Mutex::new(progress);
        Arc::new(Self { id, request, model, created, cost, progress, log, shelf, token })
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        lock(&self.progress).clone()
    }

    /// Whether nothing happens to it any more.
    pub fn ended(&self) -> bool {
        lock(&self.progress).state.ended()
    }

    /// Says for good how it ended. Who sees that also sees the event.
    pub(crate) fn end(&self, state: State, ended: u64, error: Option<String>) {
        let mut progress = lock(&self.progress);
        (progress.state, progress.ended, progress.sigma) = (state, Some(ended), None);
        progress.error = error.clone();
        let (name, data) = match state {
            State::Failed => ("failed", json!({"message": error.unwrap_or_default()})),
            State::Cancelled => ("cancelled", json!({})),
            _ => ("done", self.json_at(progress.clone(), 0)),
        };
        self.log.tell(name, data);
    }

    /// The seed of its first picture.
    pub fn seed(&self) -> u64 {
        self.request.get("seed").and_then(Value::as_u64).unwrap_or(0)
    }

    /// The newest preview, as the bytes of a PNG file.
    pub fn latest_preview(&self) -> Option<Bytes> {
        lock(&self.shelf).previews.last_key_value().map(|(_, bytes)| bytes.clone())
    }

    /// What was kept of it for those who want to know how it works.
    pub fn explained(&self) -> Option<Value> {
        lock(&self.shelf).explained.clone()
    }

    /// Where the first picture looked at a token, counted from 0.
    pub fn attention(&self, token: usize) -> Option<Bytes> {
        lock(&self.shelf).attention.get(&token).cloned()
    }

    /// The preview of a picture after a step, counted from 0 and from 1.
    pub fn preview(&self, picture: usize, step: usize) -> Option<Bytes> {
        lock(&self.shelf).previews.get(&(picture, step)).cloned()
    }

    /// What is said of it, where `position` others are before it.
    pub fn json(&self, position: usize) -> Value {
        self.json_at(self.progress(), position)
    }

    /// The same at another time.
    fn json_at(&self, progress: Progress, position: usize) -> Value {
        let Progress { state, step, steps, sigma, started, ended, error, pictures } = progress;
        let pictures: Vec<Value> = pictures.iter().map(Made::json).collect();
        let mut json = json!({
            "id": self.id,
            "state": state.name(),
            "position": position,
            "model": self.model,
            "step": step,
            "steps": steps,
            "sigma": sigma,
            "created": self.created,
            "started": started,
            "ended": ended,
            "request": self.request,
            "pictures": pictures,
        });
        if let Some(started) = started {
            let until = ended.unwrap_or_else(clock::now);
            json["seconds"] = (until.saturating_sub(started) as f64 / 1000.0).into();
        }
        if let Some(error) = error {
            json["error"] = error.into();
        }
        json
    }
}

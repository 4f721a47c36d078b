//! Looking on while a job is worked at: steps, previews, and whether it is still wanted.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use aquatint_pipeline::{CancelToken, LatentPreview, Picture, Step, Watch, png};
use aquatint_tensor::Tensor;
use axum::body::Bytes;
use serde_json::{Value, json};

use super::events::lock;
use super::job::Job;

/// Bytes of the previews of one job.
const MOST_PREVIEWS: usize = 8 << 20;

/// Tells a job how far it is.
pub(super) struct Watching<'a> {
    pub job: &'a Arc<Job>,
    pub preview: Option<&'a LatentPreview>,
    /// Steps of one batch.
    pub steps: usize,
    /// The first picture of the batch, and how many it has.
    first: usize,
    batch: usize,
    /// Steps of the batch that were taken.
    taken: usize,
    /// When the first step of the job began.
    began: Instant,
    /// The noise before each step of the first batch.
    sigmas: Vec<f64>,
}

impl<'a> Watching<'a> {
    pub fn new(job: &'a Arc<Job>, preview: Option<&'a LatentPreview>, steps: usize) -> Self {
        let (began, sigmas) = (Instant::now(), Vec::new());
        Self { job, preview, steps, first: 0, batch: 0, taken: 0, began, sigmas }
    }

    /// The noise before each step of the first batch.
    pub fn sigmas(&self) -> &[f64] {
        &self.sigmas
    }

    /// The pictures of what the network saw in the latents, kept under their address.
    fn keep(&self, denoised: &Tensor) -> Vec<Option<String>> {
        let Some(preview) = self.preview else { return vec![None; denoised.dim(0)] };
        let (job, step) = (self.job, self.taken);
        let encoded = |picture: &Picture| Bytes::from(png::encode(picture, &Default::default()));
        let pictures: Vec<Bytes> = preview.pictures(denoised).iter().map(encoded).collect();
        let mut shelf = lock(&job.shelf);
        let mut urls = Vec::with_capacity(pictures.len());
        for (n, bytes) in pictures.into_iter().enumerate() {
            let picture = self.first + n;
            let room = shelf.bytes + bytes.len() <= MOST_PREVIEWS;
            if room {
                shelf.bytes += bytes.len();
                shelf.previews.insert((picture, step), bytes);
            }
            urls.push(room.then(|| format!("/api/v1/jobs/{}/steps/{picture}/{step}.png", job.id)));
        }
        urls
    }
}

impl Watch for Watching<'_> {
    fn step(&mut self, step: Step<'_>) -> ControlFlow<()> {
        self.taken += 1;
        self.batch = step.denoised.dim(0);
        let (done, total) = {
            let mut progress = lock(&self.job.progress);
            progress.step += 1;
            progress.sigma = Some(step.sigma);
            (progress.step, progress.steps)
        };
        if self.first == 0 {
            self.sigmas.push(step.sigma);
        }
        let each = self.began.elapsed().as_secs_f64() / done as f64;
        let left = each * total.saturating_sub(done) as f64;
        for (n, url) in self.keep(step.denoised).into_iter().enumerate() {
            let mut data = json!({
                "picture": self.first + n,
                "step": self.taken,
                "steps": self.steps,
                "sigma": step.sigma,
                "done": done,
                "total": total,
                "seconds_left": (left * 10.0).round() / 10.0,
            });
            data["preview"] = url.map_or(Value::Null, Value::String);
            self.job.log.tell("step", data);
        }
        ControlFlow::Continue(())
    }

    fn stage(&mut self, done: &'static str) {
        match done {
            // The first batch is about to begin.
            "load" if self.sigmas.is_empty() => self.began = Instant::now(),
            // Another batch may follow.
            "write" => {
                self.first += self.batch;
                self.taken = 0;
            }
            _ => {}
        }
    }

    fn token(&self) -> Option<CancelToken> {
        Some(self.job.token.clone())
    }
}

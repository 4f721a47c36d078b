//! The engine: a bounded queue, one thread that works, and what everybody may know of it.
//!
//! It knows nothing of HTTP but the statuses of its refusals. See the crate's page for how other
//! APIs use it.

mod admit;
mod events;
mod explain;
mod handle;
mod job;
mod kept;
mod models;
mod queue;
mod recovery;
mod settings;
mod shelf;
mod watching;
mod wish;
mod work;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

pub(crate) use self::admit::picture as open_picture;
pub(crate) use self::events::lock;
pub use self::events::{Event, Events};
pub use self::handle::{CancelOnDrop, Ended, Handle};
pub use self::job::{Job, Made, Progress, State};
pub use self::models::{Catalogue, Known, ModelEntry, ModelFiles};
use self::queue::Queue;
pub use self::settings::{EngineError, Settings};
pub(crate) use self::wish::all_fields;
pub use self::wish::{Wish, from_base64};
use crate::metrics::Metrics;
use crate::store::{Inputs, Row, Store, StoreError};
use crate::{Kind, Limits, Refusal, clock};

/// What is shared with the thread that works.
pub(crate) struct Shared {
    pub settings: Settings,
    pub catalogue: Catalogue,
    pub store: Store,
    pub queue: Queue,
    pub metrics: Metrics,
    /// Whether what is worked at is given up because the server ends, and not by its asker.
    pub ending: AtomicBool,
}

/// Closes an [`Engine`] without keeping it.
#[derive(Clone)]
pub struct Closer(Weak<Shared>);

impl Closer {
    /// As [`Engine::close`], if there is an engine still.
    pub fn close(&self) {
        if let Some(shared) = self.0.upgrade() {
            shared.queue.close();
        }
    }
}

/// The engine. Clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
    worker: Arc<std::sync::Mutex<Option<JoinHandle<()>>>>,
}

impl Engine {
    /// Starts the thread that works, on what was left undone first. The first model is the default.
    ///
    /// # Errors
    /// If a model or the store cannot be used.
    pub fn start(
        settings: Settings,
        models: Vec<ModelEntry>,
        store: Store,
    ) -> Result<Self, EngineError> {
        let mut known: Vec<Known> = Vec::with_capacity(models.len());
        for entry in models {
            if known.iter().any(|model| model.entry.name == entry.name) {
                let name = &entry.name;
                let sentence = format!("two models are called `{name}`: rename one of them");
                return Err(EngineError::Settings(sentence));
            }
            known.push(Known::look(entry)?);
        }
        if known.is_empty() {
            return Err(EngineError::Settings("a server needs a model: give one with -m".into()));
        }
        if let Some(large) = known.iter().find(|model| model.bytes > settings.memory) {
            let (name, bytes) = (&large.entry.name, large.bytes as f64 / 1e9);
            return Err(EngineError::Settings(format!(
                "the model `{name}` takes {bytes:.1} GB, for which there is no room: give more \
                 with --memory"
            )));
        }
        let recent = settings.limits.recent;
        let shared = Arc::new(Shared {
            catalogue: Catalogue::new(known),
            queue: Queue::new(recent),
            store,
            settings,
            metrics: Metrics::default(),
            ending: AtomicBool::new(false),
        });
        recovery::recover(&shared)?;
        let at_work = shared.clone();
        let worker = std::thread::Builder::new().name("worker".into());
        let worker = worker.spawn(move || work::work(&at_work)).map_err(|error| {
            EngineError::Settings(format!("no thread can be started for the work: {error}"))
        })?;
        Ok(Self { shared, worker: Arc::new(std::sync::Mutex::new(Some(worker))) })
    }

    /// Takes a wish. When this returns, the job is on the disk and will be done, also if the
    /// process is killed meanwhile. Blocks while pictures are decoded and the disk writes.
    ///
    /// # Errors
    /// If it cannot be fulfilled, or not now.
    pub fn submit(&self, wish: Wish) -> Result<Handle, Refusal> {
        let Shared { settings, catalogue, store, queue, .. } = &*self.shared;
        let admitted = admit::admit(&wish, catalogue, settings)?;
        let place = self.reserve(admitted.cost)?;
        let model = catalogue.all()[admitted.model].entry.name.clone();
        let wish = Wish { model: Some(model.clone()), ..wish };
        let row = Row {
            id: clock::new_id(),
            state: State::Queued,
            model,
            request: wish.shown(),
            steps: admitted.steps,
            cost: admitted.cost,
            created: clock::now(),
            started: None,
            ended: None,
            error: None,
        };
        let inputs = Inputs { init: wish.init, mask: wish.mask };
        store.add_job(&row, &inputs).map_err(|error| {
            (settings.log)(&format!("a job was refused because {error}"));
            Refusal::failed("the request could not be kept: the server's disk may be full")
        })?;
        let job = recovery::job(row, Vec::new());
        let position = queue.push(job.clone(), place);
        Ok(Handle { engine: self.clone(), job, position })
    }

    fn reserve(&self, cost: u64) -> Result<queue::Place<'_>, Refusal> {
        let Shared { settings, queue, metrics, .. } = &*self.shared;
        let limits = &settings.limits;
        queue.reserve(limits.queue, limits.queue_cost, cost).map_err(|refused| match refused {
            queue::Refused::Draining => Refusal::new(
                Kind::Draining,
                "the server is about to end and takes nothing new: try again in a moment",
            )
            .retry_after(10),
            queue::Refused::Full { waiting, cost } => {
                let seconds = metrics.seconds_for(cost).clamp(1.0, 3600.0);
                admit::busy(waiting, seconds.ceil() as u64)
            }
        })
    }

    /// The job of that name: one that waits, is worked at, or was among the last that ended, with
    /// its events; or an older one from the disk.
    ///
    /// # Errors
    /// If there is none, or the disk cannot be read.
    pub fn job(&self, id: &str) -> Result<Handle, Refusal> {
        let (job, position) = match self.shared.queue.find(id) {
            Some(found) => found,
            None => {
                let found = recovery::from_disk(&self.shared.store, id);
                let found = found.map_err(|error| self.disk(&error))?;
                (found.ok_or_else(|| Refusal::not_found(format!("there is no job `{id}`")))?, 0)
            }
        };
        Ok(Handle { engine: self.clone(), job, position })
    }

    /// Those that are worked at, that wait, and the last that ended, in this order.
    pub fn jobs(&self) -> Vec<Value> {
        let jobs = self.shared.queue.all();
        jobs.into_iter().map(|(job, position)| job.json(position)).collect()
    }

    /// What is worked at.
    pub fn running(&self) -> Option<Arc<Job>> {
        self.shared.queue.running()
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.shared.queue.waiting()
    }

    /// Says that a job is not wanted any more. One that waits ends at once, one that is worked at
    /// within a second.
    pub fn cancel(&self, job: &Arc<Job>) {
        if self.shared.queue.remove(&job.id) {
            work::end(&self.shared, job, State::Cancelled, None);
        } else {
            job.token.cancel();
        }
    }

    /// The models.
    pub fn catalogue(&self) -> &Catalogue {
        &self.shared.catalogue
    }

    /// How much may be asked for.
    pub fn limits(&self) -> &Limits {
        &self.shared.settings.limits
    }

    /// Where pictures are kept.
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// Takes a picture out of the gallery, and says whether there was one.
    ///
    /// # Errors
    /// If the disk cannot be written to.
    pub fn delete_picture(&self, id: &str) -> Result<bool, Refusal> {
        let deleted = self.store().delete_picture(id).map_err(|error| self.disk(&error))?;
        for (job, _) in self.shared.queue.all() {
            lock(&job.progress).pictures.retain(|made| made.id != id);
        }
        Ok(deleted)
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// A refusal for an error of the disk, which is told to the operator.
    pub fn disk(&self, error: &StoreError) -> Refusal {
        (self.shared.settings.log)(&error.to_string());
        Refusal::failed("the server cannot read its data folder: its operator has been told why")
    }

    /// Takes nothing new from now on.
    pub fn close(&self) {
        self.shared.queue.close();
    }

    /// What says so from elsewhere, such as a handler of signals.
    pub fn closer(&self) -> Closer {
        Closer(Arc::downgrade(&self.shared))
    }

    /// Whether nothing new is taken any more.
    pub fn is_closed(&self) -> bool {
        self.shared.queue.is_closed()
    }

    /// Waits until somebody says that nothing new is to be taken.
    pub fn wait_until_closed(&self) {
        self.shared.queue.wait_until_closed();
    }

    /// Waits until everything that was taken is done, and at most this long. What is not done then
    /// stays on the disk for the next start. Answers how many these are.
    pub fn drain(&self, most: Duration) -> usize {
        self.close();
        self.shared.queue.wait_until_idle(most);
        self.shared.ending.store(true, Ordering::SeqCst);
        let left = self.shared.queue.end();
        if let Some(worker) = lock(&self.worker).take() {
            // Its panics are caught inside.
            let _ = worker.join();
        }
        left
    }
}

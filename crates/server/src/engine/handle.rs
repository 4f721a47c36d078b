//! A job as its asker sees it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::events::Events;
use super::job::{Job, Progress, State};
use super::{Engine, Made};
use crate::Refusal;

/// A job that was taken.
#[derive(Clone)]
pub struct Handle {
    pub(super) engine: Engine,
    /// The job.
    pub job: Arc<Job>,
    /// How many are before it, and itself; 0 if it does not wait.
    pub position: usize,
}

/// What came of a job: the pictures with the bytes of their PNG files.
pub type Ended = Vec<(Made, Vec<u8>)>;

impl Handle {
    /// Its name.
    pub fn id(&self) -> &str {
        &self.job.id
    }

    /// What happens to it after event number `last`; 0 is from the beginning.
    pub fn events(&self, last: u64) -> Events {
        Events::new(self.job.clone(), last)
    }

    /// What is said of it.
    pub fn json(&self) -> Value {
        self.job.json(self.position)
    }

    /// Says that it is not wanted any more.
    pub fn cancel(&self) {
        self.engine.cancel(&self.job);
    }

    /// Says so when this is dropped, unless it has ended: for askers who wait on one connection and
    /// go away with it.
    pub fn cancel_on_drop(&self) -> CancelOnDrop {
        CancelOnDrop(self.clone())
    }

    /// Waits until it has ended.
    pub async fn ended(&self) -> Progress {
        let mut count = self.job.log.count.subscribe();
        loop {
            count.borrow_and_update();
            if self.job.ended() || count.changed().await.is_err() {
                return self.job.progress();
            }
        }
    }

    /// Waits until it has ended, and at most this long.
    pub async fn ended_within(&self, most: Duration) -> Progress {
        match tokio::time::timeout(most, self.ended()).await {
            Ok(progress) => progress,
            Err(_) => self.job.progress(),
        }
    }

    /// Waits for the pictures, which are read from the disk.
    ///
    /// # Errors
    /// If it failed or was cancelled, or the disk cannot be read.
    pub async fn pictures(&self) -> Result<Ended, Refusal> {
        let progress = self.ended().await;
        match progress.state {
            State::Done => {}
            State::Cancelled => return Err(Refusal::invalid("the request was cancelled")),
            _ => return Err(Refusal::failed(progress.error.unwrap_or_default())),
        }
        let engine = self.engine.clone();
        let read = tokio::task::spawn_blocking(move || {
            let read = |made: Made| match engine.store().read_picture(&made.id) {
                Ok(Some(bytes)) => Ok((made, bytes)),
                Ok(None) => Err(Refusal::not_found("the picture was deleted meanwhile")),
                Err(error) => Err(engine.disk(&error)),
            };
            progress.pictures.into_iter().map(read).collect()
        });
        read.await.unwrap_or_else(|_| Err(Refusal::failed("the pictures could not be read")))
    }
}

/// Cancels its job when it is dropped.
pub struct CancelOnDrop(Handle);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if self.0.job.ended() {
            return;
        }
        // The disk is told, which takes longer than a task should.
        let handle = self.0.clone();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || handle.cancel())),
            Err(_) => handle.cancel(),
        }
    }
}

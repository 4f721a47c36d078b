//! What is on the disk when the engine starts, or asked for later.

use std::sync::Arc;

use super::Shared;
use super::job::{Job, Made, Progress, State};
use crate::store::{Row, Store, StoreError};

/// Queues what was not finished, in order and from its beginning, and remembers what ended last.
pub(super) fn recover(shared: &Shared) -> Result<(), StoreError> {
    for row in shared.store.ended_jobs(shared.settings.limits.recent)? {
        let pictures = shared.store.pictures_of(&row.id)?;
        shared.queue.remember(job(row, pictures));
    }
    for row in shared.store.unfinished_jobs()? {
        let row = Row { state: State::Queued, started: None, ..row };
        // Pictures that are there already are made again, to the bit, under the same names.
        shared.queue.add(job(row, Vec::new()));
    }
    Ok(())
}

/// The job of that name, if there ever was one.
pub(super) fn from_disk(store: &Store, id: &str) -> Result<Option<Arc<Job>>, StoreError> {
    let Some(row) = store.job(id)? else { return Ok(None) };
    let pictures = store.pictures_of(id)?;
    Ok(Some(job(row, pictures)))
}

/// A job as it is on the disk.
pub(super) fn job(row: Row, pictures: Vec<Made>) -> Arc<Job> {
    let Row { id, state, model, request, steps, cost, created, started, ended, error } = row;
    let done = if state == State::Done { steps } else { 0 };
    let progress =
        Progress { state, step: done, started, ended, error, pictures, ..Progress::new(steps) };
    let (error, at) = (progress.error.clone(), ended.unwrap_or(created));
    let job = Job::new(id, request, model, created, cost, progress);
    if state.ended() {
        // Of its events only the last is known.
        job.end(state, at, error);
    }
    job
}

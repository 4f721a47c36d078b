//! Who is next: the jobs that wait, the one that is worked at, and the last that ended.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use super::events::lock;
use super::job::Job;

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Arc<Job>>,
    running: Option<Arc<Job>>,
    recent: VecDeque<Arc<Job>>,
    /// Places that are promised to jobs which are on their way to the disk, and their cost.
    promised: usize,
    promised_cost: u64,
    closed: bool,
    ended: bool,
}

impl Inner {
    fn cost(&self) -> u64 {
        self.waiting.iter().map(|job| job.cost).sum::<u64>() + self.promised_cost
    }

    /// Everybody who waits is told where.
    fn tell_positions(&self) {
        for (i, job) in self.waiting.iter().enumerate() {
            job.log.tell("queued", json!({"position": i + 1}));
        }
    }
}

/// The queue.
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    changed: Condvar,
    recent: usize,
}

/// A place that is promised, and free again if nobody takes it.
pub(crate) struct Place<'a> {
    queue: &'a Queue,
    cost: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut inner = lock(&self.queue.inner);
        inner.promised -= 1;
        inner.promised_cost -= self.cost;
        drop(inner);
        self.queue.changed.notify_all();
    }
}

/// Why there is no place.
pub(crate) enum Refused {
    Draining,
    Full { waiting: usize, cost: u64 },
}

impl Queue {
    /// That remembers so many that ended.
    pub fn new(recent: usize) -> Self {
        Self { inner: Mutex::default(), changed: Condvar::new(), recent }
    }

    /// A place for a job, if there are fewer than `most` and they cost less than `most_cost`.
    pub fn reserve(&self, most: usize, most_cost: u64, cost: u64) -> Result<Place<'_>, Refused> {
        let mut inner = lock(&self.inner);
        if inner.closed {
            return Err(Refused::Draining);
        }
        let (waiting, before) = (inner.waiting.len() + inner.promised, inner.cost());
        if waiting >= most || (waiting > 0 && before + cost > most_cost) {
            let first = inner.waiting.front().map_or(cost, |job| job.cost);
            let running = inner.running.as_ref().map_or(0, |job| job.cost);
            return Err(Refused::Full { waiting, cost: running.max(first) });
        }
        inner.promised += 1;
        inner.promised_cost += cost;
        Ok(Place { queue: self, cost })
    }

    /// Puts a job at the end, and answers how many are before it and itself.
    pub fn push(&self, job: Arc<Job>, place: Place<'_>) -> usize {
        let position = self.add(job);
        drop(place);
        position
    }

    /// Puts a job at the end, whether there is a place or not.
    pub fn add(&self, job: Arc<Job>) -> usize {
        let mut inner = lock(&self.inner);
        inner.waiting.push_back(job.clone());
        let position = inner.waiting.len();
        job.log.tell("queued", json!({ "position": position }));
        drop(inner);
        self.changed.notify_all();
        position
    }

    /// One that ended before this process began.
    pub fn remember(&self, job: Arc<Job>) {
        self.put_recent(&mut lock(&self.inner), job);
    }

    fn put_recent(&self, inner: &mut Inner, job: Arc<Job>) {
        inner.recent.push_back(job);
        while inner.recent.len() > self.recent {
            inner.recent.pop_front();
        }
    }

    /// Waits for the next job to work at. None means that there will be no more.
    pub fn next(&self) -> Option<Arc<Job>> {
        let mut inner = lock(&self.inner);
        loop {
            if inner.ended {
                return None;
            }
            if let Some(job) = inner.waiting.pop_front() {
                inner.running = Some(job.clone());
                inner.tell_positions();
                return Some(job);
            }
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A job has ended: it was worked at, or it waited.
    pub fn ended(&self, job: &Arc<Job>) {
        let mut inner = lock(&self.inner);
        if inner.running.as_ref().is_some_and(|running| running.id == job.id) {
            inner.running = None;
        }
        self.put_recent(&mut inner, job.clone());
        drop(inner);
        self.changed.notify_all();
    }

    /// Takes a job out that waits, and says whether there was one.
    pub fn remove(&self, id: &str) -> bool {
        let mut inner = lock(&self.inner);
        let Some(at) = inner.waiting.iter().position(|job| job.id == id) else { return false };
        inner.waiting.remove(at);
        inner.tell_positions();
        true
    }

    /// The job of that name, and how many are before it and itself, if it waits.
    pub fn find(&self, id: &str) -> Option<(Arc<Job>, usize)> {
        self.all().into_iter().find(|(job, _)| job.id == id)
    }

    /// All, the one that is worked at first, those that ended last at the end.
    pub fn all(&self) -> Vec<(Arc<Job>, usize)> {
        let inner = lock(&self.inner);
        let running = inner.running.iter().map(|job| (job.clone(), 0));
        let waiting = inner.waiting.iter().enumerate().map(|(i, job)| (job.clone(), i + 1));
        let recent = inner.recent.iter().rev().map(|job| (job.clone(), 0));
        running.chain(waiting).chain(recent).collect()
    }

    /// Those that ended, the oldest first.
    pub fn recent(&self) -> Vec<Arc<Job>> {
        lock(&self.inner).recent.iter().cloned().collect()
    }

    /// What is worked at.
    pub fn running(&self) -> Option<Arc<Job>> {
        lock(&self.inner).running.clone()
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        lock(&self.inner).waiting.len()
    }

    /// Takes nothing new.
    pub fn close(&self) {
        lock(&self.inner).closed = true;
        self.changed.notify_all();
    }

    /// Waits until nothing new is taken.
    pub fn wait_until_closed(&self) {
        let mut inner = lock(&self.inner);
        while !inner.closed {
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether nothing new is taken.
    pub fn is_closed(&self) -> bool {
        lock(&self.inner).closed
    }

    /// Waits until nobody waits and nothing is worked at, and at most this long.
    pub fn wait_until_idle(&self, most: Duration) {
        let until = Instant::now() + most;
        let mut inner = lock(&self.inner);
        while !(inner.waiting.is_empty() && inner.running.is_none() && inner.promised == 0) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.changed.wait_timeout(inner, left);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Nothing is begun any more, and what is worked at is given up. Answers how many are left.
    pub fn end(&self) -> usize {
        let mut inner = lock(&self.inner);
        inner.ended = true;
        inner.running.iter().for_each(|job| job.token.cancel());
        let left = inner.waiting.len() + usize::from(inner.running.is_some());
        drop(inner);
        self.changed.notify_all();
        left
    }
}

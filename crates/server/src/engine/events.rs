//! What happens to a job, in order and numbered, so that nobody misses anything.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::watch;

/// The most events of one job that are kept. Of more, the oldest are forgotten.
const MOST: usize = 4096;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its number, from 1.
    pub id: u64,
    /// `queued`, `started`, `step`, `picture`, `done`, `failed` or `cancelled`.
    pub name: &'static str,
    /// What there is to say about it.
    pub data: Value,
}

impl Event {
    /// Whether nothing comes after it.
    pub fn is_last(&self) -> bool {
        ["done", "failed", "cancelled"].contains(&self.name)
    }
}

/// All that happened to a job.
#[derive(Debug)]
pub(crate) struct Log {
    events: Mutex<VecDeque<Event>>,
    pub(super) count: watch::Sender<u64>,
}

impl Log {
    pub fn new() -> Self {
        Self { events: Mutex::default(), count: watch::Sender::new(0) }
    }

    /// Tells everybody.
    pub fn tell(&self, name: &'static str, data: Value) {
        let mut events = lock(&self.events);
        let id = events.back().map_or(0, |event| event.id) + 1;
        events.push_back(Event { id, name, data });
        if events.len() > MOST {
            events.pop_front();
        }
        drop(events);
        self.count.send_replace(id);
    }

    /// Those after number `last`, as far as they are there now.
    pub fn after(&self, last: u64) -> Vec<Event> {
        let events = lock(&self.events);
        let first = events.front().map_or(1, |event| event.id);
        let skip = (last + 1).saturating_sub(first) as usize;
        events.iter().skip(skip).cloned().collect()
    }
}

/// The events of a job, from some number on, as they come.
#[derive(Debug)]
pub struct Events {
    job: std::sync::Arc<super::Job>,
    last: u64,
}

impl Events {
    /// Of a job after number `last`; what was numbered by another process is not known here.
    pub(super) fn new(job: std::sync::Arc<super::Job>, last: u64) -> Self {
        let newest = *job.log.count.borrow();
        Self { job, last: if last > newest { 0 } else { last } }
    }

    /// Whether nothing will come any more.
    pub fn is_over(&self) -> bool {
        self.job.ended() && self.job.log.after(self.last).is_empty()
    }

    /// Waits for some: those that there are by then. None means that there will be no more.
    pub async fn next(&mut self) -> Vec<Event> {
        let mut count = self.job.log.count.subscribe();
        loop {
            count.borrow_and_update();
            let over = self.job.ended();
            let events = self.job.log.after(self.last);
            if let Some(event) = events.last() {
                self.last = event.id;
                return events;
            }
            if over || count.changed().await.is_err() {
                return Vec::new();
            }
        }
    }
}

/// A mutex whose content is in order at any time, so that somebody's panic does not matter.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_is_missed_and_old_things_are_forgotten() {
        let log = Log::new();
        log.tell("queued", json!({}));
        log.tell("started", json!({}));
        let names = |last| log.after(last).iter().map(|event| event.name).collect::<Vec<_>>();
        assert_eq!(names(0), ["queued", "started"]);
        assert_eq!(names(1), ["started"]);
        assert!(names(2).is_empty() && names(99).is_empty());
        (0..MOST).for_each(|step| log.tell("step", json!(step)));
        let all = log.after(0);
        assert_eq!((all.len(), all[0].id), (MOST, 3));
        assert_eq!(log.after(2).len(), MOST);
    }
}

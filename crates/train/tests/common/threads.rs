//! Threads in the place of processes.

use std::path::Path;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use aquatint_train::error::TrainError;
use aquatint_train::ranks::{Buckets, Filled, Ranks};
use aquatint_train::run::Outcome;
use aquatint_train::{Options, Stage, train_among};

use super::Counting;

/// What the threads share.
struct Shared {
    sums: Mutex<Vec<f64>>,
    all_here: Barrier,
}

/// One of some threads.
struct Thread {
    rank: usize,
    count: usize,
    shared: Arc<Shared>,
}

impl Ranks for Thread {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.count
    }

    fn sum(&self, numbers: &mut [f64]) {
        let Shared { sums, all_here } = &*self.shared;
        let mut all = sums.lock().unwrap();
        all.resize(numbers.len(), 0.0);
        all.iter_mut().zip(&*numbers).for_each(|(sum, x)| *sum += x);
        drop(all);
        all_here.wait();
        numbers.copy_from_slice(&sums.lock().unwrap());
        all_here.wait();
        sums.lock().unwrap().clear();
        all_here.wait();
    }

    fn sum_during(&self, buckets: &mut Buckets, pass: &mut dyn FnMut(&mut Filled<'_>)) {
        pass(&mut |index, values| buckets.vector_mut(index).copy_from_slice(values));
        for bucket in &mut buckets.contents {
            let mut numbers: Vec<f64> = bucket.iter().map(|&x| f64::from(x)).collect();
            self.sum(&mut numbers);
            bucket.iter_mut().zip(numbers).for_each(|(x, sum)| *x = sum as f32);
        }
    }
}

/// What each of `count` threads answers that take each other for processes.
pub fn together<T: Send>(count: usize, work: impl Fn(&dyn Ranks) -> T + Sync) -> Vec<T> {
    let shared = Arc::new(Shared { sums: Mutex::default(), all_here: Barrier::new(count) });
    thread::scope(|scope| {
        let work = &work;
        let start = |rank| {
            let ranks = Thread { rank, count, shared: shared.clone() };
            scope.spawn(move || work(&ranks))
        };
        let threads: Vec<_> = (0..count).map(start).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

/// Trains with `count` threads, of which the one with number 1 wants to stop after `stop_after`.
pub fn among(
    count: usize,
    stage: Stage,
    config: &Path,
    stop_after: Option<u64>,
) -> Vec<Result<Outcome, TrainError>> {
    together(count, |ranks| {
        let options = Options { resume: true, ..Options::default() };
        let stop_after = stop_after.filter(|_| ranks.rank() == 1);
        let mut monitor = Counting { stop_after, ..Counting::default() };
        train_among(stage, config, &options, &mut monitor, ranks)
    })
}

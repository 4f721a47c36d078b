//! Ranks of an MPI job: `mpirun -n N aquatint train …`.

use std::cell::RefCell;
use std::mem;

use mpi::Threading;
use mpi::collective::SystemOperation;
use mpi::environment::Universe;
use mpi::request::{Request, RequestCollection, Scope, multiple_scope};
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives};

use super::{Buckets, Filled, Ranks};

/// All processes of the job. MPI ends when this is dropped.
pub struct Mpi {
    world: SimpleCommunicator,
    /// What a message is received in; kept, because touching new memory costs time.
    received: RefCell<Vec<Vec<f32>>>,
    _universe: Universe,
}

impl Mpi {
    /// Joins the job. None if MPI is running already.
    pub fn start() -> Option<Self> {
        // Other threads compute, but never call MPI.
        let (universe, _) = mpi::initialize_with_threading(Threading::Funneled)?;
        Some(Self { world: universe.world(), received: RefCell::default(), _universe: universe })
    }

    fn send<'a, S: Scope<'a>>(
        &self,
        scope: S,
        bucket: Option<(&'a mut [f32], &'a mut [f32])>,
    ) -> Request<'a, [f32], S> {
        let (sent, received) = bucket.expect("a bucket is sent once");
        self.world.immediate_all_reduce_into(scope, &*sent, received, SystemOperation::sum())
    }

    /// Ends all processes of the job at once: the others would wait for this one forever.
    pub fn abort(&self) -> ! {
        self.world.abort(1)
    }
}

impl Ranks for Mpi {
    fn rank(&self) -> usize {
        self.world.rank() as usize
    }

    fn count(&self) -> usize {
        self.world.size() as usize
    }

    fn sum(&self, numbers: &mut [f64]) {
        // MPI may return from an empty message at once, but whoever calls this wants to wait.
        let mine: Vec<f64> = numbers.iter().copied().chain([0.0]).collect();
        let mut all = vec![0.0; mine.len()];
        self.world.all_reduce_into(&mine[..], &mut all[..], SystemOperation::sum());
        numbers.copy_from_slice(&all[..numbers.len()]);
    }

    fn sum_during(&self, buckets: &mut Buckets, pass: &mut dyn FnMut(&mut Filled<'_>)) {
        let mut received = self.received.borrow_mut();
        received.resize(buckets.contents.len(), Vec::new());
        for (received, sent) in received.iter_mut().zip(&buckets.contents) {
            received.resize(sent.len(), 0.0);
        }
        let mut missing = buckets.counts();
        let mut sent = mem::take(&mut buckets.contents);
        multiple_scope(sent.len(), |scope, requests: &mut RequestCollection<'_, [f32]>| {
            let mut open: Vec<Option<(&mut [f32], &mut [f32])>> = sent
                .iter_mut()
                .zip(received.iter_mut())
                .map(|(sent, received)| Some((&mut sent[..], &mut received[..])))
                .collect();
            let mut done = Vec::new();
            // All processes send the buckets in one order, as MPI demands.
            let mut next = 0;
            pass(&mut |index, values| {
                let (bucket, range) = buckets.place(index);
                if let Some((sent, _)) = &mut open[bucket] {
                    sent[range].copy_from_slice(values);
                    missing[bucket] -= 1;
                }
                while missing.get(next) == Some(&0) {
                    requests.add(self.send(scope, open[next].take()));
                    next += 1;
                }
                // Messages only move while MPI is called.
                requests.test_all(&mut done);
            });
            for bucket in &mut open[next..] {
                requests.add(self.send(scope, bucket.take()));
            }
            requests.wait_all(&mut done);
        });
        buckets.contents = mem::replace(&mut *received, sent);
    }
}

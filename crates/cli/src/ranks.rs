//! The processes of an MPI job: `mpirun -n N aquatint train …`.

use aquatint_train::error::TrainError;
use aquatint_train::ranks::{Alone, Ranks};

use crate::failure::Failure;

/// What Open MPI, and MPICH with its relatives, tell a process: how many there are, and how many
/// on this machine.
const COUNTS: [[&str; 2]; 2] =
    [["OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"], ["PMI_SIZE", "MPI_LOCALNRANKS"]];

/// How many processes there are, and how many of them share this machine.
#[allow(clippy::disallowed_methods, reason = "mpirun has no other way to say it")]
pub fn counts() -> [usize; 2] {
    let of = |name: &str| std::env::var(name).ok()?.parse().ok();
    let said = COUNTS.iter().find_map(|[all, here]| Some([of(all)?, of(here).unwrap_or(1)]));
    said.map_or([1, 1], |said: [usize; 2]| said.map(|count| count.max(1)))
}

/// Threads for each of the processes that share this machine.
pub fn threads(wanted: Option<usize>) -> Option<usize> {
    let [_, here] = counts();
    let available = std::thread::available_parallelism().map_or(1, |n| n.get());
    let shared = || (num_cpus::get_physical() / here).clamp(1, available);
    wanted.or_else(|| (here > 1).then(shared))
}

/// Runs `work` together with the other processes of the job, or alone if there is none.
#[cfg(feature = "mpi")]
pub fn together<R>(work: impl FnOnce(&dyn Ranks) -> Result<R, TrainError>) -> Result<R, Failure> {
    let told = |error: TrainError| Failure::new(error.to_string());
    if counts()[0] == 1 {
        return work(&Alone).map_err(told);
    }
    let ranks = aquatint_train::ranks::Mpi::start();
    let ranks = ranks.ok_or_else(|| Failure::new("MPI cannot be started"))?;
    work(&ranks).map_err(|error| {
        let _ = told(error).report();
        ranks.abort()
    })
}

/// Runs `work` alone.
#[cfg(not(feature = "mpi"))]
pub fn together<R>(work: impl FnOnce(&dyn Ranks) -> Result<R, TrainError>) -> Result<R, Failure> {
    match counts()[0] {
        1 => work(&Alone).map_err(|error| Failure::new(error.to_string())),
        count => Err(Failure::new(format!(
            "this is one of {count} processes, but MPI is not built in: build with \
             `cargo build --release --features mpi`"
        ))),
    }
}

//! What the program asks the machine: threads, memory, chance.

use std::hash::{BuildHasher, Hasher, RandomState};

use crate::failure::Failure;

/// The most threads that make sense anywhere.
const MAX_THREADS: usize = 1024;

/// Starts the threads to compute with: `wanted`, or one for each physical core that this process
/// may use.
pub fn start_threads(wanted: Option<usize>) -> Result<(), Failure> {
    let available = std::thread::available_parallelism().map_or(1, |n| n.get());
    let threads = wanted.unwrap_or_else(|| num_cpus::get_physical().clamp(1, available));
    if !(1..=MAX_THREADS).contains(&threads) {
        let range = format!("it must be 1 to {MAX_THREADS}");
        return Err(Failure::new(format!("{threads} threads are not possible: {range}")));
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build_global()
        .map_err(|error| Failure::new(format!("{threads} threads cannot be started: {error}")))
}

/// Runs `work` on one of the computing threads, from where handing out work is cheap: a thread
/// outside has to be put to sleep and woken again for every operation, 8 % of a training step.
pub fn compute<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
}

/// The most memory that the process has had, in bytes; only Linux tells.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// The memory of the machine, in bytes; only Linux tells.
pub fn memory() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// A seed that nobody chose, short enough to be typed. It has 31 bits, so that a stream that takes
/// no more than 32 takes the seeds of the next pictures as well.
pub fn random_seed() -> u64 {
    // The standard library keys its hash tables from the system's source of randomness.
    RandomState::new().build_hasher().finish() >> 33
}

//! What the server asks the machine: the time, chance, memory.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as u64
}

/// A number that nobody can guess: the standard library keys its hash tables from the system's
/// source of randomness.
fn chance() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A name that nobody has.
pub fn new_id() -> String {
    format!("{:016x}", chance())
}

/// A seed that nobody chose, of 31 bits: every stream takes it, and the seeds of the next pictures.
pub fn random_seed() -> u64 {
    chance() >> 33
}

/// The memory that the process has now, in bytes; only Linux tells.
pub fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

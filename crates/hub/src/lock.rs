//! One process at a time fetches a blob: the lock files of the Python tools, locked as they do it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use crate::HubError;

/// The lock of one blob, given back when it is dropped, also by a process that is killed.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// Takes the lock; `wait` is asked once, before waiting for whoever holds it.
    ///
    /// # Errors
    /// Those of `wait`, and those of the file system. A file system that has no locks is none: a
    /// lock saves work, the sums keep the cache right.
    pub fn take(
        path: &Path,
        wait: impl FnOnce() -> Result<(), HubError>,
    ) -> Result<Self, HubError> {
        let file = open(path).map_err(|error| HubError::file(path, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                wait()?;
                match file.lock() {
                    Err(error) if error.kind() != io::ErrorKind::Unsupported => {
                        return Err(HubError::file(path, &error));
                    }
                    _ => {}
                }
            }
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(HubError::file(path, &error)),
        }
        Ok(Self(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file gives the lock back as well.
        let _ = self.0.unlock();
    }
}

fn open(path: &Path) -> io::Result<File> {
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_second_waits_for_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.lock");
        let first = Lock::take(&path, || panic!("nobody holds it")).unwrap();
        let (waits, waited) = mpsc::channel();
        let second = std::thread::spawn({
            let path = path.clone();
            move || {
                let told = waits.clone();
                let wait = || {
                    told.send("waits").expect("somebody listens");
                    Ok(())
                };
                drop(Lock::take(&path, wait).unwrap());
                waits.send("has it").expect("somebody listens");
            }
        });
        assert_eq!(waited.recv().unwrap(), "waits");
        assert!(waited.recv_timeout(Duration::from_millis(50)).is_err(), "it did not wait");
        drop(first);
        assert_eq!(waited.recv().unwrap(), "has it");
        second.join().unwrap();
    }

    #[test]
    fn whoever_does_not_want_to_wait_need_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.lock");
        let _first = Lock::take(&path, || Ok(())).unwrap();
        let second = Lock::take(&path, || Err(HubError::Stopped));
        assert!(matches!(second, Err(HubError::Stopped)));
    }
}

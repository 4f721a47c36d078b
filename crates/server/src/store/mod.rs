//! What must not be forgotten: jobs and the gallery in SQLite, pictures as files beside it.
//!
//! A job is on the disk before anybody is told that it was taken, and a picture before the row that
//! names it. So after `kill -9` there is at most a file without a row, which is removed, and jobs
//! that were not finished, which are done again.

mod gallery;
mod jobs;
mod pictures;
mod schema;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::MutexGuard;

use rusqlite::Connection;

pub use self::gallery::{Found, Picture};
pub(crate) use self::jobs::{Inputs, Row};
use crate::engine::lock;

/// Why something cannot be kept or found.
#[derive(Debug)]
pub enum StoreError {
    /// The database says so.
    Database(rusqlite::Error),
    /// The file system says so.
    Files(io::Error),
    /// Another server has the folder.
    Taken(PathBuf),
    /// The folder was written by a newer version of this program.
    Newer(i64),
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Database(error) => write!(f, "the database cannot be used: {error}"),
            Self::Files(error) => write!(f, "the data folder cannot be used: {error}"),
            Self::Taken(folder) => write!(
                f,
                "{} is in use by another server: end that one, or give another folder with --data",
                folder.display()
            ),
            Self::Newer(version) => write!(
                f,
                "the data folder was written by a newer version of this program (format \
                 {version}): update it, or give another folder with --data"
            ),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        Self::Files(error)
    }
}

/// A folder with the database and the pictures.
#[derive(Debug)]
pub struct Store {
    connection: Mutex<Connection>,
    pictures: PathBuf,
    /// Locked as long as this lives.
    _lock: File,
}

impl Store {
    /// Opens the folder, or makes one, and mends what a killed process left.
    ///
    /// # Errors
    /// If it cannot be used, or somebody else uses it.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let pictures = folder.join("pictures");
        fs::create_dir_all(&pictures)?;
        let lock = File::create(folder.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(StoreError::Taken(folder.into())),
            Err(fs::TryLockError::Error(error)) => return Err(error.into()),
        }
        let connection = schema::open(&folder.join("aquatint.sqlite"))?;
        let store = Self { connection: Mutex::new(connection), pictures, _lock: lock };
        store.mend()?;
        Ok(store)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        lock(&self.connection)
    }
}

#[cfg(test)]
mod tests;

//! The tables.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::StoreError;

/// What `user_version` of our databases is.
const VERSION: i64 = 1;

/// Times are milliseconds since 1970; seeds are the bits of unsigned numbers. `number` is the order
/// in which things came.
const TABLES: &str = "
    CREATE TABLE jobs (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        state TEXT NOT NULL,
        model TEXT NOT NULL,
        request TEXT NOT NULL,
        steps INTEGER NOT NULL,
        cost INTEGER NOT NULL,
        created INTEGER NOT NULL,
        started INTEGER,
        ended INTEGER,
        error TEXT
    );
    CREATE INDEX jobs_by_state ON jobs (state);
    CREATE TABLE inputs (
        job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        bytes BLOB NOT NULL,
        PRIMARY KEY (job, kind)
    );
    CREATE TABLE pictures (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        job TEXT NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        seed INTEGER NOT NULL,
        prompt TEXT NOT NULL,
        model TEXT NOT NULL,
        request TEXT NOT NULL,
        created INTEGER NOT NULL
    );
    CREATE INDEX pictures_by_job ON pictures (job);
";

/// Opens the database, and makes the tables in a new one.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // What was acknowledged must survive a power failure, too.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Large pictures that went with a job leave no large file behind.
    connection.pragma_update(None, "journal_size_limit", 8 << 20)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        VERSION => {}
        0 => {
            let transaction = connection.transaction()?;
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
            transaction.commit()?;
        }
        newer => return Err(StoreError::Newer(newer)),
    }
    Ok(connection)
}

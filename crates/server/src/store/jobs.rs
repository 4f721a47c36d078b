//! Jobs on the disk.

use rusqlite::{OptionalExtension, Row as SqlRow, params};
use serde_json::{Map, Value};

use super::{Store, StoreError};
use crate::engine::State;

/// The pictures that go with a job, as the bytes of files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inputs {
    pub init: Option<Vec<u8>>,
    pub mask: Option<Vec<u8>>,
}

/// A job as it is on the disk.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub id: String,
    pub state: State,
    pub model: String,
    pub request: Map<String, Value>,
    pub steps: usize,
    pub cost: u64,
    pub created: u64,
    pub started: Option<u64>,
    pub ended: Option<u64>,
    pub error: Option<String>,
}

const COLUMNS: &str = "id, state, model, request, steps, cost, created, started, ended, error";

fn row(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    let state: String = row.get(1)?;
    let request: String = row.get(3)?;
    let time = |column| row.get::<_, Option<i64>>(column);
    Ok(Row {
        id: row.get(0)?,
        // What this version cannot read is over.
        state: State::named(&state).unwrap_or(State::Failed),
        model: row.get(2)?,
        request: serde_json::from_str(&request).unwrap_or_default(),
        steps: row.get::<_, i64>(4)? as usize,
        cost: row.get::<_, i64>(5)? as u64,
        created: row.get::<_, i64>(6)? as u64,
        started: time(7)?.map(|time| time as u64),
        ended: time(8)?.map(|time| time as u64),
        error: row.get(9)?,
    })
}

impl Store {
    /// Keeps a new job and what goes with it. When this returns, it is on the disk.
    pub(crate) fn add_job(&self, row: &Row, inputs: &Inputs) -> Result<(), StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let request = Value::Object(row.request.clone()).to_string();
        transaction.execute(
            "INSERT INTO jobs (id, state, model, request, steps, cost, created)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                row.id,
                row.state.name(),
                row.model,
                request,
                row.steps as i64,
                row.cost as i64,
                row.created as i64
            ],
        )?;
        for (kind, bytes) in [("init", &inputs.init), ("mask", &inputs.mask)] {
            if let Some(bytes) = bytes {
                let sql = "INSERT INTO inputs (job, kind, bytes) VALUES (?1, ?2, ?3)";
                transaction.execute(sql, params![row.id, kind, bytes])?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// Says that the work has begun.
    pub(crate) fn start_job(&self, id: &str, started: u64) -> Result<(), StoreError> {
        let sql = "UPDATE jobs SET state = 'running', started = ?2 WHERE id = ?1";
        self.connection().execute(sql, params![id, started as i64])?;
        Ok(())
    }

    /// Says how a job ended, which needs nothing that went with it any more.
    pub(crate) fn end_job(
        &self,
        id: &str,
        state: State,
        ended: u64,
        error: Option<&str>,
    ) -> Result<(), StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let sql = "UPDATE jobs SET state = ?2, ended = ?3, error = ?4 WHERE id = ?1";
        transaction.execute(sql, params![id, state.name(), ended as i64, error])?;
        transaction.execute("DELETE FROM inputs WHERE job = ?1", [id])?;
        Ok(transaction.commit()?)
    }

    /// The pictures that went with a job.
    pub(crate) fn inputs(&self, id: &str) -> Result<Inputs, StoreError> {
        let connection = self.connection();
        let sql = "SELECT bytes FROM inputs WHERE job = ?1 AND kind = ?2";
        let bytes =
            |kind| connection.query_row(sql, params![id, kind], |row| row.get(0)).optional();
        Ok(Inputs { init: bytes("init")?, mask: bytes("mask")? })
    }

    /// The job of that name.
    pub(crate) fn job(&self, id: &str) -> Result<Option<Row>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM jobs WHERE id = ?1");
        Ok(self.connection().query_row(&sql, [id], row).optional()?)
    }

    /// Those that wait or were worked at, in the order they came in.
    pub(crate) fn unfinished_jobs(&self) -> Result<Vec<Row>, StoreError> {
        let states = "state IN ('queued', 'running')";
        self.jobs(&format!("SELECT {COLUMNS} FROM jobs WHERE {states} ORDER BY number"))
    }

    /// The last that ended, the oldest first.
    pub(crate) fn ended_jobs(&self, most: usize) -> Result<Vec<Row>, StoreError> {
        let states = "state NOT IN ('queued', 'running')";
        let sql = format!(
            "SELECT {COLUMNS} FROM jobs WHERE {states} ORDER BY ended DESC, number DESC LIMIT {most}"
        );
        let mut rows = self.jobs(&sql)?;
        rows.reverse();
        Ok(rows)
    }

    fn jobs(&self, sql: &str) -> Result<Vec<Row>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare(sql)?;
        let rows = statement.query_map([], row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

//! Finished pictures: what is known of them, and what is found.

use rusqlite::{OptionalExtension, Row as SqlRow, params};
use serde_json::{Map, Value, json};

use super::{Store, StoreError};
use crate::engine::Made;

/// A picture of the gallery.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// What came of which noise, and how large it is.
    pub made: Made,
    /// What it was to show.
    pub prompt: String,
    /// The model's name.
    pub model: String,
    /// When it was made, in milliseconds since 1970.
    pub created: u64,
    /// The job's name.
    pub job: String,
    /// What was asked for, with this picture's seed.
    pub request: Map<String, Value>,
}

impl Picture {
    /// What is said of it.
    pub fn json(&self) -> Value {
        let mut json = self.made.json();
        json["prompt"] = json!(self.prompt);
        json["model"] = json!(self.model);
        json["created"] = json!(self.created);
        json["job"] = json!(self.job);
        json["request"] = json!(self.request);
        json
    }
}

/// Some pictures of the gallery.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The newest first.
    pub pictures: Vec<Picture>,
    /// The last of them, if there are more.
    pub next: Option<String>,
}

const COLUMNS: &str = "id, width, height, seed, prompt, model, created, job, request";

fn picture(row: &SqlRow<'_>) -> rusqlite::Result<Picture> {
    let request: String = row.get(8)?;
    let number = |column| row.get::<_, i64>(column);
    Ok(Picture {
        made: Made {
            id: row.get(0)?,
            width: number(1)? as usize,
            height: number(2)? as usize,
            seed: number(3)? as u64,
        },
        prompt: row.get(4)?,
        model: row.get(5)?,
        created: number(6)? as u64,
        job: row.get(7)?,
        request: serde_json::from_str(&request).unwrap_or_default(),
    })
}

impl Store {
    /// Puts a picture into the gallery. Its file must be on the disk already. One that is there
    /// since before a restart stays as it is.
    pub(crate) fn add_picture(&self, picture: &Picture) -> Result<(), StoreError> {
        let Picture { made, prompt, model, created, job, request } = picture;
        self.connection().execute(
            "INSERT INTO pictures (id, width, height, seed, prompt, model, created, job, request)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (id) DO NOTHING",
            params![
                made.id,
                made.width as i64,
                made.height as i64,
                made.seed as i64,
                prompt,
                model,
                *created as i64,
                job,
                Value::Object(request.clone()).to_string()
            ],
        )?;
        Ok(())
    }

    /// The picture of that name.
    ///
    /// # Errors
    /// Those of the database.
    pub fn picture(&self, id: &str) -> Result<Option<Picture>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM pictures WHERE id = ?1");
        Ok(self.connection().query_row(&sql, [id], picture).optional()?)
    }

    /// The pictures of a job, in order.
    pub(crate) fn pictures_of(&self, job: &str) -> Result<Vec<Made>, StoreError> {
        let connection = self.connection();
        let sql = format!("SELECT {COLUMNS} FROM pictures WHERE job = ?1 ORDER BY number");
        let mut statement = connection.prepare(&sql)?;
        let found = statement.query_map([job], picture)?;
        Ok(found.map(|picture| Ok(picture?.made)).collect::<Result<_, rusqlite::Error>>()?)
    }

    /// The newest pictures, or those older than the picture `before`, whose prompts have every word
    /// of `search`.
    ///
    /// # Errors
    /// Those of the database.
    pub fn search(
        &self,
        search: &str,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Found, StoreError> {
        let mut sql = format!("SELECT {COLUMNS} FROM pictures WHERE 1");
        let mut values: Vec<String> = Vec::new();
        if let Some(before) = before {
            // A picture that was deleted meanwhile has nothing before it, rather than everything.
            sql += " AND number < (SELECT number FROM pictures WHERE id = ?)";
            values.push(before.into());
        }
        for word in search.split_whitespace().take(16) {
            sql += " AND prompt LIKE ? ESCAPE '\\'";
            let escaped = word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            values.push(format!("%{escaped}%"));
        }
        sql += &format!(" ORDER BY number DESC LIMIT {}", limit + 1);
        let connection = self.connection();
        let mut statement = connection.prepare(&sql)?;
        let found = statement.query_map(rusqlite::params_from_iter(values), picture)?;
        let mut pictures: Vec<Picture> = found.collect::<Result<_, _>>()?;
        let more = pictures.len() > limit;
        pictures.truncate(limit);
        let next = pictures.last().filter(|_| more).map(|picture| picture.made.id.clone());
        Ok(Found { pictures, next })
    }

    /// Takes a picture out of the gallery, and says whether there was one.
    ///
    /// # Errors
    /// Those of the database.
    pub fn delete_picture(&self, id: &str) -> Result<bool, StoreError> {
        let removed = self.connection().execute("DELETE FROM pictures WHERE id = ?1", [id])?;
        if removed > 0 {
            self.remove_file(id);
        }
        Ok(removed > 0)
    }

    /// The names of all.
    pub(super) fn picture_ids(&self) -> Result<Vec<String>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare("SELECT id FROM pictures")?;
        let ids = statement.query_map([], |row| row.get(0))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }

    /// Forgets a picture that has no file any more.
    pub(super) fn forget_picture(&self, id: &str) -> Result<(), StoreError> {
        self.connection().execute("DELETE FROM pictures WHERE id = ?1", [id])?;
        Ok(())
    }
}

//! Where the bytes of a picture are.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::source::columns::Cell;
pub use super::source::columns::Cursor;

/// The longest picture that is read: 512 MiB.
const MOST_BYTES: u64 = 1 << 29;

/// Where the bytes of a picture are; none are in memory.
#[derive(Clone, Debug)]
pub enum Place {
    /// A file of its own.
    File(PathBuf),
    /// Bytes of a file, such as an archive.
    Part {
        /// The file.
        file: Arc<Path>,
        /// The first byte.
        offset: u64,
        /// How many there are.
        length: u64,
    },
    /// A row of a Parquet file.
    Cell(Cell),
    /// Nowhere, for this reason: a sentence for after its name.
    Nowhere(String),
}

impl Place {
    /// The bytes. Who reads several gives the same cursor, and reads them in their order.
    ///
    /// # Errors
    /// The reason why there are none, for after the name of the picture.
    pub fn read(&self, cursor: &mut Cursor) -> Result<Vec<u8>, String> {
        match self {
            Self::File(path) => part(path, 0, MOST_BYTES + 1).and_then(|bytes| {
                let long = bytes.len() as u64 > MOST_BYTES;
                if long { Err("it is larger than 512 MiB".into()) } else { Ok(bytes) }
            }),
            Self::Part { length, .. } if *length > MOST_BYTES => {
                Err("it is larger than 512 MiB".into())
            }
            Self::Part { file, offset, length } => part(file, *offset, *length),
            Self::Cell(cell) => cell.read(cursor),
            Self::Nowhere(reason) => Err(reason.clone()),
        }
    }
}

/// The bytes of a file from `offset` on, at most `length`.
fn part(path: &Path, offset: u64, length: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|mut file| {
            file.seek(SeekFrom::Start(offset))?;
            file.take(length).read_to_end(&mut bytes)
        })
        .map_err(|error| {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or_default().to_lowercase()
        })?;
    Ok(bytes)
}

//! Parquet files with a column of pictures, as Hugging Face's `datasets` writes them (a struct of
//! `bytes` and `path`), or of bytes alone, or of the names of files.

mod rows;
mod schema;

use std::fmt;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::serialized_reader::SerializedPageReader;

use self::rows::Columns;
use crate::data::Sample;
use crate::data::place::Place;
use crate::error::TrainError;

/// The bytes of a picture in a row of a file.
#[derive(Clone)]
pub struct Cell {
    file: Arc<Path>,
    metadata: Arc<ParquetMetaData>,
    group: usize,
    column: usize,
    /// Counted from the group's first.
    row: usize,
    /// The file that is meant where there are no bytes.
    beside: Option<PathBuf>,
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, row {} of group {}", self.file.display(), self.row, self.group)
    }
}

/// A column at the row after the one that was read last, so that the next is near.
#[derive(Default)]
pub struct Cursor(Option<At>);

struct At {
    file: Arc<Path>,
    group: usize,
    row: usize,
    reader: ColumnReaderImpl<ByteArrayType>,
}

impl Cell {
    /// The bytes of the picture: only the pages between the cursor and it are looked at, or those
    /// that lead to it.
    ///
    /// # Errors
    /// The reason why there are none, for after the name of the picture.
    pub fn read(&self, cursor: &mut Cursor) -> Result<Vec<u8>, String> {
        // After an error there is no cursor.
        let before = cursor.0.take();
        let bytes = guarded(|| {
            let mut at = self.reached(before)?;
            let (mut values, mut levels) = (Vec::<ByteArray>::new(), Vec::new());
            at.reader.read_records(1, Some(&mut levels), None, &mut values)?;
            at.row += 1;
            cursor.0 = Some(at);
            Ok(values.first().map(|bytes| bytes.data().to_vec()))
        })?;
        match (bytes, &self.beside) {
            (Some(bytes), _) => Ok(bytes),
            (None, Some(path)) => Place::File(path.clone()).read(cursor),
            (None, None) => Err("its row has no bytes".into()),
        }
    }

    /// The column at this row.
    fn reached(&self, before: Option<At>) -> Result<At, ParquetError> {
        let same = |at: &At| at.group == self.group && at.row <= self.row && at.file == self.file;
        let mut at = match before.filter(same) {
            Some(at) => at,
            None => {
                let file = Arc::new(File::open(&self.file)?);
                let group = self.metadata.row_group(self.group);
                let column = group.column(self.column);
                let rows = usize::try_from(group.num_rows()).unwrap_or_default();
                let pages = SerializedPageReader::new(file, column, rows, None)?;
                let reader = ColumnReaderImpl::new(column.column_descr_ptr(), Box::new(pages));
                At { file: self.file.clone(), group: self.group, row: 0, reader }
            }
        };
        at.reader.skip_records(self.row - at.row)?;
        at.row = self.row;
        Ok(at)
    }
}

/// The rows of all files. What is in the folder's name of a file, `train-00000-of-00002.parquet`,
/// is the part of its rows, unless they say it themselves.
///
/// # Errors
/// If one is no Parquet file, or has no column of pictures or none of captions.
pub fn read(files: &[PathBuf]) -> Result<Vec<Sample>, TrainError> {
    let mut samples = Vec::new();
    for path in files {
        let failed = |reason: String| {
            TrainError::Data(format!("{} cannot be used: {reason}", path.display()))
        };
        let file = Arc::new(File::open(path).map_err(TrainError::io(path))?);
        let metadata = guarded(|| ParquetMetaDataReader::new().parse_and_finish(&*file));
        let columns = Columns::of(path, Arc::new(metadata.map_err(failed)?))?;
        for group in 0..columns.metadata.num_row_groups() {
            let rows = guarded(|| columns.group(group, &file));
            samples.extend(rows.map_err(failed)?);
        }
    }
    Ok(samples)
}

/// What `work` answers. The reader of pages panics at some damaged ones.
fn guarded<T>(work: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(answer) => answer.map_err(|error| reason(&error)),
        Err(_) => Err("it is damaged".into()),
    }
}

/// What went wrong, as the middle of a sentence.
fn reason(error: &ParquetError) -> String {
    match error {
        ParquetError::General(text) | ParquetError::EOF(text) => text.clone(),
        ParquetError::NYI(text) => {
            format!("{text}; write it again with Snappy or without compression")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;

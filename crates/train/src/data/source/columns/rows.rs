//! The rows of a Parquet file: which of its columns is what, and what a row says.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::ReaderProperties;
use parquet::file::serialized_reader::SerializedRowGroupReader;
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use parquet::schema::types::Type;
use serde_json::{Map, Value};

use super::Cell;
use super::schema::{is_raw, said};
use crate::data::Sample;
use crate::data::metadata::Line;
use crate::data::place::Place;
use crate::data::source::{CAPTIONS, PICTURES};
use crate::error::TrainError;

/// The names of a column with pictures besides [`PICTURES`].
const BYTES: [&str; 6] = ["img", "picture", "jpg", "jpeg", "png", "webp"];

/// The columns of a file that are read.
pub(super) struct Columns {
    path: PathBuf,
    file: Arc<Path>,
    pub metadata: Arc<ParquetMetaData>,
    /// The name of the column of pictures.
    name: String,
    /// The number of that with their bytes, if there are any.
    bytes: Option<usize>,
    /// Everything but bytes.
    said: Type,
    /// The part that the name of the file says.
    split: Option<&'static str>,
}

impl Columns {
    pub fn of(path: &Path, metadata: Arc<ParquetMetaData>) -> Result<Self, TrainError> {
        let schema = metadata.file_metadata().schema_descr();
        let root = schema.root_schema();
        let names: Vec<&str> = root.get_fields().iter().map(|field| field.name()).collect();
        let find = |wanted: &[&str], what: &str| {
            let found = wanted.iter().find_map(|name| names.iter().position(|n| n == name));
            found.ok_or_else(|| {
                TrainError::Data(format!(
                    "{}: no column is called {}, which {what} should be; there are: {}",
                    path.display(),
                    wanted.join(" or "),
                    names.join(", ")
                ))
            })
        };
        // Where there are both, the pictures themselves are in the one that is called so.
        let pictures = [&["image"][..], &BYTES, &PICTURES].concat();
        let picture = &root.get_fields()[find(&pictures, "the pictures")?];
        find(&CAPTIONS, "the captions")?;
        let wanted = match picture.is_group() {
            true => vec![picture.name(), "bytes"],
            false => vec![picture.name()],
        };
        let bytes = schema.columns().iter().position(|column| {
            column.path().parts() == wanted && column.max_rep_level() == 0 && is_raw(column)
        });
        let split = ["train", "validation", "test"].into_iter().find(|part| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            name.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        });
        Ok(Self {
            path: path.to_path_buf(),
            file: path.into(),
            name: picture.name().to_owned(),
            bytes,
            said: said(root, picture),
            split,
            metadata: metadata.clone(),
        })
    }

    /// The rows of a group.
    pub fn group(&self, group: usize, file: &Arc<File>) -> Result<Vec<Sample>, ParquetError> {
        let properties = Arc::new(ReaderProperties::builder().build());
        let indices = self.metadata.page_index_for_row_group(group);
        let described = self.metadata.row_group(group);
        let reader = SerializedRowGroupReader::new(file.clone(), described, indices, properties)?;
        let before: i64 = (0..group).map(|g| self.metadata.row_group(g).num_rows()).sum();
        let rows = RowIter::from_row_group(Some(self.said.clone()), &reader)?;
        let number = |row: usize| before.saturating_add(row as i64);
        let sample = |(row, said): (usize, Result<Row, _>)| {
            said.map(|said| self.sample(group, row, number(row), said))
        };
        rows.enumerate().map(sample).collect()
    }

    fn sample(&self, group: usize, row: usize, number: i64, said: Row) -> Sample {
        let (mut fields, mut path) = (Map::new(), None);
        for (name, field) in said.into_columns() {
            match (name == self.name, field) {
                (true, Field::Str(text)) => path = Some(text),
                (true, Field::Group(inside)) => {
                    let inside = inside.into_columns().into_iter();
                    path = inside.filter_map(|(_, field)| text(field)).next();
                }
                (_, field) => {
                    fields.extend(value(field).map(|value| (name, value)));
                }
            }
        }
        if let Some(split) = self.split {
            fields.entry("split").or_insert(split.into());
        }
        let path = path.filter(|path| !path.is_empty());
        let beside = path.as_ref().map(|path| self.path.with_file_name(path));
        let place = match (self.bytes, beside) {
            (Some(column), beside) => {
                let (file, metadata) = (self.file.clone(), self.metadata.clone());
                Place::Cell(Cell { file, metadata, group, column, row, beside })
            }
            (None, Some(path)) => Place::File(path),
            (None, None) => Place::Nowhere("its row has no picture".into()),
        };
        // Other columns name the picture where its own does not.
        let other = ["file_name", "filename", "__key__"].into_iter();
        let named = path.or_else(|| {
            other.filter_map(|key| fields.get(key)?.as_str().map(str::to_owned)).next()
        });
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let file_name = named.unwrap_or_else(|| format!("{stem}, row {}", number + 1));
        Sample { line: Line::of(file_name, fields), place }
    }
}

fn text(field: Field) -> Option<String> {
    match field {
        Field::Str(text) => Some(text),
        _ => None,
    }
}

/// What a cell says; nothing where it is empty.
fn value(field: Field) -> Option<Value> {
    Some(match field {
        Field::Str(text) => text.into(),
        // Some writers forget to say that a caption is text.
        Field::Bytes(bytes) => String::from_utf8(bytes.data().to_vec()).ok()?.into(),
        Field::Bool(x) => x.into(),
        Field::Byte(x) => x.into(),
        Field::Short(x) => x.into(),
        Field::Int(x) => x.into(),
        Field::Long(x) => x.into(),
        Field::UByte(x) => x.into(),
        Field::UShort(x) => x.into(),
        Field::UInt(x) => x.into(),
        Field::ULong(x) => x.into(),
        Field::Float(x) => x.into(),
        Field::Double(x) => x.into(),
        Field::ListInternal(list) => {
            list.elements().iter().cloned().filter_map(value).collect::<Vec<_>>().into()
        }
        _ => return None,
    })
}

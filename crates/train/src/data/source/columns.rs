//! Parquet files with a column of pictures, as Hugging Face's `datasets` writes them (a struct of
//! `bytes` and `path`), or of bytes alone, or of the names of files.

use std::fmt;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::ReaderProperties;
use parquet::file::serialized_reader::{SerializedPageReader, SerializedRowGroupReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use parquet::schema::types::{Type, TypePtr};
use serde_json::{Map, Value};

use super::{CAPTIONS, PICTURES};
use crate::data::Sample;
use crate::data::metadata::Line;
use crate::data::place::Place;
use crate::error::TrainError;

/// The names of a column with pictures besides [`PICTURES`].
const BYTES: [&str; 6] = ["img", "picture", "jpg", "jpeg", "png", "webp"];

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

/// The columns of a file that are read.
struct Columns {
    path: PathBuf,
    file: Arc<Path>,
    metadata: Arc<ParquetMetaData>,
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
    fn of(path: &Path, metadata: Arc<ParquetMetaData>) -> Result<Self, TrainError> {
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
            column.path().parts() == wanted && column.max_rep_level() == 0 && column_is_raw(column)
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
    fn group(&self, group: usize, file: &Arc<File>) -> Result<Vec<Sample>, ParquetError> {
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

/// The schema without what may be large: bytes, and structs other than that of the picture, of
/// which the path is left.
fn said(root: &Type, picture: &TypePtr) -> Type {
    let kept = root.get_fields().iter().filter_map(|field| {
        if field.name() != picture.name() {
            return has_texts_only(field).then(|| field.clone());
        }
        if !field.is_group() {
            return is_text(field).then(|| field.clone());
        }
        let path = field.get_fields().iter().find(|inner| inner.name() == "path" && is_text(inner));
        let alone = Type::group_type_builder(field.name())
            .with_repetition(field.get_basic_info().repetition())
            .with_fields(vec![path?.clone()]);
        alone.build().ok().map(Arc::new)
    });
    let kept = kept.collect();
    let built = Type::group_type_builder(root.name()).with_fields(kept).build();
    built.expect("a part of a schema is one")
}

/// Whether it is one value or a list of them, and none is of raw bytes.
fn has_texts_only(field: &Type) -> bool {
    if field.is_primitive() {
        return !is_bytes(field) || is_text(field) || CAPTIONS.contains(&field.name());
    }
    let list = field.get_basic_info().converted_type() == ConvertedType::LIST;
    let inside = |group: &Type| group.get_fields().iter().all(|inner| leaves_are_texts(inner));
    list && inside(field)
}

fn leaves_are_texts(field: &Type) -> bool {
    match field.is_primitive() {
        true => !is_bytes(field) || is_text(field),
        false => field.get_fields().iter().all(|inner| leaves_are_texts(inner)),
    }
}

fn is_bytes(field: &Type) -> bool {
    matches!(field.get_physical_type(), Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY)
}

fn is_text(field: &Type) -> bool {
    let info = field.get_basic_info();
    let named = matches!(info.logical_type_ref(), Some(LogicalType::String));
    field.is_primitive() && (named || info.converted_type() == ConvertedType::UTF8)
}

fn column_is_raw(column: &parquet::schema::types::ColumnDescriptor) -> bool {
    column.physical_type() == Physical::BYTE_ARRAY && !is_text(column.self_type())
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

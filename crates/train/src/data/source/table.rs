//! Tables of pictures and captions: `.csv`, `.tsv`, and the `metadata.csv` of Hugging Face's
//! `imagefolder`.

use std::path::Path;

use csv::{ReaderBuilder, StringRecord};
use serde_json::{Map, Value};

use super::{CAPTIONS, PICTURES, extension};
use crate::data::Sample;
use crate::data::metadata::Line;
use crate::data::place::Place;
use crate::error::TrainError;

/// The rows of a table; files of pictures are named relative to it.
///
/// # Errors
/// If it is no table, or has no column of pictures or none of captions.
pub fn read(path: &Path) -> Result<Vec<Sample>, TrainError> {
    let delimiter = if extension(path) == "tsv" { b'\t' } else { b',' };
    let failed = |error: csv::Error| {
        let line = error.position().map_or(String::new(), |at| format!(", line {}", at.line()));
        let reason = match error.kind() {
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                format!("it has {len} fields, and the first line has {expected_len}")
            }
            csv::ErrorKind::Utf8 { .. } => "it is not UTF-8".to_owned(),
            _ => error.to_string(),
        };
        TrainError::Data(format!("{}{line}: {reason}", path.display()))
    };
    let mut reader = ReaderBuilder::new().delimiter(delimiter).from_path(path).map_err(failed)?;
    let names: Vec<String> =
        reader.headers().map_err(failed)?.iter().map(|name| name.trim().to_owned()).collect();
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
    let picture = find(&PICTURES, "the files of pictures")?;
    find(&CAPTIONS, "the captions")?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let sample = |row: StringRecord| {
        let file_name = row[picture].to_owned();
        let cells = names.iter().zip(&row).enumerate().filter(|(column, _)| *column != picture);
        // An empty cell says nothing.
        let said = cells.filter(|(_, (_, cell))| !cell.is_empty());
        let fields: Map<String, Value> =
            said.map(|(_, (name, cell))| (name.clone(), Value::from(cell))).collect();
        let place = Place::File(folder.join(&file_name));
        Sample { line: Line::of(file_name, fields), place }
    };
    reader.records().map(|row| row.map(sample).map_err(failed)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn table(name: &str, text: &str) -> Result<Vec<Line>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let samples = read(&path).map_err(|error| error.to_string())?;
        Ok(samples.into_iter().map(|sample| sample.line).collect())
    }

    #[test]
    fn quotes_tabs_and_a_mark_at_the_beginning() {
        let rows = "\u{feff}image,caption,tags,style_word\na.png,\"a cat, sitting\",\"x,y\",noto\n\
                    sub/b.png,\"two\nlines\",,\n";
        let lines = table("t.csv", rows).unwrap();
        assert_eq!(
            (lines[0].file_name.as_str(), lines[0].text.as_str()),
            ("a.png", "a cat, sitting")
        );
        assert_eq!(
            (&lines[0].tags[..], lines[0].style_word.as_deref()),
            (&["x".into(), "y".into()][..], Some("noto"))
        );
        assert_eq!((lines[1].text.as_str(), &lines[1].style_word), ("two\nlines", &None));
        let lines = table("t.tsv", "path\ttext\tgroup\nc.png\ta, b\t7\n").unwrap();
        assert_eq!((lines[0].text.as_str(), &lines[0].others["group"]), ("a, b", &"7".into()));
    }

    #[test]
    fn what_is_no_table_is_said() {
        let said = |text: &str| table("t.csv", text).unwrap_err();
        let columns = "no column is called text or caption, which the captions should be; there are: \
                       image, words";
        assert!(said("image,words\na,b\n").ends_with(columns));
        assert!(said("a,b\n").contains("no column is called file_name or image or path"));
        let lengths = "t.csv, line 3: it has 3 fields, and the first line has 2";
        assert!(
            said("image,text\na,b\na,b,c\n").ends_with(lengths),
            "{}",
            said("image,text\na,b\na,b,c\n")
        );
        assert!(said("").contains("no column is called"));
    }
}

//! WebDataset's shards: tar archives in which the files of one picture follow each other and begin
//! with the same key, `KEY.jpg` and `KEY.txt` or `KEY.json`.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aquatint_pipeline::{PictureFormat, Tar, TarEntry};
use serde_json::{Map, Value};

use super::CAPTIONS;
use crate::data::Sample;
use crate::data::metadata::Line;
use crate::data::place::Place;
use crate::error::TrainError;

/// The longest text of a picture: 1 MiB.
const LONGEST: u64 = 1 << 20;

/// The pictures of all archives. One without a caption is a picture that cannot be read.
///
/// # Errors
/// If an archive is damaged, or there is no picture.
pub fn read(files: &[PathBuf]) -> Result<Vec<Sample>, TrainError> {
    let mut samples = Vec::new();
    for path in files {
        let failed = |error: std::io::Error| {
            TrainError::Data(format!("{} cannot be used: {error}", path.display()))
        };
        let file = File::open(path).map_err(TrainError::io(path))?;
        let mut tar = Tar::new(BufReader::new(file)).map_err(failed)?;
        let shard: Arc<Path> = path.as_path().into();
        let mut open = Gathered::default();
        while let Some(entry) = tar.next_entry().map_err(failed)? {
            let Some((key, end)) = key(&entry.name) else { continue };
            if key != open.key {
                samples.extend(std::mem::take(&mut open).sample(&shard));
                open.key = key.to_owned();
            }
            match end.as_str() {
                "txt" | "json" if entry.size > LONGEST => {
                    open.wrong = Some(format!("its .{end} is longer than 1 MiB"));
                }
                "txt" => {
                    let text = tar.bytes(&entry).map_err(failed)?;
                    open.text = Some(String::from_utf8_lossy(&text).trim().to_owned());
                }
                "json" => match serde_json::from_slice(&tar.bytes(&entry).map_err(failed)?) {
                    Ok(Value::Object(fields)) => open.fields = fields,
                    Ok(_) => open.wrong = Some("its .json is no object".into()),
                    Err(error) => open.wrong = Some(format!("its .json is none: {error}")),
                },
                _ if PictureFormat::of_path(Path::new(&entry.name)).is_some() => {
                    open.picture.get_or_insert(entry);
                }
                _ => {}
            }
        }
        samples.extend(open.sample(&shard));
    }
    if samples.is_empty() {
        let first = files.first().map_or(String::new(), |path| path.display().to_string());
        return Err(TrainError::Data(format!(
            "{first}: there are no pictures in it; a shard needs KEY.jpg, .png or .webp, each with \
             KEY.txt or KEY.json beside it"
        )));
    }
    Ok(samples)
}

/// The name up to the first dot after its folders, and what comes after the last, in small letters.
fn key(name: &str) -> Option<(&str, String)> {
    let file = name.rfind('/').map_or(0, |slash| slash + 1);
    let dot = file + name[file..].find('.')?;
    let end = name[name.rfind('.')? + 1..].to_lowercase();
    (dot > file).then_some((&name[..dot], end))
}

/// The files of one key.
#[derive(Default)]
struct Gathered {
    key: String,
    picture: Option<TarEntry>,
    text: Option<String>,
    fields: Map<String, Value>,
    /// Why it cannot be used.
    wrong: Option<String>,
}

impl Gathered {
    fn sample(mut self, shard: &Arc<Path>) -> Option<Sample> {
        let TarEntry { name, offset, size } = self.picture?;
        if let Some(text) = self.text {
            self.fields.insert("text".into(), text.into());
        }
        if !CAPTIONS.iter().any(|caption| self.fields.contains_key(*caption)) {
            let missing = "it has no caption: no .txt beside it, and no `caption` in a .json";
            self.wrong.get_or_insert(missing.into());
        }
        let place = match self.wrong {
            Some(reason) => Place::Nowhere(reason),
            None => Place::Part { file: shard.clone(), offset, length: size },
        };
        Some(Sample { line: Line::of(name, self.fields), place })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::data::place::Cursor;

    /// What is said of a picture, and its bytes.
    type Told = (Line, Result<Vec<u8>, String>);

    /// What is in a shard of these files.
    fn shard(files: &[(&str, &[u8])]) -> Result<Vec<Told>, String> {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            archive.append_data(&mut header, name, *bytes).unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.tar");
        fs::write(&path, archive.into_inner().unwrap()).unwrap();
        let samples = read(&[path]).map_err(|error| error.to_string())?;
        Ok(samples.into_iter().map(|s| (s.line, s.place.read(&mut Cursor::default()))).collect())
    }

    #[test]
    fn files_of_one_key_belong_together() {
        let long = format!("{}/d.webp", "x".repeat(120));
        let long_text = format!("{}/d.txt", "x".repeat(120));
        let found = shard(&[
            ("a/1.jpg", b"one"),
            ("a/1.txt", b" a cat\n"),
            ("a/1.json", br#"{"caption": "not this", "label": "cat", "tags": ["x"]}"#),
            ("b/1.cls", b"7"),
            ("b/1.json", br#"{"caption": "a dog"}"#),
            ("b/1.PNG", b"two"),
            (&long, b"four"),
            (&long_text, b"long"),
            (".DS_Store", b"-"),
        ])
        .unwrap();
        let said: Vec<(&str, &str, &[u8])> = found
            .iter()
            .map(|(line, bytes)| {
                let bytes = bytes.as_ref().unwrap();
                (line.file_name.as_str(), line.text.as_str(), bytes.as_slice())
            })
            .collect();
        let wanted: [(&str, &str, &[u8]); 3] =
            [("a/1.jpg", "a cat", b"one"), ("b/1.PNG", "a dog", b"two"), (&long, "long", b"four")];
        assert_eq!(said, wanted);
        assert_eq!(
            (found[0].0.label.as_deref(), &found[0].0.tags[..]),
            (Some("cat"), &["x".into()][..])
        );
    }

    #[test]
    fn what_is_missing_is_said_of_each_picture() {
        let found =
            shard(&[("1.jpg", b"one"), ("2.jpg", b"two"), ("2.json", b"{"), ("3.txt", b"x")]);
        let found = found.unwrap();
        let said: Vec<&String> =
            found.iter().map(|(_, bytes)| bytes.as_ref().unwrap_err()).collect();
        assert!(said[0].starts_with("it has no caption: no .txt"), "{said:?}");
        assert!(said[1].starts_with("its .json is none: EOF"), "{said:?}");
        assert_eq!(said.len(), 2);
        assert!(shard(&[("1.txt", b"x")]).unwrap_err().contains("there are no pictures in it"));
    }

    #[test]
    fn a_shard_that_ends_early_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.tar");
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(9);
        archive.append_data(&mut header, "a.png", &b"123456789"[..]).unwrap();
        let bytes = archive.into_inner().unwrap();
        fs::write(&path, &bytes[..600]).unwrap();
        let message = read(&[path]).unwrap_err().to_string();
        assert!(message.ends_with("it is no whole tar archive: it ends early"), "{message}");
    }
}

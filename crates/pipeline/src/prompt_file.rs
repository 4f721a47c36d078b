//! Files of many wishes: one prompt a line, or one request a row.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::{GenerateRequest, RequestError};

/// The most rows that are read.
pub const MAX_ROWS: usize = 100_000;
/// The largest file, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// One wish of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptRow {
    /// Where it begins in the file, from 1.
    pub line: usize,
    /// What is asked for: what the row does not say is as in the request given besides the file.
    pub request: GenerateRequest,
}

/// Why a file cannot be followed.
#[derive(Debug, thiserror::Error)]
#[error("{file}{place}: {reason}")]
pub struct PromptFileError {
    file: String,
    place: String,
    reason: String,
}

/// The wishes in a file, every one of them possible as far as can be said without a model.
///
/// The ending of its name says how it is written:
/// * `.csv`: a first line with the names of [`GenerateRequest`]'s fields, `prompt` among them; an
///   empty cell says nothing;
/// * `.jsonl`: one object a line with such fields;
/// * anything else: one prompt a line. Empty lines and those that begin with `#` say nothing.
///
/// # Errors
/// If the file cannot be read, or a row is not as it should be, or not possible: the line is named.
pub fn read_prompts(
    path: &Path,
    base: &GenerateRequest,
) -> Result<Vec<PromptRow>, PromptFileError> {
    let file = File { path: path.to_owned() };
    let size = fs::metadata(path).map_err(|error| file.whole(error))?.len();
    if size > MAX_BYTES {
        return Err(file.whole(format!("is too large: at most {} MB are read", MAX_BYTES >> 20)));
    }
    let text = fs::read_to_string(path).map_err(|error| file.whole(error))?;
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let rows = match ending.to_ascii_lowercase().as_str() {
        "csv" => file.of_csv(&text, base)?,
        "jsonl" | "ndjson" => file.of_json(&text, base)?,
        _ => file.of_lines(&text, base),
    };
    if rows.is_empty() {
        return Err(file.whole("has no prompts"));
    }
    if rows.len() > MAX_ROWS {
        return Err(file.whole(format!("has {} rows: at most {MAX_ROWS} are read", rows.len())));
    }
    for row in &rows {
        row.request.validate().map_err(|error: RequestError| file.at(row.line, error))?;
    }
    Ok(rows)
}

struct File {
    path: PathBuf,
}

impl File {
    fn of_lines(&self, text: &str, base: &GenerateRequest) -> Vec<PromptRow> {
        let lines = text.lines().map(str::trim).enumerate();
        let said = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let row = |(i, prompt): (usize, &str)| PromptRow {
            line: i + 1,
            request: GenerateRequest { prompt: prompt.into(), ..base.clone() },
        };
        said.map(row).collect()
    }

    fn of_json(
        &self,
        text: &str,
        base: &GenerateRequest,
    ) -> Result<Vec<PromptRow>, PromptFileError> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let row = |(i, line): (usize, &str)| {
            let said: Map<String, Value> =
                serde_json::from_str(line).map_err(|error| self.at(i + 1, error))?;
            let request = with(base, said).map_err(|error| self.at(i + 1, error))?;
            Ok(PromptRow { line: i + 1, request })
        };
        lines.map(row).collect()
    }

    fn of_csv(
        &self,
        text: &str,
        base: &GenerateRequest,
    ) -> Result<Vec<PromptRow>, PromptFileError> {
        let mut reader =
            csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
        let names = reader.headers().map_err(|error| self.whole(error))?.clone();
        let names: Vec<&str> =
            names.iter().map(|name| name.trim_start_matches('\u{feff}')).collect();
        if !names.contains(&"prompt") {
            let reason = format!("its first line has no column `prompt`, but {}", names.join(", "));
            return Err(self.at(1, reason));
        }
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| self.whole(error))?;
            let line = record.position().map_or(0, csv::Position::line) as usize;
            let mut said = Map::new();
            for (name, cell) in names.iter().zip(&record).filter(|(_, cell)| !cell.is_empty()) {
                said.insert((*name).into(), of_cell(name, cell));
            }
            let request = with(base, said).map_err(|error| self.at(line, error))?;
            rows.push(PromptRow { line, request });
        }
        Ok(rows)
    }

    fn whole(&self, reason: impl ToString) -> PromptFileError {
        let file = self.path.display().to_string();
        PromptFileError { file, place: String::new(), reason: reason.to_string() }
    }

    fn at(&self, line: usize, reason: impl ToString) -> PromptFileError {
        PromptFileError { place: format!(", line {line}"), ..self.whole(reason) }
    }
}

/// A cell as the field wants it: as a text if it takes one, and else as what the text says.
fn of_cell(name: &str, cell: &str) -> Value {
    let text = Value::String(cell.into());
    let alone = Map::from_iter([(name.to_owned(), text.clone())]);
    match with(&GenerateRequest::default(), alone) {
        Ok(_) => text,
        Err(_) => serde_json::from_str(cell).unwrap_or(text),
    }
}

/// The request with what a row says in place of what it said.
fn with(base: &GenerateRequest, said: Map<String, Value>) -> Result<GenerateRequest, String> {
    let Ok(Value::Object(mut all)) = serde_json::to_value(base) else {
        unreachable!("a request is an object")
    };
    all.extend(said);
    serde_json::from_value(Value::Object(all)).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<Vec<PromptRow>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        let base = GenerateRequest { steps: 7, seed: 3, ..Default::default() };
        read_prompts(&path, &base).map_err(|error| {
            let name = path.display().to_string();
            error.to_string().strip_prefix(&name).expect("the file is named").to_owned()
        })
    }

    fn wish(prompt: &str) -> GenerateRequest {
        GenerateRequest { prompt: prompt.into(), steps: 7, seed: 3, ..Default::default() }
    }

    #[test]
    fn lines() {
        let rows =
            read("a.txt", "a cat\n\n# not this\n  a \"dog\", 2 of them \n").expect("prompts");
        assert_eq!(rows[0], PromptRow { line: 1, request: wish("a cat") });
        assert_eq!(rows[1], PromptRow { line: 4, request: wish("a \"dog\", 2 of them") });
        assert_eq!(rows.len(), 2);
    }

    #[test]
    fn tables() {
        let text = "\u{feff}prompt,seed,schedule,guidance_interval,width\n\
                    \"a cat, asleep\",5,karras,,\n42,,,\"[0.2, 1]\",64\n";
        let rows = read("a.CSV", text).expect("rows");
        let cat =
            GenerateRequest { seed: 5, schedule: Some("karras".into()), ..wish("a cat, asleep") };
        let number =
            GenerateRequest { guidance_interval: [0.2, 1.0], width: Some(64), ..wish("42") };
        assert_eq!(
            rows,
            [(2, cat), (3, number)].map(|(line, request)| PromptRow { line, request })
        );
    }

    #[test]
    fn objects() {
        let rows = read("a.jsonl", "{\"prompt\": \"a cat\", \"steps\": 9}\n\n{\"seed\": 8}\n");
        let cat = GenerateRequest { steps: 9, ..wish("a cat") };
        let other = GenerateRequest { seed: 8, ..wish("") };
        let rows = rows.expect("rows");
        assert_eq!(rows.into_iter().map(|r| r.request).collect::<Vec<_>>(), [cat, other]);
    }

    #[test]
    fn what_is_wrong_has_a_line() {
        for (name, text, expected) in [
            ("a.txt", "\n# \n", ": has no prompts"),
            ("a.csv", "seed\n1\n", ", line 1: its first line has no column `prompt`, but seed"),
            ("a.csv", "prompt,step\na,5\n", ", line 2: unknown field `step`"),
            ("a.csv", "prompt,steps\na,5\nb,many\n", ", line 3: invalid type: string \"many\""),
            ("a.csv", "prompt,steps\na,0\n", ", line 2: 0 steps are not possible"),
            ("a.jsonl", "{}\n[1]\n", ", line 2: invalid type: sequence"),
            ("a.jsonl", "{\"seed\": -1}", ", line 1: invalid value: integer `-1`"),
        ] {
            let error = read(name, text).expect_err(text);
            assert!(error.starts_with(expected), "{text:?}: {error}");
        }
        let error = read_prompts(Path::new("no/such.txt"), &wish("")).expect_err("not there");
        assert!(error.to_string().starts_with("no/such.txt: "), "{error}");
    }
}

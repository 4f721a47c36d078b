//! The same pictures in a folder, a table, shards and Parquet files are the same training.

mod common;

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use aquatint_train::Stage;
use common::{Counting, Place, attempt, trained, trained_in_parts};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::Value;

/// The lines of the data of a place.
fn lines(place: &Place) -> Vec<Value> {
    let text = fs::read_to_string(place.path("data/metadata.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text<'a>(line: &'a Value, key: &str) -> &'a str {
    line[key].as_str().unwrap()
}

/// The bytes of a picture; none of those that nobody may read.
fn bytes(place: &Place, line: &Value) -> Vec<u8> {
    fs::read(place.path("data").join(text(line, "file_name"))).unwrap_or_default()
}

fn write_table(place: &Place, path: &Path) {
    let mut writer = csv::Writer::from_path(path).unwrap();
    writer.write_record(["image", "caption", "style_word", "label", "tags", "split"]).unwrap();
    for line in lines(place) {
        let tags: Vec<&str> =
            line["tags"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let tags = tags.join(",");
        let cells = ["text", "style_word", "label"].map(|key| text(&line, key));
        let split = text(&line, "split");
        let row = [&[text(&line, "file_name")][..], &cells, &[&tags, split]].concat();
        writer.write_record(row).unwrap();
    }
}

fn write_shards(place: &Place, folder: &Path) {
    fs::create_dir(folder).unwrap();
    for (i, some) in lines(place).chunks(10).enumerate() {
        let mut archive =
            tar::Builder::new(File::create(folder.join(format!("s-{i:03}.tar"))).unwrap());
        let mut add = |name: &str, bytes: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            archive.append_data(&mut header, name, bytes).unwrap();
        };
        for line in some {
            let name = text(line, "file_name");
            let key = name.strip_suffix(".png").unwrap();
            let mut said = line.clone();
            said["text"] = "not this".into();
            add(name, &bytes(place, line));
            add(&format!("{key}.json"), said.to_string().as_bytes());
            add(&format!("{key}.txt"), text(line, "text").as_bytes());
        }
        archive.finish().unwrap();
    }
}

const SCHEMA: &str = "message schema {
    optional group image { optional binary bytes; optional binary path (utf8); }
    optional binary caption (utf8);
    optional binary style_word (utf8);
    optional binary label (utf8);
    optional binary tags (utf8);
}";

/// A file for each part, named as Hugging Face names them.
fn write_parquet(place: &Place, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    for part in ["train", "validation", "test"] {
        let all = lines(place);
        let mine: Vec<&Value> =
            all.iter().filter(|line| text(line, "split").starts_with(part)).collect();
        let file = File::create(folder.join(format!("{part}-00000-of-00001.parquet"))).unwrap();
        let properties = Arc::new(WriterProperties::builder().build());
        let mut writer = SerializedFileWriter::new(file, schema.clone(), properties).unwrap();
        for some in mine.chunks(7) {
            let mut group = writer.next_row_group().unwrap();
            let cells = |column: usize, line: &Value| -> Vec<u8> {
                match column {
                    0 => bytes(place, line),
                    1 => text(line, "file_name").into(),
                    5 => {
                        let tags =
                            line["tags"].as_array().unwrap().iter().filter_map(Value::as_str);
                        tags.collect::<Vec<_>>().join(",").into()
                    }
                    _ => text(line, ["text", "style_word", "label"][column - 2]).into(),
                }
            };
            for column in 0..6 {
                let values: Vec<ByteArray> =
                    some.iter().map(|line| cells(column, line).into()).collect();
                let levels = vec![if column < 2 { 2 } else { 1 }; values.len()];
                let mut out = group.next_column().unwrap().unwrap();
                let typed = out.typed::<ByteArrayType>();
                typed.write_batch(&values, Some(&levels), None).unwrap();
                out.close().unwrap();
            }
            group.close().unwrap();
        }
        writer.close().unwrap();
    }
}

/// A run with another source, or with more lines in the section `[data]`.
fn config(place: &Place, stage: Stage, run: &str, steps: u64, source: &str) -> std::path::PathBuf {
    let path = place.config(stage, run, steps);
    let text = fs::read_to_string(&path).unwrap();
    let data = place.path("data").display().to_string();
    let line = format!("folder = \"{data}\"\n");
    assert!(text.contains(&line));
    fs::write(&path, text.replace(&line, source)).unwrap();
    path
}

#[test]
fn every_source_gives_the_same_losses() {
    let place = Place::new();
    write_table(&place, &place.path("data/table.csv"));
    write_shards(&place, &place.path("shards"));
    write_parquet(&place, &place.path("columns/data"));
    let stages =
        [(Stage::Autoencoder, "a", 12), (Stage::Clip, "c", 12), (Stage::Diffusion, "d", 12)];
    for (stage, run, steps) in stages {
        trained(stage, &place.config(stage, run, steps));
        for (name, path) in [
            ("csv", "data/table.csv"),
            ("tar", "shards"),
            ("pattern", "shards/s-{000..002}.tar"),
            ("parquet", "columns"),
        ] {
            let source = format!("path = {:?}\n", place.path(path).display().to_string());
            let other = format!("{run}-{name}");
            trained(stage, &config(&place, stage, &other, steps, &source));
            assert_eq!(place.losses(run), place.losses(&other), "{other}");
        }
        // One picture in memory and the rest read again for each step.
        let other = format!("{run}-little-memory");
        let source = place.path("shards").display().to_string();
        let source = format!("folder = {source:?}\nmemory_gb = 5e-6\n");
        trained(stage, &config(&place, stage, &other, steps, &source));
        assert_eq!(place.losses(run), place.losses(&other), "{other}");
        assert!(place.checkpoint(run) == place.checkpoint(&other), "{other}");
    }
}

#[test]
fn what_cannot_be_read_is_in_the_metrics_and_on_the_card() {
    let place = Place::new();
    fs::write(place.path("data/drawn/3.png"), "no picture").unwrap();
    let whole = fs::read(place.path("data/drawn/7.png")).unwrap();
    fs::write(place.path("data/drawn/7.png"), &whole[..whole.len() / 2]).unwrap();
    let path = place.config(Stage::Autoencoder, "a", 20);
    trained(Stage::Autoencoder, &path);
    let lines = aquatint_train::metrics::lines(&place.path("runs/a/metrics.jsonl")).unwrap();
    let said = &lines[0]["unreadable"];
    assert_eq!((&said["count"], &said["of"]), (&Value::from(2), &Value::from(24)));
    let first = "drawn/3.png: it is neither a PNG nor a JPEG nor a WebP file";
    assert_eq!(said["first"][0], first);
    let readme = fs::read_to_string(place.path("model/README.md")).unwrap();
    assert!(readme.contains("| 18 (2 unreadable) |"), "{readme}");

    // The rest has its order, and a run that is continued the same bits and one such line.
    let in_parts = place.config(Stage::Autoencoder, "parts", 20);
    trained_in_parts(Stage::Autoencoder, &in_parts, &[5, 8]);
    assert!(place.checkpoint("a") == place.checkpoint("parts"));
    let lines = aquatint_train::metrics::lines(&place.path("runs/parts/metrics.jsonl")).unwrap();
    assert_eq!(lines.iter().filter(|line| !line["unreadable"].is_null()).count(), 1);

    let source = format!(
        "folder = {:?}\nmost_unreadable = 0.05\n",
        place.path("data").display().to_string()
    );
    let strict = config(&place, Stage::Autoencoder, "strict", 20, &source);
    let message = attempt(Stage::Autoencoder, &strict, false).unwrap_err().to_string();
    let said = "2 of 24 pictures cannot be read, and `data.most_unreadable` is 0.05: drawn/3.png: ";
    assert!(message.contains(said), "{message}");
    let mut monitor = Counting::default();
    let options = aquatint_train::Options { resume: true, ..Default::default() };
    aquatint_train::train(Stage::Autoencoder, &path, &options, &mut monitor).unwrap();
    assert!(monitor.notes[0].starts_with("2 of 24 pictures cannot be read and are left out: "));
}

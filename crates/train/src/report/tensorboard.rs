//! What a run writes for TensorBoard: the numbers of `metrics.jsonl` and the samples once more, as
//! its event files have them. `tensorboard --logdir` takes the run's folder or one above it.
//!
//! An event file is a list of records (length, its checksum, bytes, their checksum, as TensorFlow's
//! `TFRecord`s), each a protocol buffer `Event`: a time, a step and a list of tagged values.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::TrainError;

/// Its name; TensorBoard looks for "tfevents".
const FILE: &str = "events.out.tfevents.aquatint";

/// An event file, open at its end. Times are seconds of training.
pub(crate) struct Events {
    path: PathBuf,
    file: File,
    /// The time of the newest number.
    seconds: f64,
}

impl Events {
    /// Writes the file in `folder` anew from the lines of `metrics.jsonl` and the samples that are
    /// there, so that it says what they say, and leaves it open.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn open(folder: &Path, lines: &[Value]) -> Result<Self, TrainError> {
        let path = folder.join(FILE);
        fs::write(&path, record(&version())).map_err(TrainError::io(&path))?;
        let file = OpenOptions::new().append(true).open(&path).map_err(TrainError::io(&path))?;
        let mut events = Self { path, file, seconds: 0.0 };
        for line in lines {
            events.line(line)?;
            let step = line["step"].as_u64().filter(|_| line.get("validation").is_some());
            let sample = step.map(|step| (step, sample_path(folder, step)));
            // Samples are for people, who may have thrown some away.
            if let Some((step, Ok(png))) = sample.map(|(step, path)| (step, fs::read(path))) {
                events.picture(step, &png)?;
            }
        }
        Ok(events)
    }

    /// The numbers of a line of `metrics.jsonl`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn line(&mut self, line: &Value) -> Result<(), TrainError> {
        self.seconds = line["seconds"].as_f64().unwrap_or(self.seconds);
        let step = line["step"].as_u64().unwrap_or(0);
        let values: Vec<u8> = numbers(line)
            .into_iter()
            .flat_map(|(tag, value)| field(1, &scalar(&tag, value as f32)))
            .collect();
        self.append(step, &values)
    }

    /// A grid of samples, as PNG.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn picture(&mut self, step: u64, png: &[u8]) -> Result<(), TrainError> {
        let Some([width, height]) = png_size(png) else { return Ok(()) };
        self.append(step, &field(1, &image("samples", [width, height], png)))
    }

    fn append(&mut self, step: u64, summary: &[u8]) -> Result<(), TrainError> {
        if summary.is_empty() {
            return Ok(());
        }
        // Event: wall_time = 1 (double), step = 2 (int64), summary = 5.
        let mut event = vec![0x09];
        event.extend(self.seconds.to_le_bytes());
        event.push(0x10);
        event.extend(varint(step));
        event.extend(field(5, summary));
        self.file.write_all(&record(&event)).map_err(TrainError::io(&self.path))
    }
}

/// Where the samples of a step are.
pub(crate) fn sample_path(folder: &Path, step: u64) -> PathBuf {
    folder.join(format!("samples/step-{step:06}.png"))
}

/// The numbers of a line by their names, those of a validation as "validation/psnr".
pub(crate) fn numbers(line: &Value) -> Vec<(String, f64)> {
    let mut found = Vec::new();
    for (key, value) in line.as_object().into_iter().flatten() {
        match value {
            Value::Number(number) if key != "step" && key != "seconds" => {
                found.extend(number.as_f64().map(|value| (key.clone(), value)));
            }
            Value::Object(inner) => found.extend(inner.iter().filter_map(|(name, value)| {
                value.as_f64().map(|value| (format!("{key}/{name}"), value))
            })),
            _ => {}
        }
    }
    found
}

/// The first event of a file: `file_version = 3`.
fn version() -> Vec<u8> {
    let mut event = vec![0x09];
    event.extend(0.0_f64.to_le_bytes());
    event.extend(field(3, b"brain.Event:2"));
    event
}

/// `Summary.Value` with `tag = 1`, `simple_value = 2` (float).
fn scalar(tag: &str, value: f32) -> Vec<u8> {
    let mut bytes = field(1, tag.as_bytes());
    bytes.push(0x15);
    bytes.extend(value.to_le_bytes());
    bytes
}

/// `Summary.Value` with `tag = 1`, `image = 4`, which has height, width, channels and bytes.
fn image(tag: &str, [width, height]: [u64; 2], png: &[u8]) -> Vec<u8> {
    let mut picture = Vec::new();
    for (number, value) in [(1, height), (2, width), (3, 3)] {
        picture.push(number << 3);
        picture.extend(varint(value));
    }
    picture.extend(field(4, png));
    [field(1, tag.as_bytes()), field(4, &picture)].concat()
}

/// A field that holds bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    out.extend(varint(bytes.len() as u64));
    out.extend(bytes);
    out
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// Width and height, from the head of a PNG file.
fn png_size(png: &[u8]) -> Option<[u64; 2]> {
    let number =
        |at: usize| Some(u64::from(u32::from_be_bytes(png.get(at..at + 4)?.try_into().ok()?)));
    Some([number(16)?, number(20)?])
}

/// Bytes with their length and both checksums.
fn record(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    let mut out = Vec::new();
    for part in [&length[..], bytes] {
        out.extend(part);
        out.extend(masked(crc32c(part)).to_le_bytes());
    }
    out
}

/// A checksum of bytes that hold checksums would be a weak one.
fn masked(sum: u32) -> u32 {
    sum.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Castagnoli's checksum.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum: u32, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0x82f6_3b78 * (sum & 1)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn checksums() {
        // RFC 3720, appendix B.4, and the check value of the catalogue.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    /// What TensorBoard 2.20 makes of it was compared by hand; here the bytes stay what they were.
    #[test]
    fn an_event_is_a_record_of_a_protocol_buffer() {
        let folder = tempfile::tempdir().unwrap();
        let line = json!({"step": 300, "loss": 0.5, "seconds": 2.0, "validation": {"psnr": 20.0}});
        let events = Events::open(folder.path(), &[line]).unwrap();
        drop(events);
        let bytes = fs::read(folder.path().join(FILE)).unwrap();
        let first = 8 + 4 + version().len() + 4;
        let mut event = vec![0x09];
        event.extend(2.0_f64.to_le_bytes());
        event.extend([0x10, 0xac, 0x02]);
        let values = [
            [&[0x0a, 11, 0x0a, 4][..], b"loss", &[0x15, 0, 0, 0, 0x3f]].concat(),
            [&[0x0a, 22, 0x0a, 15][..], b"validation/psnr", &[0x15, 0, 0, 0xa0, 0x41]].concat(),
        ]
        .concat();
        event.extend([0x2a, values.len() as u8]);
        event.extend(values);
        assert_eq!(bytes[first..first + 8], (event.len() as u64).to_le_bytes());
        assert_eq!(bytes[first + 12..bytes.len() - 4], event);
    }

    #[test]
    fn a_run_that_goes_on_has_every_step_once() {
        let folder = tempfile::tempdir().unwrap();
        let line = |step: u64| json!({"step": step, "loss": 1.0});
        let mut whole = Events::open(folder.path(), &[]).unwrap();
        (1..=3).for_each(|step| whole.line(&line(step)).unwrap());
        let expected = fs::read(folder.path().join(FILE)).unwrap();
        // It was killed after the second step, and the third is done again.
        let mut again = Events::open(folder.path(), &[line(1), line(2)]).unwrap();
        again.line(&line(3)).unwrap();
        assert_eq!(fs::read(folder.path().join(FILE)).unwrap(), expected);
    }

    #[test]
    fn samples_are_pictures() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("samples")).unwrap();
        let picture = aquatint_pipeline::Picture::new(300, 2, [9; 3]);
        let path = sample_path(folder.path(), 7);
        aquatint_pipeline::png::save(&path, &picture, &Default::default()).unwrap();
        let png = fs::read(path).unwrap();
        assert_eq!(png_size(&png), Some([300, 2]));
        Events::open(folder.path(), &[json!({"step": 7, "validation": {}})]).unwrap();
        let bytes = fs::read(folder.path().join(FILE)).unwrap();
        assert!(bytes.windows(png.len()).any(|part| part == png));
        assert_eq!(png_size(b"no picture"), None);
    }
}

//! Data sets as a whole.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use aquatint_tensor::Rng;
use image::{ImageFormat, Rgba, RgbaImage};

use super::*;
use crate::error::TrainError;
use crate::testing::Silent;

fn folder_of(lines: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("metadata.jsonl"), lines.join("\n")).unwrap();
    for name in ["a.png", "b.png", "c.png"] {
        let picture = RgbaImage::from_pixel(8, 8, Rgba([10, 20, 30, 255]));
        picture.save(folder.path().join(name)).unwrap();
    }
    folder
}

fn open(folder: &Path) -> Result<Dataset, TrainError> {
    Dataset::open(&DataConfig::new(folder, 8), &mut Silent)
}

#[test]
fn test_parts_are_not_read() {
    let folder = folder_of(&[
        r#"{"file_name": "a.png", "text": "a", "split": "train"}"#,
        r#"{"file_name": "b.png", "text": "b", "split": "validation", "tags": ["x"]}"#,
        r#"{"file_name": "missing.png", "text": "c", "split": "test_object"}"#,
    ]);
    let data = open(folder.path()).unwrap();
    assert_eq!(data.train.len(), 1);
    assert_eq!(data.train[0].text, "a");
    assert_eq!(data.train[0].pixels[..4], [10, 20, 30, 255]);
    assert_eq!(data.validation[0].tags, ["x"]);
    assert_eq!(data.unreadable, Unreadable { of: 2, ..Unreadable::default() });
}

#[test]
fn without_parts_a_picture_is_trained_on() {
    let folder = folder_of(&[r#"{"file_name": "c.png", "text": "c"}"#]);
    assert_eq!(open(folder.path()).unwrap().train.len(), 1);
}

#[test]
fn errors_are_one_line_that_names_the_place() {
    let error = |folder: &Path| open(folder).unwrap_err().to_string();
    let empty = tempfile::tempdir().unwrap();
    assert!(error(empty.path()).contains("there is no metadata.jsonl in it"));
    assert!(error(&empty.path().join("nothing")).contains("there is no such folder"));
    let shards = error(&empty.path().join("s-{0..3}.tar"));
    assert!(shards.ends_with("s-0.tar: there is no such file"), "{shards}");
    assert!(error(&empty.path().join("s-{x..3}.tar")).contains("where two numbers should be"));
    fs::write(empty.path().join("notes.txt"), "x").unwrap();
    let text = error(&empty.path().join("notes.txt"));
    assert!(text.contains("is neither a folder nor a .csv, .tsv, .tar or .parquet file"), "{text}");
    let broken = folder_of(&[r#"{"file_name": "a.png", "text": "a"}"#, "{"]);
    assert!(error(broken.path()).contains("metadata.jsonl, line 2: "));
    let missing = folder_of(&[r#"{"file_name": "no.png", "text": "a", "split": "train"}"#]);
    let none = "none of 1 pictures can be read: no.png: no such file or directory";
    assert!(error(missing.path()).ends_with(none), "{}", error(missing.path()));
    let tests_only = folder_of(&[r#"{"file_name": "a.png", "text": "", "split": "test_x"}"#]);
    assert!(error(tests_only.path()).contains("\"train\""));
    for folder in [&broken, &missing, &tests_only] {
        assert!(!error(folder.path()).contains('\n'));
    }
}

#[test]
fn the_sum_sees_pixels_and_captions() {
    let line = r#"{"file_name": "a.png", "text": "a", "split": "train"}"#;
    let sum = |line: &str| open(folder_of(&[line]).path()).unwrap().sum();
    let first = sum(line);
    assert_eq!(first, sum(line));
    for (from, to) in [
        ("a.png", "b.png"),
        (r#""text": "a""#, r#""text": "b""#),
        (r#""text""#, r#""style_word": "noto", "text""#),
        (r#""text""#, r#""label": "", "text""#),
        (r#""text""#, r#""tags": ["x"], "text""#),
    ] {
        assert_ne!(first, sum(&line.replace(from, to)), "{to} is not seen");
    }
    let folder = folder_of(&[line]);
    let mut picture = RgbaImage::from_pixel(8, 8, Rgba([10, 20, 30, 255]));
    picture.put_pixel(3, 4, Rgba([10, 21, 30, 255]));
    picture.save(folder.path().join("a.png")).unwrap();
    assert_ne!(first, open(folder.path()).unwrap().sum());
}

fn encoded(picture: &RgbaImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let picture = image::DynamicImage::from(picture.clone());
    match format {
        ImageFormat::Jpeg => picture.to_rgb8().write_to(&mut bytes, format).unwrap(),
        _ => picture.write_to(&mut bytes, format).unwrap(),
    }
    bytes.into_inner()
}

/// A picture of noise, which no format makes small.
fn noise(seed: u64, width: u32, height: u32) -> RgbaImage {
    let mut rng = Rng::new(seed);
    RgbaImage::from_fn(width, height, |_, _| Rgba(std::array::from_fn(|_| rng.below(256) as u8)))
}

/// Twenty pictures, and `broken` ones between them.
fn with_broken(broken: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut names: Vec<String> = (0..20).map(|i| format!("good{i}.png")).collect();
    for (i, name) in names.iter().enumerate() {
        fs::write(folder.path().join(name), encoded(&noise(i as u64, 8, 8), ImageFormat::Png))
            .unwrap();
    }
    for (i, (name, bytes)) in broken.iter().enumerate() {
        fs::write(folder.path().join(name), bytes).unwrap();
        names.insert(3 * i, (*name).to_owned());
    }
    let line =
        |name: &String| format!("{{\"file_name\":\"{name}\",\"text\":\"\",\"split\":\"train\"}}");
    let lines: Vec<String> = names.iter().map(line).collect();
    fs::write(folder.path().join("metadata.jsonl"), lines.join("\n")).unwrap();
    folder
}

#[test]
fn what_cannot_be_read_is_left_out_and_named() {
    let cut = |format| {
        let whole = encoded(&noise(9, 16, 16), format);
        whole[..whole.len() / 2].to_vec()
    };
    let folder = with_broken(&[
        ("cut.png", cut(ImageFormat::Png)),
        ("cut.jpg", cut(ImageFormat::Jpeg)),
        ("cut.webp", cut(ImageFormat::WebP)),
        ("empty.png", Vec::new()),
        ("text.png", b"no picture".to_vec()),
        (
            "huge.png",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xff\xff\0\0\xff\xff\x08\x06\0\0\0\xb9\x06\xfb\xcd"
                .to_vec(),
        ),
    ]);
    let config = DataConfig { most_unreadable: 0.25, ..DataConfig::new(folder.path(), 8) };
    let data = Dataset::open(&config, &mut Silent).unwrap();
    let names: Vec<&str> = data.train.iter().map(|drawing| drawing.file_name.as_str()).collect();
    assert_eq!(names, (0..20).map(|i| format!("good{i}.png")).collect::<Vec<_>>());
    let Unreadable { count, of, first } = data.unreadable.clone();
    assert_eq!((count, of, first.len()), (6, 26, 5));
    for (sentence, begin) in first.iter().zip([
        "cut.png: ",
        "cut.jpg: ",
        "cut.webp: ",
        "empty.png: it is empty",
        "text.png: it is neither a PNG nor a JPEG nor a WebP file",
    ]) {
        assert!(sentence.starts_with(begin), "{sentence}");
    }
    assert!(data.unreadable.sentence().ends_with("; and 1 more"));
    let refused = Dataset::open(&DataConfig::new(folder.path(), 8), &mut Silent).unwrap_err();
    let said = "6 of 26 pictures cannot be read, and `data.most_unreadable` is 0.1: cut.png: ";
    assert!(refused.to_string().contains(said), "{refused}");
}

#[test]
fn what_does_not_fit_into_memory_is_read_when_it_is_needed() {
    let folder = with_broken(&[]);
    let whole = open(folder.path()).unwrap();
    let kept = |data: &Dataset| data.train.iter().filter(|d| !d.pixels.is_empty()).count();
    assert_eq!(kept(&whole), 20);
    // Five pictures of 8 × 8.
    let config = DataConfig { memory_gb: 5.0 * 256.0 / 1e9, ..DataConfig::new(folder.path(), 8) };
    let mut data = Dataset::open(&config, &mut Silent).unwrap();
    assert_eq!((kept(&data), data.sum()), (5, whole.sum()));
    let mut rng = Rng::new(1);
    for _ in 0..30 {
        let wanted: Vec<usize> = (0..4).map(|_| rng.below(20)).collect();
        data.hold(&wanted).unwrap();
        assert!(kept(&data) <= 9);
        for &i in &wanted {
            assert!(data.train[i].pixels == whole.train[i].pixels);
        }
    }
    let taken = data.taken(&[19, 0]).unwrap();
    assert!(taken[0].pixels == whole.train[19].pixels && taken[1].pixels == whole.train[0].pixels);
    assert_eq!(data.shown(4).len(), 4);
    data.let_go();
    assert_eq!(kept(&data), 0);
    data.hold(&[7]).unwrap();
    assert_eq!(kept(&data), 1);
    fs::remove_file(folder.path().join("good3.png")).unwrap();
    let message = data.hold(&[3]).unwrap_err().to_string();
    assert_eq!(message, "good3.png cannot be read any more: no such file or directory");
}

#[test]
fn pictures_go_to_the_size_of_their_shape() {
    let folder = tempfile::tempdir().unwrap();
    let sizes = [(32, 32), (40, 20), (20, 40), (64, 32), (33, 31), (10, 30)];
    let mut lines = String::from("image,text,split\n");
    for (i, (width, height)) in sizes.into_iter().enumerate() {
        noise(i as u64, width, height).save(folder.path().join(format!("{i}.png"))).unwrap();
        lines += &format!("{i}.png,x,{}\n", if i < 4 { "train" } else { "validation" });
    }
    fs::write(folder.path().join("metadata.csv"), lines).unwrap();
    let buckets = Some(BucketsConfig { step: 8, largest_aspect: 2.0 });
    let config = DataConfig { buckets, ..DataConfig::new(folder.path(), 32) };
    let data = Dataset::open(&config, &mut Silent).unwrap();
    let shapes = |drawings: &[Drawing]| -> Vec<[usize; 2]> {
        let shape = |drawing: &Drawing| {
            let shape = data.shape(drawing);
            assert_eq!(drawing.pixels.len(), 4 * shape[0] * shape[1]);
            shape
        };
        drawings.iter().map(shape).collect()
    };
    assert_eq!(shapes(&data.train), [[32, 32], [24, 40], [40, 24], [24, 40]]);
    assert_eq!(shapes(&data.validation), [[32, 32], [40, 24]]);
    assert_eq!(data.validation_batches(9), [0..1, 1..2]);
    // Nothing of the second was cut off in height: its corner is the corner's colour, blurred.
    assert_eq!(data.train[0].pixels[..], noise(0, 32, 32).into_raw()[..]);
}

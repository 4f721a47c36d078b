//! Pictures of every kind are what Pillow sees in them (`tools/reference/pictures.py`).

use std::fs;
use std::path::{Path, PathBuf};

use aquatint_pipeline::{Fit, Mask, Picture, fit, resize};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/pictures")
}

/// Every file, by its name, for which there is an answer.
fn files() -> Vec<String> {
    let entries = fs::read_dir(folder()).expect("the folder");
    let names = entries.map(|entry| entry.expect("a file").file_name().into_string().unwrap());
    let mut files: Vec<String> =
        names.filter_map(|name| name.strip_suffix(".rgba.png").map(Into::into)).collect();
    files.sort();
    assert!(files.len() >= 25, "{files:?}");
    files
}

#[test]
fn every_kind_is_read() {
    for name in files() {
        let (seen, alpha) = Picture::open_with_alpha(folder().join(&name)).expect("a picture");
        let answer = folder().join(format!("{name}.rgba.png"));
        let (expected, expected_alpha) = Picture::open_with_alpha(answer).expect("a picture");
        assert_eq!((seen.width, seen.height), (expected.width, expected.height), "{name}");
        assert_eq!(alpha, expected_alpha, "{name}");
        // Decoders round colours differently, and smooth halved ones; without loss they agree.
        let most = match name.rsplit_once('.').expect("an extension") {
            (_, "png") => 0,
            (name, "webp") if !name.starts_with("lossy") => 0,
            ("halved" | "progressive", _) => 40,
            (name, _) if name.starts_with("turned") => 40,
            _ => 8,
        };
        let far = seen.rgb.iter().zip(&expected.rgb).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(far <= Some(most), "{name}: {far:?}");
    }
}

#[test]
fn what_is_transparent_becomes_white() {
    let path = folder().join("rgba.png");
    let (colours, alpha) = Picture::open_with_alpha(&path).expect("a picture");
    let (composed, alpha) = (Picture::open(&path).expect("a picture"), alpha.expect("alpha"));
    assert_eq!((alpha[0], &composed.rgb[..3]), (0, &[255; 3][..]));
    assert_eq!(*alpha.last().unwrap(), 255);
    assert_eq!(composed.rgb[composed.rgb.len() - 3..], colours.rgb[colours.rgb.len() - 3..]);
    let mask = Mask::open(&path).expect("a mask");
    assert_eq!((mask.values[0], *mask.values.last().unwrap()), (255, 0));
}

/// No cut and no change of a byte makes the decoders panic, or answer something of another size.
#[test]
fn damaged_files_are_refused_or_read() {
    let mut random = 1u32;
    for name in files() {
        let whole = fs::read(folder().join(&name)).expect("a file");
        for end in (0..whole.len()).step_by(whole.len() / 64 + 1) {
            if let Ok((picture, _)) = Picture::decode(&whole[..end]) {
                assert_eq!(picture.rgb.len(), 3 * picture.width * picture.height, "{name}");
                let missing = whole.len() - end;
                // Only the first picture of an animation counts.
                let whole_enough = missing < 64 || name == "moving.webp";
                assert!(whole_enough, "{name} without its last {missing} bytes");
            }
        }
        for _ in 0..200 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let mut damaged = whole.clone();
            let place = (random >> 8) as usize % whole.len();
            damaged[place] = damaged[place].wrapping_add((random >> 3) as u8 | 1);
            if let Ok((picture, _)) = Picture::decode(&damaged) {
                assert_eq!(picture.rgb.len(), 3 * picture.width * picture.height, "{name}");
            }
        }
    }
}

#[test]
fn what_is_refused_is_told_in_a_sentence() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a.png");
    let refused = || Picture::open(&path).expect_err("no picture").to_string();
    assert!(refused().contains("a.png cannot be read: "), "{}", refused());
    fs::write(&path, "no picture").unwrap();
    let tail = "cannot be used as a picture: it is neither a PNG nor a JPEG nor a WebP file";
    assert!(refused().ends_with(tail), "{}", refused());
    // A header that promises 65,000 × 65,000 pixels.
    let mut large = fs::read(folder().join("rgb.jpg")).unwrap();
    let frame = large.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a frame");
    large[frame + 5..frame + 9].copy_from_slice(&[0xfd, 0xe8, 0xfd, 0xe8]);
    fs::write(&path, &large).unwrap();
    assert!(
        refused().contains("it is 65000x65000 pixels, of which at most 64 million"),
        "{}",
        refused()
    );
    large[frame + 5..frame + 9].copy_from_slice(&[0x1f, 0x40, 0x1f, 0x40]);
    fs::write(&path, &large).unwrap();
    assert!(refused().ends_with("it ends too early"), "{}", refused());
    for name in files() {
        let whole = fs::read(folder().join(name)).expect("a file");
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(!refused().contains('\n'), "{}", refused());
    }
}

#[test]
fn sizes_are_changed_as_pillow_does() {
    let golden = fs::read_to_string(folder().join("scaled.json")).expect("the golden");
    let golden: serde_json::Value = serde_json::from_str(&golden).expect("JSON");
    let bytes = |value: &serde_json::Value| -> Vec<u8> {
        value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u8).collect()
    };
    let picture = Picture { width: 17, height: 13, rgb: bytes(&golden["picture"]) };
    for scaled in golden["scaled"].as_array().unwrap() {
        let side = |i: usize| scaled["size"][i].as_u64().unwrap() as usize;
        let (width, height) = (side(0), side(1));
        let stretched = resize(&picture, width, height);
        let covered = fit(&picture, width, height, Fit::Cover);
        for (rule, seen) in [("stretch", stretched), ("cover", covered)] {
            assert_eq!((seen.width, seen.height), (width, height));
            let far = seen.rgb.iter().zip(bytes(&scaled[rule])).map(|(a, b)| a.abs_diff(b)).max();
            assert!(far <= Some(1), "{rule} {width}x{height}: {far:?}");
        }
    }
}

#[test]
fn nothing_is_distorted_or_lost_between_bars() {
    let picture = Picture::new(20, 10, [200, 10, 30]);
    let fitted = fit(&picture, 40, 40, Fit::Contain);
    let at = |x: usize, y: usize| &fitted.rgb[3 * (y * 40 + x)..][..3];
    assert_eq!(
        (at(0, 9), at(0, 10), at(39, 29)),
        (&[128; 3][..], &picture.rgb[..3], &picture.rgb[..3])
    );
    assert_eq!(at(0, 30), [128; 3]);
    assert_eq!(fit(&picture, 20, 10, Fit::Contain), picture);
    assert_eq!(fit(&picture, 20, 10, Fit::Cover), picture);
    let sliver = fit(&Picture::new(1000, 1, [1, 2, 3]), 8, 8, Fit::Contain);
    assert_eq!(sliver.rgb.len(), 8 * 8 * 3);
}

//! Files that `datasets` and pyarrow wrote: `tools/reference/parquet_pictures.py`.

use std::fs;

use aquatint_pipeline::Picture;

use super::*;

fn golden(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/golden/parquet");
    Path::new(folder).join(name)
}

fn rows(name: &str) -> Vec<Sample> {
    read(&[golden(name)]).unwrap()
}

/// The red of the first pixel, which is ten times the number of the row.
fn red(sample: &Sample) -> Result<u8, String> {
    sample.place.read(&mut Cursor::default()).map(|bytes| Picture::decode(&bytes).unwrap().0.rgb[0])
}

#[test]
fn what_datasets_wrote() {
    let rows = rows("train-00000-of-00001.parquet");
    assert_eq!(rows.len(), 5);
    for (i, row) in rows.iter().enumerate() {
        let line = &row.line;
        let name = if i == 3 { "beside.png".to_owned() } else { format!("{i}.png") };
        let text = if i == 4 { String::new() } else { format!("picture {i}") };
        assert_eq!((&line.file_name, &line.text), (&name, &text));
        assert_eq!(line.label, Some((i % 2).to_string()));
        assert_eq!(line.tags, (0..i).map(|j| format!("tag {j}")).collect::<Vec<_>>());
        assert_eq!(line.split.as_deref(), Some("train"));
        assert_eq!(line.others["score"], 0.5 * i as f64);
        match i {
            3 => assert_eq!(red(row).unwrap_err(), "no such file or directory"),
            _ => assert_eq!(red(row), Ok(10 * i as u8)),
        }
    }
}

/// A cursor changes nothing, whatever is read before.
#[test]
fn forwards_backwards_and_to_other_files() {
    let rows = [rows("train-00000-of-00001.parquet"), rows("bytes.parquet")].concat();
    let mut cursor = Cursor::default();
    for i in [0, 1, 4, 2, 5, 6, 9, 8, 0, 7, 7, 3, 4] {
        let fresh = rows[i].place.read(&mut Cursor::default());
        assert_eq!(rows[i].place.read(&mut cursor), fresh, "row {i}");
    }
}

#[test]
fn bytes_alone_and_names_alone() {
    let bytes = rows("bytes.parquet");
    let reds: Vec<_> = bytes.iter().map(red).collect();
    let wanted = [Ok(0), Ok(10), Ok(20), Ok(30), Err("its row has no bytes".to_owned())];
    assert_eq!(reds, wanted);
    assert_eq!(bytes[4].line.file_name, "bytes, row 5");
    let names = rows("names.parquet");
    assert_eq!(names[1].line.split.as_deref(), Some("test"));
    let Place::File(path) = &names[2].place else { panic!("{:?}", names[2].place) };
    assert_eq!(*path, golden("2.png"));
}

#[test]
fn what_cannot_be_used_is_said() {
    let said = |name: &str| read(&[golden(name)]).unwrap_err().to_string();
    assert!(said("no-captions.parquet").ends_with(
        "no column is called text or caption, which the captions should be; there are: image, words"
    ));
    let zstd = said("bytes-zstd.parquet");
    assert!(
        zstd.contains("bytes-zstd.parquet cannot be used: ") && zstd.contains("zstd"),
        "{zstd}"
    );
}

/// Damage is an error, or other numbers; never the end of the program.
#[test]
fn damaged_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let try_it = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        read(std::slice::from_ref(&path)).map(|rows| {
            let mut cursor = Cursor::default();
            rows.iter().for_each(|row| drop(row.place.read(&mut cursor)));
        })
    };
    for name in ["train-00000-of-00001.parquet", "bytes.parquet"] {
        let bytes = fs::read(golden(name)).unwrap();
        for end in (0..bytes.len()).step_by(31) {
            assert!(try_it(&bytes[..end]).is_err(), "the first {end} bytes");
        }
        for at in (0..bytes.len()).step_by(5) {
            let mut bytes = bytes.clone();
            bytes[at] ^= [0x01, 0x80, 0xff][at % 3];
            let _ = try_it(&bytes);
        }
    }
}

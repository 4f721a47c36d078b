//! Folders and archives of pictures.

use aquatint_pipeline::{Encoding, encode_picture};

use super::*;

fn png(shade: u8) -> Vec<u8> {
    encode_picture(&Picture::new(4, 4, [shade; 3]), &Default::default(), Encoding::default())
        .unwrap()
}

/// Names and shades, and what was skipped.
fn all(pictures: &Pictures, most: Option<usize>) -> (Vec<(String, u8)>, Skipped) {
    let mut found = Vec::new();
    let reading = Reading { batch: 2, most };
    let skipped = pictures.for_each_batch(reading, "", &mut (), &mut |batch| {
        assert!(batch.len() <= 2);
        found.extend(batch.iter().map(|named| (named.name.clone(), named.picture.rgb[0])));
        Ok(())
    });
    (found, skipped.unwrap())
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    for (name, bytes) in [
        ("b.png", png(2)),
        ("a.PNG", png(1)),
        ("sub/c.png", png(3)),
        (".hidden.png", png(9)),
        ("torn.png", png(4)[..30].to_vec()),
        ("notes.txt", b"x".to_vec()),
    ] {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

#[test]
fn a_folder_in_order_of_names_without_what_cannot_be_read() {
    let folder = folder();
    let pictures = Pictures::open(folder.path()).unwrap();
    assert_eq!(pictures.count(), Some(4));
    let (found, skipped) = all(&pictures, None);
    let names: Vec<(&str, u8)> = found.iter().map(|(name, v)| (name.as_str(), *v)).collect();
    assert_eq!(names, [("a.PNG", 1), ("b.png", 2), ("sub/c.png", 3)]);
    assert_eq!(skipped.count, 1);
    assert!(skipped.first[0].starts_with("torn.png: "), "{:?}", skipped.first);
    let (few, _) = all(&pictures, Some(2));
    assert_eq!(few.len(), 2);
    let fetched = pictures.fetch(&["sub/c.png".into(), "no.png".into(), "a.PNG".into()]).unwrap();
    let shades: Vec<u8> = fetched.iter().map(|named| named.picture.rgb[0]).collect();
    assert_eq!(shades, [3, 1]);
}

#[test]
fn archives_one_or_several() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two, three) = (png(1), png(2), png(3));
    let archive = |files: &[(&str, &[u8])]| {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            archive.append_data(&mut header, name, *bytes).unwrap();
        }
        archive.into_inner().unwrap()
    };
    let first = archive(&[("1.png", &one), ("1.txt", b"text"), ("2.png", &two)]);
    let second = archive(&[("3.png", &three)]);
    fs::write(folder.path().join("000.tar"), first).unwrap();
    fs::write(folder.path().join("001.tar"), second).unwrap();
    let shades = |pictures: &Pictures, most| -> Vec<u8> {
        all(pictures, most).0.iter().map(|(_, v)| *v).collect()
    };
    let pictures = Pictures::open(folder.path()).unwrap();
    assert_eq!(pictures.count(), None);
    assert_eq!(shades(&pictures, None), [1, 2, 3]);
    assert_eq!(shades(&pictures, Some(1)), [1]);
    assert_eq!(pictures.fetch(&["3.png".into()]).unwrap()[0].picture.rgb[0], 3);
    assert_eq!(pictures.texts().unwrap(), HashMap::from([("1".into(), "text".into())]));
    let one = Pictures::open(&folder.path().join("001.tar")).unwrap();
    assert_eq!(shades(&one, None), [3]);
    assert!(one.texts().unwrap().is_empty());
}

#[test]
fn refusals_are_sentences() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |path: &Path| Pictures::open(path).err().unwrap().to_string();
    assert!(
        refused(folder.path()).ends_with("holds no PNG, JPEG or WebP pictures and no .tar files")
    );
    assert!(refused(&folder.path().join("no")).contains("is not there: give a folder of pictures"));
    fs::write(folder.path().join("x.png"), "x").unwrap();
    let pictures = Pictures::open(folder.path()).unwrap();
    let reading = Reading { batch: 2, most: None };
    let error = pictures.for_each_batch(reading, "", &mut (), &mut |_| Ok(())).unwrap_err();
    assert!(error.to_string().contains("none of 1 pictures can be read: x.png: "), "{error}");
}

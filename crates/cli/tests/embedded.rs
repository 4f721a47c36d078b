//! The model inside the executable: what a fresh clone does first.

mod common;

use aquatint_pipeline::{Picture, png};
use common::succeed;

/// The median of each channel over the outermost pixels.
fn border(picture: &Picture) -> [u8; 3] {
    let (w, h) = (picture.width, picture.height);
    std::array::from_fn(|channel| {
        let outside = |i: &usize| [0, w - 1].contains(&(i % w)) || [0, h - 1].contains(&(i / w));
        let mut values: Vec<u8> =
            (0..w * h).filter(outside).map(|i| picture.rgb[3 * i + channel]).collect();
        values.sort_unstable();
        values[values.len() / 2]
    })
}

#[test]
fn it_draws_without_a_model_being_named_and_on_the_asked_for_background() {
    let folder = tempfile::tempdir().unwrap();
    for (colour, rgb) in
        [("white", [255, 255, 255]), ("blue", [80, 130, 220]), ("red", [220, 60, 60])]
    {
        let prompt = format!("glossy 3d emoji of red apple, {colour} background");
        succeed(
            folder.path(),
            &["generate", &prompt, "--steps", "20", "--seed", "1", "-o", "a.png"],
        );
        let bytes = std::fs::read(folder.path().join("a.png")).unwrap();
        let (picture, texts) = png::decode(&bytes).unwrap();
        assert_eq!((picture.width, picture.height), (128, 128));
        assert!(texts.values().any(|text| text.contains(&prompt)), "{texts:?}");
        let found = border(&picture);
        let off = (0..3).map(|c| found[c].abs_diff(rgb[c])).max().unwrap();
        assert!(off < 60, "asked for {colour} {rgb:?}, the border is {found:?}");
    }
}

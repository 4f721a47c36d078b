//! The card and the records.

use super::*;
use crate::run::Outcome;

fn outcome(step: u64) -> Outcome {
    Outcome {
        step,
        stopped: false,
        seconds: 5400.0,
        loss: Some(0.25),
        figures: vec![("recall_at_1".into(), 0.5)],
    }
}

fn record(steps: u64) -> Record {
    Record::new(&outcome(steps), 256, 9526, 1000, "a machine, 2 threads")
}

fn readme_of(folder: &Path) -> String {
    fs::read_to_string(folder.join("README.md")).unwrap()
}

#[test]
fn a_card_grows_with_every_part() {
    let folder = tempfile::tempdir().unwrap();
    let card = CardConfig {
        title: "Seven styles".into(),
        licence: "CC BY 4.0".into(),
        ..CardConfig::default()
    };
    for task in ["clip", "autoencoder"] {
        write(folder.path(), task, record(800), Path::new("none"), &card).unwrap();
    }
    let text = readme_of(folder.path());
    assert!(text.starts_with("# Seven styles\n\n## Licence\n\nCC BY 4.0\n\n## Training\n"));
    let row = "| clip | 1000 | 9526 | 800 × 256 | 1.50 | a machine, 2 threads | 0.2500 | \
               recall_at_1 0.500 |\n";
    assert!(text.ends_with(row), "{text}");
    assert!(text.contains("| autoencoder | "));
}

#[test]
fn a_card_shows_the_loss_where_there_is_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let curve = folder.path().join("curve.png");
    fs::write(&curve, "a picture").unwrap();
    let card = CardConfig::default();
    write(folder.path(), "autoencoder", record(800), &curve, &card).unwrap();
    write(folder.path(), "clip", record(800), Path::new("none"), &card).unwrap();
    let copy = fs::read(folder.path().join("loss-autoencoder.png")).unwrap();
    assert_eq!(copy, b"a picture");
    let text = readme_of(folder.path());
    assert!(text.ends_with("|\n\n![loss of the autoencoder](loss-autoencoder.png)\n"), "{text}");
    assert!(!text.contains("loss-clip.png"), "{text}");
}

#[test]
fn a_run_after_a_run_has_a_row_for_both() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    fs::create_dir_all(first.join("unet")).unwrap();
    fs::create_dir(&second).unwrap();
    let (none, card) = (Path::new("none"), CardConfig::default());
    write(&first, "diffusion", record(100), none, &card).unwrap();
    // Beside the weights, and above their folder.
    for weights in [first.join("unet"), first.clone()] {
        let after = record(200).begun_with(&weights, "diffusion");
        write(&second, "diffusion", after, none, &card).unwrap();
        let text = readme_of(&second);
        let begun = format!("| diffusion, begun with the weights of {} |", weights.display());
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| diffusion")).collect();
        assert!(rows.len() == 2 && rows[0].contains("| 100 × 256 |"), "{text}");
        assert!(rows[1].starts_with(&begun) && rows[1].contains("| 200 × 256 |"), "{text}");
    }
    let unknown = record(200).begun_with(&folder.path().join("elsewhere/unet"), "diffusion");
    assert!(unknown.started_from.is_some() && unknown.before.is_none());

    // In place, and the card of the same run once more.
    for _ in 0..3 {
        let after = record(300).begun_with(&first.join("unet"), "diffusion");
        write(&first, "diffusion", after, none, &card).unwrap();
        assert_eq!(readme_of(&first).matches("| diffusion").count(), 2);
    }
}

#[test]
fn records_without_the_newer_keys_are_read() {
    let old = r#"{"clip": {"steps": 400, "batch_size": 256, "pictures": 9509,
        "parameters": 3582337, "hours": 0.27, "hardware": "AMD EPYC, 2 threads",
        "loss": 1.2, "figures": {"recall_at_1": 0.7}}}"#;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(RECORDS), old).unwrap();
    let (none, card) = (Path::new("none"), CardConfig::default());
    write(folder.path(), "autoencoder", record(800), none, &card).unwrap();
    let text = readme_of(folder.path());
    assert!(text.contains("| clip | 3582337 | 9509 | 400 × 256 | 0.27 |"), "{text}");
    let json = fs::read_to_string(folder.path().join(RECORDS)).unwrap();
    assert!(!json.contains("started_from") && !json.contains("before"), "{json}");
}

#[test]
fn a_card_tells_of_the_parts_that_were_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    for folder in [&first, &second] {
        fs::create_dir(folder).unwrap();
    }
    let (none, card) = (Path::new("none"), CardConfig::default());
    for (task, steps) in [("autoencoder", 100), ("clip", 200), ("diffusion", 300)] {
        write(&first, task, record(steps), none, &card).unwrap();
    }
    adopt(&second, &first, "diffusion").unwrap();
    write(&second, "diffusion", record(400), none, &card).unwrap();
    let text = readme_of(&second);
    assert!(text.contains("| 100 × 256 |") && text.contains("| 400 × 256 |"), "{text}");
    assert!(!text.contains("| 200 × 256 |") && !text.contains("| 300 × 256 |"), "{text}");
    fs::create_dir(second.join("text_encoder")).unwrap();
    adopt(&second, &first, "diffusion").unwrap();
    write(&second, "diffusion", record(400), none, &card).unwrap();
    assert!(readme_of(&second).contains("| 200 × 256 |"));
}

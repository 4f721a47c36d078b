//! `aquatint generate --prompts`.

mod common;

use std::fs;

use common::{aquatint, names, refused, succeed, tiny_model};

const ARGS: [&str; 10] =
    ["generate", "-m", "model", "--prompts", "wishes.csv", "--steps", "2", "-o", "made/", "--json"];

#[test]
fn a_folder_is_gone_on_with() {
    let (folder, _) = tiny_model();
    let folder = folder.path();
    let wishes = |text: &str| fs::write(folder.join("wishes.csv"), text).expect("writable");
    let read = |name: &str| fs::read(folder.join("made").join(name)).expect("a picture");
    wishes("prompt,seed,count\na cat,1,\na dog,2,2\n");
    let lines = succeed(folder, &ARGS);
    assert_eq!(lines.lines().count(), 3);
    assert_eq!(names(&folder.join("made")), ["0002.png", "0003-1.png", "0003-2.png"]);
    let (cat, dog) = (read("0002.png"), read("0003-2.png"));

    assert_eq!(succeed(folder, &ARGS), "", "all of it is there");
    fs::remove_file(folder.join("made/0003-2.png")).expect("it was there");
    assert_eq!(succeed(folder, &ARGS).lines().count(), 2);
    assert_eq!(read("0003-2.png"), dog);

    // A line that was changed is made anew, and only that one.
    wishes("prompt,seed,count\na cow,1,\na dog,2,2\n");
    let output = aquatint(folder, &ARGS);
    let notes = String::from_utf8_lossy(&output.stderr);
    assert!(notes.contains("1 of 2 lines are there already"), "{notes}");
    assert_ne!(read("0002.png"), cat);
    assert_eq!(read("0003-2.png"), dog);
}

#[test]
fn what_is_wrong_has_a_line() {
    let (folder, _) = tiny_model();
    let folder = folder.path();
    let refused = |text: &str| {
        fs::write(folder.join("wishes.csv"), text).expect("writable");
        refused(folder, &ARGS)
    };
    let error = refused("prompt,steps\na,1\nb,0\n");
    assert!(error.starts_with("wishes.csv, line 3: 0 steps are not possible"), "{error}");
    let error = refused("prompt,mask\na,\nb,none.png\n");
    assert!(error.starts_with("wishes.csv, line 3: "), "{error}");
    let error = refused("prompt\na\nb <lora:x:1>\n");
    assert!(error.starts_with("wishes.csv, line 3: it names other LoRAs than line 2"), "{error}");
    assert!(!folder.join("made").exists(), "nothing was begun");
}

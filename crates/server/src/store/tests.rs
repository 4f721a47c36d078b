use serde_json::json;

use super::*;
use crate::engine::{Made, State};

fn row(id: &str) -> Row {
    Row {
        id: id.into(),
        state: State::Queued,
        model: "m".into(),
        request: json!({"prompt": "a cat"}).as_object().cloned().unwrap_or_default(),
        steps: 3,
        cost: 7,
        created: 1,
        started: None,
        ended: None,
        error: None,
    }
}

fn picture(id: &str, prompt: &str) -> Picture {
    Picture {
        made: Made { id: id.into(), width: 8, height: 16, seed: u64::MAX },
        prompt: prompt.into(),
        model: "m".into(),
        created: 5,
        job: "j".into(),
        request: Default::default(),
    }
}

#[test]
fn jobs_survive_a_restart_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = Inputs { init: Some(b"init".to_vec()), mask: None };
    {
        let store = Store::open(folder.path()).unwrap();
        for id in ["c", "a", "b"] {
            store.add_job(&row(id), &inputs).unwrap();
        }
        assert!(store.add_job(&row("a"), &inputs).is_err(), "names are taken once");
        store.start_job("c", 2).unwrap();
        store.end_job("a", State::Failed, 9, Some("no")).unwrap();
        assert!(matches!(Store::open(folder.path()), Err(StoreError::Taken(_))));
    }
    let store = Store::open(folder.path()).unwrap();
    let ids: Vec<_> = store.unfinished_jobs().unwrap().into_iter().map(|row| row.id).collect();
    assert_eq!(ids, ["c", "b"]);
    assert_eq!(store.inputs("b").unwrap(), inputs);
    assert_eq!(store.inputs("a").unwrap(), Inputs::default(), "an ended job needs none");
    let ended = store.ended_jobs(50).unwrap();
    assert_eq!((ended[0].state, ended[0].error.as_deref()), (State::Failed, Some("no")));
    assert_eq!(store.job("a").unwrap().as_ref(), Some(&ended[0]));
    assert_eq!(store.job("z").unwrap(), None);
}

#[test]
fn what_a_killed_process_left_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join("pictures").join(name);
    {
        let store = Store::open(folder.path()).unwrap();
        for id in ["whole", "lost"] {
            store.keep_picture(&picture(id, "a cat"), b"png").unwrap();
        }
        fs::remove_file(file("lost.png")).unwrap();
        fs::write(file("orphan.png"), b"png").unwrap();
        fs::write(file(".x.1-0.aquatint-tmp"), b"half").unwrap();
    }
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.picture_ids().unwrap(), ["whole"]);
    assert_eq!(fs::read_dir(folder.path().join("pictures")).unwrap().count(), 1);
    assert_eq!(store.picture("whole").unwrap(), Some(picture("whole", "a cat")));
    assert_eq!(store.read_picture("whole").unwrap().as_deref(), Some(&b"png"[..]));
    assert_eq!(store.read_picture("../lock").unwrap(), None);
}

#[test]
fn the_gallery_is_searched_page_by_page() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    for (id, prompt) in [("1", "a red cat"), ("2", "a dog"), ("3", "a Cat, 100% red")] {
        store.keep_picture(&picture(id, prompt), b"png").unwrap();
        // Twice is once.
        store.keep_picture(&picture(id, prompt), b"png").unwrap();
    }
    let found = |search: &str, before, limit| {
        let Found { pictures, next } = store.search(search, before, limit).unwrap();
        (pictures.into_iter().map(|p| p.made.id).collect::<Vec<_>>().join(""), next)
    };
    assert_eq!(found("", None, 2), ("32".into(), Some("2".into())));
    assert_eq!(found("", Some("2"), 2), ("1".into(), None));
    assert_eq!(found("red cat", None, 9), ("31".into(), None));
    assert_eq!(found("100%", None, 9), ("3".into(), None));
    assert_eq!(found("_", None, 9), (String::new(), None));
    assert_eq!(found("", Some("none"), 9), (String::new(), None));
    assert!(store.delete_picture("3").unwrap() && !store.delete_picture("3").unwrap());
    assert_eq!(found("", None, 9), ("21".into(), None));
}

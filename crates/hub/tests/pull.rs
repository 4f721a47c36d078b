//! Models fetched through real sockets from a hub and a store that fail as they are told.

mod server;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aquatint_hub::{
    Cache, Choice, Event, HubError, ModelName, Patience, Pulled, Request, Settings, Watch, pull,
};
use server::{COMMIT, Reply, Repo, Server, git, sha256, well};

const UNET: &str = "unet/diffusion_pytorch_model.safetensors";

fn settings(hub: &Server, cache: &Path) -> Settings {
    let mut settings = Settings::new(&hub.address, Cache::new(cache)).unwrap();
    settings.patience = Patience {
        attempts: 2,
        pause: Duration::from_millis(1),
        connect: Duration::from_secs(5),
        read: Duration::from_millis(400),
    };
    settings
}

fn request(files: &[&str]) -> Request {
    let files = files.iter().map(|&file| file.to_owned()).collect();
    Request { model: ModelName::parse("owner/name").unwrap(), files, choice: Choice::default() }
}

fn fetch(hub: &Server, cache: &Path, files: &[&str]) -> Result<Pulled, HubError> {
    pull(&settings(hub, cache), &request(files), &mut ())
}

fn blob(cache: &Path, content: &[u8], end: &str) -> std::path::PathBuf {
    cache.join("models--owner--name/blobs").join(sha256(content) + end)
}

#[test]
fn a_model_comes_into_the_layout_of_the_python_tools() {
    let (repo, folder) = (Repo::model(), tempfile::tempdir().unwrap());
    let (hub, store) = repo.clone().serve(well(), well());
    let pulled = fetch(&hub, folder.path(), &[]).unwrap();
    let place = folder.path().join("models--owner--name");
    assert_eq!(pulled.path, place.join("snapshots").join(COMMIT));
    assert_eq!(pulled.files.len(), 5);
    for file in ["model_index.json", "unet/config.json", "vae/config.json", UNET] {
        assert_eq!(fs::read(pulled.path.join(file)).unwrap(), repo.content(file), "{file}");
    }
    assert!(!pulled.path.join("README.md").exists() && hub.seen("ckpt").is_empty());
    assert_eq!(fs::read_to_string(place.join("refs/main")).unwrap(), COMMIT);
    if cfg!(unix) {
        let link = |file: &str| fs::read_link(pulled.path.join(file)).unwrap();
        let (large, small) = (sha256(repo.content(UNET)), git(repo.content("vae/config.json")));
        assert_eq!(link(UNET), Path::new(&format!("../../../blobs/{large}")));
        assert_eq!(link("vae/config.json"), Path::new(&format!("../../../blobs/{small}")));
    }
    let names = fs::read_dir(place.join("blobs")).unwrap();
    assert!(names.flatten().all(|entry| !entry.path().to_string_lossy().contains("incomplete")));

    // What is there is not fetched again, and is found without the network.
    let before = hub.seen("resolve").len();
    assert_eq!(fetch(&hub, folder.path(), &[]).unwrap().path, pulled.path);
    assert_eq!((hub.seen("resolve").len(), store.seen(UNET).len()), (before, 1));
    let mut offline = settings(&hub, folder.path());
    offline.offline = true;
    let asked = hub.seen("").len();
    assert_eq!(pull(&offline, &request(&[]), &mut ()).unwrap().path, pulled.path);
    let missing = pull(&offline, &request(&["README.md"]), &mut ()).unwrap_err().to_string();
    assert!(missing.starts_with("owner/name/README.md is not in the cache"), "{missing}");
    fs::remove_dir_all(pulled.path.join("vae")).unwrap();
    let missing = pull(&offline, &request(&[]), &mut ()).unwrap_err().to_string();
    assert!(missing.starts_with("owner/name/vae is not in the cache"), "{missing}");
    assert_eq!(hub.seen("").len(), asked);

    let models = Cache::new(folder.path()).models().unwrap();
    assert_eq!((models.len(), models[0].revisions.clone()), (1, vec!["main".to_owned()]));
}

#[test]
fn one_file_can_be_had() {
    let (repo, folder) = (Repo::model(), tempfile::tempdir().unwrap());
    let (hub, _store) = repo.clone().serve(well(), well());
    let pulled = fetch(&hub, folder.path(), &["all in one.ckpt"]).unwrap();
    assert_eq!(fs::read(&pulled.path).unwrap(), repo.content("all in one.ckpt"));
    assert!(pulled.path.ends_with(format!("{COMMIT}/all in one.ckpt")));
    let error = fetch(&hub, folder.path(), &["none.ckpt"]).unwrap_err().to_string();
    assert!(
        error.starts_with("owner/name has no file none.ckpt; it has README.md, all"),
        "{error}"
    );
    for bad in ["../secret", "/etc/passwd", "a/../../b", "a\\b"] {
        let error = fetch(&hub, folder.path(), &[bad]).unwrap_err();
        assert!(matches!(error, HubError::MalformedFile(_)), "{bad}");
    }
}

#[test]
fn a_broken_transfer_goes_on_where_it_broke() {
    let (repo, folder) = (Repo::model(), tempfile::tempdir().unwrap());
    // Every answer ends after 7,000 bytes: three are needed, and each brings something.
    let files = repo.clone();
    let cut = move |seen: &server::Seen| Some(Reply { cut: 7000, ..files.store(seen) });
    let (hub, store) = repo.clone().serve(well(), Box::new(cut));
    let pulled = fetch(&hub, folder.path(), &[UNET]).unwrap();
    assert_eq!(fs::read(&pulled.path).unwrap(), repo.content(UNET));
    let ranges: Vec<_> = store.seen(UNET).iter().map(|s| s.headers.get("range").cloned()).collect();
    let expected = [None, Some("bytes=7000-".to_owned()), Some("bytes=14000-".to_owned())];
    assert_eq!(ranges, expected);
}

#[test]
fn a_later_run_goes_on_too() {
    let (repo, folder) = (Repo::model(), tempfile::tempdir().unwrap());
    let (files, count) = (repo.clone(), Arc::new(AtomicUsize::new(0)));
    let whim = {
        let count = count.clone();
        move |seen: &server::Seen| match count.fetch_add(1, Ordering::SeqCst) {
            0 => Some(Reply { cut: 7000, ..files.store(seen) }),
            1 | 2 => Some(Reply::new(503, "busy")),
            _ => None,
        }
    };
    let (hub, store) = repo.clone().serve(well(), Box::new(whim));
    let error = fetch(&hub, folder.path(), &[UNET]).unwrap_err();
    assert!(matches!(error, HubError::BrokenOff { .. }), "{error}");
    assert!(error.to_string().contains("goes on from there"), "{error}");
    let part = blob(folder.path(), repo.content(UNET), ".incomplete");
    assert_eq!(fs::metadata(&part).unwrap().len(), 7000);
    assert!(!folder.path().join("models--owner--name/refs/main").exists());
    count.store(9, Ordering::SeqCst);
    let pulled = fetch(&hub, folder.path(), &[UNET]).unwrap();
    assert_eq!(fs::read(&pulled.path).unwrap(), repo.content(UNET));
    assert_eq!(store.seen(UNET).last().unwrap().headers["range"], "bytes=7000-");
    assert!(!part.exists());
}

#[test]
fn a_wrong_part_and_a_server_without_ranges_cost_a_transfer_only() {
    for (start, ranges) in [(7000, true), (7000, false), (20_000, true), (30_000, true)] {
        let (repo, folder) = (Repo::model(), tempfile::tempdir().unwrap());
        let files = repo.clone();
        let whole = move |seen: &server::Seen| {
            let whole = server::Seen { headers: Default::default(), ..seen.clone() };
            (!ranges).then(|| files.store(&whole))
        };
        let (hub, _store) = repo.clone().serve(well(), Box::new(whole));
        let part = blob(folder.path(), repo.content(UNET), ".incomplete");
        fs::create_dir_all(part.parent().unwrap()).unwrap();
        fs::write(&part, vec![7; start]).unwrap();
        let pulled = fetch(&hub, folder.path(), &[UNET]).unwrap();
        assert_eq!(fs::read(&pulled.path).unwrap(), repo.content(UNET), "{start} {ranges}");
    }
}

#[test]
fn what_has_another_sum_gets_no_name() {
    let (repo, folder) = (Repo::model(), tempfile::tempdir().unwrap());
    let other = |seen: &server::Seen| {
        seen.path.contains("unet").then(|| Reply::new(200, server::weights(9)))
    };
    let (hub, _store) = repo.clone().serve(well(), Box::new(other));
    let error = fetch(&hub, folder.path(), &[UNET]).unwrap_err();
    assert!(matches!(error, HubError::SumDiffers { .. }), "{error}");
    assert!(error.to_string().contains(&sha256(repo.content(UNET))), "{error}");
    assert_eq!(fs::read_dir(folder.path().join("models--owner--name/blobs")).unwrap().count(), 0);
    assert!(Cache::new(folder.path()).models().unwrap().is_empty());

    // The same for what the hub itself sends: git's sum.
    let lie = |seen: &server::Seen| {
        let small = seen.path.ends_with("vae/config.json") && seen.method == "GET";
        small.then(|| Reply::new(200, "[]"))
    };
    let (hub, _store) = Repo::model().serve(Box::new(lie), well());
    let error = fetch(&hub, folder.path(), &["vae/config.json"]).unwrap_err();
    assert!(matches!(error, HubError::SumDiffers { .. }), "{error}");
}

#[test]
fn a_slow_server_is_waited_for_and_a_silent_one_is_not() {
    let (repo, folder) = (Repo::model(), tempfile::tempdir().unwrap());
    let files = repo.clone();
    // 20 pieces, 60 ms apart: longer in all than the patience between two of them.
    let slow = move |seen: &server::Seen| {
        Some(Reply { pause: Duration::from_millis(60), ..files.store(seen) })
    };
    let (hub, store) = repo.clone().serve(well(), Box::new(slow));
    fetch(&hub, folder.path(), &[UNET]).unwrap();
    assert_eq!(store.seen(UNET).len(), 1);

    let (files, folder) = (repo.clone(), tempfile::tempdir().unwrap());
    let silent = move |seen: &server::Seen| {
        let pause = if seen.headers.contains_key("range") { 0 } else { 3000 };
        Some(Reply { pause: Duration::from_millis(pause), ..files.store(seen) })
    };
    let (hub, store) = repo.clone().serve(well(), Box::new(silent));
    let pulled = fetch(&hub, folder.path(), &[UNET]).unwrap();
    assert_eq!(fs::read(&pulled.path).unwrap(), repo.content(UNET));
    assert_eq!(store.seen(UNET).last().unwrap().headers["range"], "bytes=1000-");
}

#[test]
fn two_who_want_the_same_fetch_it_once() {
    let (repo, folder) = (Repo::model(), tempfile::tempdir().unwrap());
    let files = repo.clone();
    let slow = move |seen: &server::Seen| {
        Some(Reply { pause: Duration::from_millis(10), ..files.store(seen) })
    };
    let (hub, store) = repo.serve(well(), Box::new(slow));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| fetch(&hub, folder.path(), &[]).unwrap());
        }
    });
    assert_eq!(store.seen(UNET).len(), 1);
}

#[test]
fn whoever_waits_can_stop_it() {
    struct Stop;
    impl Watch for Stop {
        fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
            match event {
                Event::Have(1..) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    let (repo, folder) = (Repo::model(), tempfile::tempdir().unwrap());
    let (hub, _store) = repo.clone().serve(well(), well());
    let error = pull(&settings(&hub, folder.path()), &request(&[UNET]), &mut Stop).unwrap_err();
    assert!(matches!(error, HubError::Stopped), "{error}");
    assert!(blob(folder.path(), repo.content(UNET), ".incomplete").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_as_one() {
    let (repo, folder) = (Repo::model(), tempfile::tempdir().unwrap());
    let (hub, _store) = repo.clone().serve(well(), well());
    let part = blob(folder.path(), repo.content(UNET), ".incomplete");
    fs::create_dir_all(part.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/dev/full", &part).unwrap();
    let error = fetch(&hub, folder.path(), &[UNET]).unwrap_err();
    assert!(matches!(error, HubError::DiskFull(_)), "{error}");
    assert!(error.to_string().starts_with("the disk is full at "), "{error}");
}

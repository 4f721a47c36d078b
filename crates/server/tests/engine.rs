//! The engine by itself, as other APIs use it: what goes wrong inside, what has room, who goes away.

mod common;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aquatint_pipeline::{GenerateRequest, png};
use aquatint_server::engine::{Engine, ModelEntry, ModelFiles, Settings, State, Wish};
use aquatint_server::{Kind, Limits, Store};
use common::models;

fn wish(model: &str, steps: usize) -> Wish {
    let request = GenerateRequest { steps, ..Default::default() };
    Wish { model: Some(model.into()), request, ..Default::default() }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(future)
}

#[test]
fn a_panic_is_one_failed_job() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = models();
    let mut broken: ModelEntry = all[0].clone();
    broken.name = "broken".into();
    // Nobody may ask for both, and whoever does is told so by a panic.
    (broken.options.trainable, broken.options.int8) = (true, true);
    all.push(broken);
    let said: Arc<Mutex<Vec<String>>> = Arc::default();
    let hears = said.clone();
    let log = Arc::new(move |line: &str| hears.lock().unwrap().push(line.into()));
    let settings = Settings { log, ..Default::default() };
    let engine = Engine::start(settings, all, Store::open(folder.path()).unwrap()).unwrap();
    let first = engine.submit(wish("seven-styles", 1)).unwrap();
    let second = engine.submit(wish("broken", 1)).unwrap();
    let third = engine.submit(wish("seven-styles", 1)).unwrap();
    let refusal = wait(second.pictures()).unwrap_err();
    assert_eq!(refusal.kind, Kind::Failed);
    assert!(refusal.message.contains("a mistake in this program"), "{}", refusal.message);
    for handle in [first, third] {
        let pictures = wait(handle.pictures()).expect("a picture");
        assert!(png::decode(&pictures[0].1).is_ok());
    }
    assert!(said.lock().unwrap().iter().any(|line| line.contains("panicked")));
    assert_eq!(engine.drain(Duration::from_secs(5)), 0);
}

#[test]
fn what_is_wrong_on_the_disk_is_told_to_the_operator() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    for part in ["unet", "vqvae", "scheduler", ""] {
        let from = common::root("models/seven-styles-unconditional").join(part);
        std::fs::create_dir_all(model.join(part)).unwrap();
        for file in std::fs::read_dir(from).unwrap().flatten().filter(|f| f.path().is_file()) {
            std::fs::copy(file.path(), model.join(part).join(file.file_name())).unwrap();
        }
    }
    let mut entry = models().remove(0);
    let source = aquatint_pipeline::ModelSource::folder(&model).unwrap();
    (entry.name, entry.files) = ("lost".into(), ModelFiles::Diffusion(source));
    let said: Arc<Mutex<Vec<String>>> = Arc::default();
    let hears = said.clone();
    let log = Arc::new(move |line: &str| hears.lock().unwrap().push(line.into()));
    let settings = Settings { log, ..Default::default() };
    let store = Store::open(&folder.path().join("data")).unwrap();
    let engine = Engine::start(settings, vec![entry], store).unwrap();
    std::fs::remove_dir_all(model.join("unet")).unwrap();
    let refusal = wait(engine.submit(wish("lost", 1)).unwrap().pictures()).unwrap_err();
    assert_eq!(refusal.kind, Kind::Failed);
    let operator = "the model cannot be loaded: the server's operator has been told why";
    assert_eq!(refusal.message, operator);
    let path = folder.path().display().to_string();
    assert!(said.lock().unwrap().iter().any(|line| line.contains(&path)), "{said:?}");
    engine.drain(Duration::from_secs(5));
}

#[test]
fn models_make_room_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    // Room for the first (30 MB) and the network, or for two of the smaller ones.
    let settings = Settings { memory: 32_000_000, ..Default::default() };
    let engine = Engine::start(settings, models(), Store::open(folder.path()).unwrap()).unwrap();
    let loaded = |name: &str| {
        let mut wish = wish(name, 1);
        wish.request.class = name.ends_with("class").then(|| "0".into());
        assert_eq!(wait(engine.submit(wish).unwrap().ended()).state, State::Done);
        let loaded = engine.catalogue().loaded();
        loaded.iter().map(|&i| &*engine.catalogue().all()[i].entry.name).collect::<Vec<_>>()
    };
    assert_eq!(loaded("seven-styles"), ["seven-styles"]);
    assert_eq!(loaded("seven-styles-class"), ["seven-styles-class"]);
    let both = ["seven-styles-class", "seven-styles-unconditional"];
    assert_eq!(loaded("seven-styles-unconditional"), both);
    assert_eq!(loaded("seven-styles-class"), [both[1], both[0]]);
    assert_eq!(loaded("seven-styles"), ["seven-styles"]);
    engine.drain(Duration::from_secs(5));
    drop(engine);

    let settings = Settings { memory: 20_000_000, ..Default::default() };
    let store = Store::open(folder.path()).unwrap();
    let error = Engine::start(settings, models(), store).err().expect("no room").to_string();
    assert!(error.contains("`seven-styles` takes 0.0 GB") && error.contains("--memory"), "{error}");
}

#[test]
fn who_goes_away_takes_the_job_along() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let engine = Engine::start(Settings::default(), models(), store).unwrap();
    let (running, waiting) =
        (engine.submit(wish("seven-styles", 150)).unwrap(), engine.submit(wish("seven-styles", 9)));
    let waiting = waiting.unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while running.job.progress().step < 2 {
        assert!(Instant::now() < until, "it does not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    let progress = running.job.progress();
    assert_eq!((progress.state, progress.steps), (State::Running, 150));
    assert!(running.job.latest_preview().is_some() && progress.sigma.is_some());
    assert_eq!(engine.running().map(|job| job.id.clone()), Some(running.id().into()));
    let (first, second) = (running.cancel_on_drop(), waiting.cancel_on_drop());
    let asked = Instant::now();
    drop((second, first));
    assert_eq!(wait(waiting.ended()).state, State::Cancelled);
    assert_eq!(wait(running.ended()).state, State::Cancelled);
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert!(wait(running.pictures()).is_err());
    engine.drain(Duration::from_secs(5));
    assert_eq!(engine.submit(wish("seven-styles", 1)).err().map(|r| r.kind), Some(Kind::Draining));
}

#[test]
fn previews_have_a_bounded_room() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { recent: 3, preview_bytes: 4000, ..Default::default() };
    let settings = Settings { limits, ..Default::default() };
    let engine = Engine::start(settings, models(), Store::open(folder.path()).unwrap()).unwrap();
    let handles: Vec<_> =
        (0..5).map(|_| engine.submit(wish("seven-styles-unconditional", 4)).unwrap()).collect();
    for handle in &handles {
        assert_eq!(wait(handle.ended()).state, State::Done);
    }
    // The end of the last is told before its previews are looked at.
    std::thread::sleep(Duration::from_millis(100));
    let kept = handles.iter().filter(|handle| handle.job.latest_preview().is_some());
    let known = engine.jobs();
    assert_eq!(known.len(), 3);
    assert!(kept.count() < 5);
    // Those that are not remembered are on the disk.
    let old = engine.job(handles[0].id()).unwrap();
    assert_eq!(
        (old.json()["state"].as_str(), old.job.progress().pictures.len()),
        (Some("done"), 1)
    );
    engine.drain(Duration::from_secs(5));
}

#[test]
fn what_a_student_sees() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let engine = Engine::start(Settings::default(), models(), store).unwrap();
    let prompt = "a (red:1.5) [cat] AND a dog".into();
    let request = GenerateRequest { prompt, steps: 2, ..Default::default() };
    let wish = Wish { request, explain: true, ..Default::default() };
    let handle = engine.submit(wish).unwrap();
    wait(handle.ended());
    let explained = handle.job.explained().expect("it was asked for");
    let tokens = explained["tokens"].as_array().unwrap().iter();
    let tokens: Vec<_> =
        tokens.map(|t| (t["text"].as_str().unwrap(), t["weight"].as_f64().unwrap())).collect();
    assert_eq!(tokens, [("a", 1.0), ("red", 1.5), ("cat", 1.0 / 1.1)]);
    assert_eq!(explained["sigmas"].as_array().map(Vec::len), Some(2));
    engine.drain(Duration::from_secs(5));
}

#[test]
fn two_models_of_one_name_and_none() {
    let folder = tempfile::tempdir().unwrap();
    let start = |models| {
        let store = Store::open(folder.path()).unwrap();
        Engine::start(Settings::default(), models, store).err().expect("refused").to_string()
    };
    let twice = vec![models().remove(0), models().remove(0)];
    assert!(start(twice).contains("two models are called `seven-styles`"));
    assert!(start(vec![]).contains("give one with -m"));
    let text: Vec<ModelEntry> = models()
        .into_iter()
        .filter(|m| matches!(m.files, ModelFiles::Diffusion(_)))
        .take(1)
        .collect();
    let store = Store::open(folder.path()).unwrap();
    let engine = Engine::start(Settings::default(), text, store).unwrap();
    let refusal = engine.submit(Wish { upscale: true, ..Default::default() }).err().unwrap();
    assert!(refusal.message.contains("no model that enlarges"), "{}", refusal.message);
    engine.drain(Duration::from_secs(5));
}

//! A job from its request to its picture, and everything that may happen to it.

mod common;

use std::time::{Duration, Instant};

use aquatint_pipeline::{
    Components, Encoding, GenerateRequest, ModelSource, encode_picture, metadata, png,
    text_to_image,
};
use aquatint_server::Limits;
use base64::Engine as _;
use common::{Client, root, start};
use serde_json::json;

fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn from_a_request_to_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), Limits::default(), None);
    let client = Client::new(server.address());
    let wish = json!({"prompt": "noto emoji of a cat", "steps": 4, "seed": 7, "explain": true});
    let taken = client.post("/api/v1/jobs", &wish);
    assert_eq!((taken.status, &taken.json()["seed"]), (202, &json!(7)));
    let id = taken.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(taken.header("location"), Some(&*format!("/api/v1/jobs/{id}")));

    let events = client.events(&id, 0);
    let names: Vec<&str> = events.iter().map(|(_, name, _)| name.as_str()).collect();
    let steps = ["step"; 4];
    assert_eq!(names, [&["queued", "started"], &steps[..], &["picture", "done"]].concat());
    assert!(events.iter().enumerate().all(|(i, (number, ..))| *number == i as u64 + 1));
    let (_, _, step) = &events[4];
    assert_eq!(
        (&step["step"], &step["steps"], &step["picture"]),
        (&json!(3), &json!(4), &json!(0))
    );
    assert!(step["sigma"].as_f64().unwrap() > 0.0);
    let preview = client.get(step["preview"].as_str().unwrap());
    let (preview, _) = png::decode(&preview.body).expect("a preview");
    assert_eq!((preview.width, preview.height), (16, 16));
    client.get(&format!("/api/v1/jobs/{id}/steps/0/5.png")).refused(404);
    client.get(&format!("/api/v1/jobs/{id}/steps/0/x.png")).refused(404);
    client.get(&format!("/api/v1/jobs/{id}/steps/0/1")).refused(404);
    assert_eq!(client.events(&id, 6), events[6..], "resumed");
    let all = client.with("last-event-id", "8").get(&format!("/api/v1/jobs/{id}/events"));
    assert_eq!(all.status, 204);

    let job = client.state(&id);
    assert_eq!(
        (&job["state"], &job["step"], &job["steps"]),
        (&"done".into(), &4.into(), &4.into())
    );
    assert_eq!(job["pictures"], json!([events[6].2]));
    assert_eq!(job["request"]["prompt"], wish["prompt"]);
    let explained = client.get(&format!("/api/v1/jobs/{id}/explain")).json();
    assert_eq!(explained["tokens"][4]["text"], "cat");
    assert_eq!(explained["sigmas"].as_array().map(Vec::len), Some(4));
    let maps = explained["attention"].as_array().expect("maps");
    assert_eq!(maps.len(), explained["tokens"].as_array().expect("tokens").len());
    assert_eq!(maps[4]["token"], 4);
    let map = client.get(maps[4]["url"].as_str().expect("an address"));
    let (map, _) = png::decode(&map.body).expect("a map");
    assert_eq!((map.width, map.height), (64, 64));
    client.get(&format!("/api/v1/jobs/{id}/attention/99.png")).refused(404);

    // The same bytes as the pipeline's.
    let source = ModelSource::folder(root("models/seven-styles")).unwrap();
    let components = Components::load(&source, &Default::default()).unwrap();
    let prompt = "noto emoji of a cat".to_owned();
    let request = GenerateRequest { prompt, steps: 4, seed: 7, ..Default::default() };
    let pictures = text_to_image(&components, &request, &mut ()).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let origin = metadata::Origin { model: "seven-styles", version, dtype: "f32" };
    let texts = metadata::texts(&request, 7.into(), (128, 128), &origin);
    let expected = encode_picture(&pictures[0], &texts, Encoding::default()).unwrap();
    let file = client.get(job["pictures"][0]["url"].as_str().unwrap());
    assert!(file.body == expected, "the server's picture is another");
    assert_eq!(file.header("content-type"), Some("image/png"));

    // And what it says of itself makes it again.
    let read = client.ask("POST", "/api/v1/read", Some(("image/png", &file.body))).json();
    assert!(read["text"].as_str().unwrap().starts_with("noto emoji of a cat\nSteps: 4"));
    let again = client.job(&read["request"]);
    let again = client.wait(&again, &["done", "failed"]);
    let again = client.get(again["pictures"][0]["url"].as_str().expect("a picture"));
    assert!(again.body == expected, "made again it is another");
    let plain = png::encode(&pictures[0], &Default::default());
    client.ask("POST", "/api/v1/read", Some(("image/png", &plain))).refused(422);

    // The gallery has both.
    let found = client.get("/api/v1/pictures?search=EMOJI+cat&limit=1").json();
    let next = found["next"].as_str().unwrap();
    let rest = client.get(&format!("/api/v1/pictures?before={next}")).json();
    assert_eq!(rest["pictures"][0]["job"], *id);
    assert_eq!(rest["next"], json!(null));
    let picture = format!("/api/v1/pictures/{id}-0");
    assert_eq!(client.get(&picture).json()["seed"], 7);
    assert_eq!(client.ask("DELETE", &picture, None).status, 200);
    client.get(&picture).refused(404);
    client.get(&format!("{picture}.png")).refused(404);
    client.ask("DELETE", &picture, None).refused(404);
    assert_eq!(client.state(&id)["pictures"], json!([]));
    assert_eq!(server.end(Duration::from_secs(10)), 0);
}

#[test]
fn other_models_and_pictures_to_begin_with() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), Limits::default(), None);
    let client = Client::new(server.address());
    let small = aquatint_pipeline::Picture::new(64, 64, [200, 80, 40]);
    let bytes = base64(&png::encode(&small, &Default::default()));
    let data = format!("data:image/png;base64,{bytes}");
    let white = aquatint_pipeline::Picture::new(64, 64, [255; 3]);
    let mask = base64(&png::encode(&white, &Default::default()));
    let wishes = [
        (json!({"upscale": true, "init": data}), 256, "esrgan-slim-x4"),
        (json!({"model": "seven-styles-class", "class": 3, "steps": 2}), 128, "seven-styles-class"),
        (
            json!({"model": "seven-styles-unconditional", "steps": 2, "count": 2}),
            128,
            "seven-styles-unconditional",
        ),
        (json!({"prompt": "a cat", "init": bytes, "steps": 4}), 64, "seven-styles"),
        (json!({"prompt": "a cat", "init": bytes, "mask": mask, "steps": 2}), 64, "seven-styles"),
    ];
    let jobs: Vec<String> = wishes.iter().map(|(wish, ..)| client.job(wish)).collect();
    for (id, (wish, side, model)) in jobs.iter().zip(&wishes) {
        let job = client.wait(id, &["done", "failed"]);
        assert_eq!((&job["state"], &job["model"]), (&json!("done"), &json!(model)), "{job}");
        assert_eq!(job["pictures"][0]["width"], *side, "{job}");
        assert_eq!(
            job["pictures"].as_array().map(Vec::len),
            wish["count"].as_u64().or(Some(1)).map(|n| n as usize)
        );
        assert!(job["request"].get("init").is_none(), "{job}");
    }
    let upscale = client.get("/api/v1/models").json();
    let kinds: Vec<&str> =
        upscale["models"].as_array().unwrap().iter().map(|m| m["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["text", "upscale", "class", "unconditional", "upscale"]);
    assert_eq!(upscale["models"][0]["loaded"], true);
}

#[test]
fn cancelled_while_it_waits_and_while_it_is_worked_at() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), Limits::default(), None);
    let client = Client::new(server.address());
    let long = json!({"prompt": "a cat", "steps": 150, "count": 16});
    let (first, second, third) = (client.job(&long), client.job(&long), client.job(&long));
    assert_eq!(client.state(&third)["position"], 2);
    client.wait(&first, &["running"]);
    let cancel = |id: &str| {
        let asked = Instant::now();
        let job = client.ask("DELETE", &format!("/api/v1/jobs/{id}"), None).json();
        assert_eq!(job["state"], "cancelled", "{job}");
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
        job
    };
    assert_eq!(cancel(&second)["started"], json!(null));
    assert_eq!(client.state(&third)["position"], 1);
    // In the middle of a step.
    std::thread::sleep(Duration::from_millis(300));
    cancel(&first);
    let names = |id: &str| {
        let events = client.events(id, 0).into_iter().map(|(_, name, _)| name);
        events.filter(|name| name != "step").collect::<Vec<_>>()
    };
    assert!(["queued", "cancelled"].iter().all(|name| names(&second).contains(&(*name).into())));
    assert!(!names(&second).contains(&"started".into()));
    assert_eq!(names(&first).last().map(String::as_str), Some("cancelled"));
    client.wait(&third, &["running"]);
    cancel(&third);
    // Somebody who stops listening has not cancelled anything.
    let short = client.job(&json!({"prompt": "a cat", "steps": 20}));
    drop(client.send("GET", &format!("/api/v1/jobs/{short}/events"), None));
    client.wait(&short, &["done"]);
    client.ask("DELETE", "/api/v1/jobs/none", None).refused(404);
    // What has ended stays so.
    let done = client.ask("DELETE", &format!("/api/v1/jobs/{short}"), None).json();
    assert_eq!(done["state"], "done");
}

#[test]
fn who_listens_hears_that_the_server_lives() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { heartbeat: Duration::from_millis(50), ..Default::default() };
    let server = start(folder.path(), limits, None);
    let client = Client::new(server.address());
    let long = json!({"prompt": "a cat", "steps": 150, "count": 16});
    let [first, second] = [client.job(&long), client.job(&long)];
    let stream = client.send("GET", &format!("/api/v1/jobs/{second}/events"), None);
    std::thread::sleep(Duration::from_millis(300));
    for id in [&first, &second] {
        client.ask("DELETE", &format!("/api/v1/jobs/{id}"), None);
    }
    let answer = common::read(stream);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.starts_with("id: 1\nevent: queued\ndata: {\"position\":"), "{text}");
    assert!(text.matches("\n:\n\n").count() >= 2, "{text}");
    assert!(text.ends_with("event: cancelled\ndata: {}\n\n"), "{text}");
}

#[test]
fn a_restart_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), Limits::default(), None);
    let client = Client::new(server.address());
    let wish = |seed: u64, steps: u64| json!({"prompt": "a dog", "seed": seed, "steps": steps});
    let done = client.job(&wish(1, 2));
    client.wait(&done, &["done"]);
    let kept = client.get(&format!("/api/v1/pictures/{done}-0.png")).body;
    let left: Vec<String> = (2..5).map(|seed| client.job(&wish(seed, 30))).collect();
    client.wait(&left[0], &["running"]);
    // No time to finish: what is worked at is given up, and nothing else is begun.
    assert_eq!(server.end(Duration::ZERO), 3);

    let server = start(folder.path(), Limits::default(), None);
    let client = Client::new(server.address());
    for id in &left {
        let job = client.wait(id, &["done", "failed"]);
        assert_eq!(job["state"], "done", "{job}");
    }
    assert_eq!(client.get(&format!("/api/v1/pictures/{done}-0.png")).body, kept);
    let job = client.state(&done);
    assert_eq!((&job["state"], &job["pictures"][0]["seed"]), (&json!("done"), &json!(1)));
    let events = client.events(&done, 0);
    assert_eq!(events.last().map(|(_, name, _)| name.as_str()), Some("done"));
    // In the order in which they came.
    let found = client.get("/api/v1/pictures").json();
    let seeds: Vec<_> =
        found["pictures"].as_array().unwrap().iter().map(|p| p["seed"].as_u64().unwrap()).collect();
    assert_eq!(seeds, [4, 3, 2, 1]);
    assert_eq!(client.get("/api/v1/jobs").json()["jobs"].as_array().map(Vec::len), Some(4));
}

#[test]
fn the_end_waits_for_what_was_taken() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), Limits::default(), None);
    let client = Client::new(server.address());
    let wish = json!({"prompt": "a dog", "seed": 1, "steps": 20});
    let ids = [client.job(&wish), client.job(&wish)];
    let stopper = server.stopper();
    let listening = client.clone();
    let second = ids[1].clone();
    let events = std::thread::spawn(move || listening.events(&second, 0));
    std::thread::sleep(Duration::from_millis(50));
    stopper.drain();
    assert!(client.post("/api/v1/jobs", &wish).refused(503).contains("about to end"));
    assert_eq!(client.get("/ready").status, 503);
    assert_eq!(client.get("/health").status, 200);
    assert_eq!(server.run(Duration::from_secs(30)), 0);
    let events = events.join().unwrap();
    assert_eq!(events.last().map(|(_, name, _)| name.as_str()), Some("done"));
    let store = aquatint_server::Store::open(folder.path()).unwrap();
    assert_eq!(store.search("", None, 9).unwrap().pictures.len(), 2);
}

//! The web UI's API: what its programs send, and what they wait for.

mod common;

use std::time::{Duration, Instant};

use aquatint_pipeline::metadata::Description;
use aquatint_pipeline::{Picture, png};
use aquatint_server::Limits;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Answer, Client, start};
use serde_json::{Value, json};

fn base64(picture: &Picture) -> String {
    STANDARD.encode(png::encode(picture, &Default::default()))
}

#[track_caller]
fn pictures(answer: &Answer) -> (Vec<Vec<u8>>, Value) {
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let json = answer.json();
    let images = json["images"].as_array().expect("pictures");
    let images = images.iter().map(|image| STANDARD.decode(image.as_str().unwrap()).unwrap());
    let info = serde_json::from_str(json["info"].as_str().expect("a text")).expect("JSON");
    (images.collect(), info)
}

/// What webuiapi sends with every request.
fn task(more: Value) -> Value {
    let mut task = json!({
        "enable_hr": false, "hr_scale": 2, "hr_upscaler": "Latent", "hr_second_pass_steps": 0,
        "hr_prompt": "", "hr_checkpoint_name": null, "denoising_strength": 0.7, "styles": [],
        "subseed": -1, "subseed_strength": 0.0, "seed_resize_from_h": 0, "batch_size": 1,
        "n_iter": 1, "cfg_scale": 7.0, "restore_faces": false, "tiling": false, "eta": 1.0,
        "s_churn": 0, "s_noise": 1, "sampler_name": "Euler a", "scheduler": "automatic",
        "override_settings": {}, "script_name": null, "script_args": [], "alwayson_scripts": {},
        "firstphase_width": 0, "prompt": "noto emoji of a cat", "steps": 3, "seed": 7,
        "width": 64, "height": 64,
    });
    task.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    task
}

#[test]
fn from_text_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), Limits::default(), None);
    let client = Client::new(server.address());
    let ask = |more| client.post("/sdapi/v1/txt2img", &task(more));
    let answer = ask(json!({"n_iter": 2, "save_images": true}));
    let (images, info) = pictures(&answer);
    assert_eq!(answer.json()["parameters"]["prompt"], "noto emoji of a cat");
    assert_eq!((images.len(), &info["all_seeds"]), (2, &json!([7, 8])));
    assert_eq!(
        (&info["seed"], &info["width"], &info["clip_skip"]),
        (&7.into(), &64.into(), &1.into())
    );
    assert_eq!((&info["sampler_name"], &info["batch_size"]), (&json!("Euler a"), &json!(1)));
    let line = info["infotexts"][1].as_str().unwrap();
    assert!(line.contains("Sampler: Euler a") && line.contains("Seed: 8"), "{line}");
    assert_eq!(Description::read(&images[1]).unwrap().texts["parameters"], line);

    // The same over our own API and over OpenAI's, to the bit.
    let ours = json!({
        "prompt": "noto emoji of a cat", "steps": 3, "seed": 8, "width": 64, "height": 64,
        "sampler": "euler_ancestral", "eta": 1.0, "guidance_scale": 7.0, "rng": "web-ui",
    });
    let job = client.wait(&client.job(&ours), &["done", "failed"]);
    let file = client.get(job["pictures"][0]["url"].as_str().expect("a picture"));
    assert!(file.body == images[1], "our own API's picture is another");
    let theirs = json!({
        "prompt": "noto emoji of a cat", "steps": 3, "seed": 8, "size": "64x64", "eta": 1.0,
        "sampler": "euler_ancestral", "guidance_scale": 7.0, "rng": "web-ui",
        "response_format": "b64_json",
    });
    let theirs = client.post("/v1/images/generations", &theirs).json();
    let theirs = STANDARD.decode(theirs["data"][0]["b64_json"].as_str().expect("a picture"));
    assert!(theirs.unwrap() == images[1], "OpenAI's picture is another");

    // Seeds that nobody chose differ, and what is not to be kept is not.
    let kept = client.get("/api/v1/pictures").json()["pictures"].as_array().unwrap().len();
    let (_, one) = pictures(&ask(json!({"seed": -1, "send_images": false})));
    let (none, two) = pictures(&ask(json!({"seed": -1, "send_images": false})));
    assert!(none.is_empty() && one["seed"] != two["seed"]);
    assert_eq!(client.get("/api/v1/pictures").json()["pictures"].as_array().unwrap().len(), kept);

    // A second pass, another sampler by its old name, another format, and the other seed.
    let more = json!({
        "enable_hr": true, "hr_scale": 1.5, "sampler_name": "DPM++ 2M Karras", "subseed": 3,
        "subseed_strength": 0.4, "override_settings": {"samples_format": "jpg"},
    });
    let (images, info) = pictures(&ask(more));
    let made = Description::read(&images[0]).unwrap();
    assert_eq!((made.width, made.format.extension(), &info["subseed"]), (96, "jpg", &json!(3)));
    let line = &made.texts["parameters"];
    assert!(line.contains("Schedule type: Karras") && line.contains("Variation seed: 3"), "{line}");

    let read = json!({"image": format!("data:image/jpeg;base64,{}", STANDARD.encode(&images[0]))});
    let read = client.post("/sdapi/v1/png-info", &read).json();
    assert_eq!(read["info"], *line);
    assert_eq!(
        (&read["parameters"]["Steps"], &read["items"]["parameters"]),
        (&json!("3"), &json!(line))
    );

    for (more, word) in [
        (json!({"sampler_name": "Oiler"}), "Sampler not found"),
        (json!({"tiling": true}), "`tiling`"),
        (json!({"batch_size": 0}), "`batch_size`"),
        (json!({"width": 100}), "multiples of 8"),
        (json!({"seed": "x"}), "`seed`"),
        (json!({"prompt": 3}), "`prompt` is a text"),
        (json!({"override_settings": {"sd_model_checkpoint": "seven-stiles"}}), "did you mean"),
        (json!({"override_settings": {"sd_vae": "mine"}}), "`sd_vae`"),
        (json!({"override_settings": {"randn_source": "dice"}}), "dice"),
        (json!({"alwayson_scripts": {"ControlNet": {"args": [1]}}}), "ControlNet not found"),
    ] {
        let answer = ask(more.clone());
        let sentence = answer.refused(422);
        assert!(sentence.contains(word), "{more}: {sentence}");
        assert_eq!(answer.json()["detail"], sentence);
    }
    ask(json!({"batch_size": 1 << 20, "n_iter": 1 << 20})).refused(413);
}

#[test]
fn from_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), Limits::default(), None);
    let client = Client::new(server.address());
    let ask = |more| client.post("/sdapi/v1/img2img", &task(more));
    let mut init = Picture::new(100, 80, [200, 80, 40]);
    init.rgb[..3].fill(9);
    let data = format!("data:image/png;base64,{}", base64(&init));
    for mode in 0..3 {
        let answer = ask(json!({"init_images": [data], "resize_mode": mode}));
        assert_eq!(answer.json()["parameters"]["init_images"], Value::Null);
        let (images, info) = pictures(&answer);
        let made = Description::read(&images[0]).unwrap();
        assert_eq!((made.width, made.height, &info["denoising_strength"]), (64, 64, &json!(0.7)));
    }
    // A white square is made anew; the rest stays to the bit, in the size of the whole picture.
    let mut mask = Picture::new(100, 80, [0; 3]);
    for y in 30..50 {
        mask.rgb[3 * (y * 100 + 40)..3 * (y * 100 + 60)].fill(255);
    }
    let mask = base64(&mask);
    for (more, size) in [
        (json!({}), (100, 80)),
        (
            json!({"inpaint_full_res": false, "inpainting_fill": 1, "width": 96, "height": 80}),
            (96, 80),
        ),
        (json!({"inpaint_full_res_padding": 8, "inpainting_mask_invert": 0}), (100, 80)),
    ] {
        let mut more = more;
        more["init_images"] = json!([data]);
        more["mask"] = json!(mask);
        more["mask_blur"] = json!(2);
        let (images, _) = pictures(&ask(more));
        let made = Picture::decode_opaque(&images[0]).unwrap();
        assert_eq!((made.width, made.height), size);
        let pixel = |x: usize, y: usize| &made.rgb[3 * (y * made.width + x)..][..3];
        assert_eq!(pixel(90, 70), [200, 80, 40]);
        assert_ne!(pixel(made.width / 2, 40), [200, 80, 40]);
        if size == (100, 80) {
            assert_eq!(pixel(0, 0), [9; 3]);
        }
        assert!(Description::read(&images[0]).unwrap().texts["parameters"].contains("Steps: 3"));
    }
    for (more, word) in [
        (json!({}), "`init_images`"),
        (json!({"init_images": ["http://localhost/x.png"]}), "nothing is fetched"),
        (json!({"init_images": [data, data]}), "one picture"),
        (json!({"init_images": [data], "resize_mode": 3}), "`resize_mode`"),
        (json!({"init_images": [data], "mask": mask, "inpainting_fill": 2}), "`inpainting_fill`"),
        (json!({"init_images": [data], "mask": mask, "mask_blur": 1e300}), "`mask_blur`"),
    ] {
        assert!(ask(more.clone()).refused(422).contains(word), "{more}");
    }
    // Enlarged by a network, made smaller again by a filter, and only by the filter.
    for (more, size) in [
        (json!({"upscaler_1": "esrgan-slim-x4", "upscaling_resize": 4}), (400, 320)),
        (json!({"upscaler_1": "esrgan-slim-x4"}), (200, 160)),
        (json!({"upscaler_1": "Lanczos", "resize_mode": 1, "upscaling_resize_w": 50}), (50, 512)),
        (json!({"upscaler_1": "None"}), (100, 80)),
    ] {
        let mut more = more;
        more["image"] = json!(data);
        let answer = client.post("/sdapi/v1/extra-single-image", &more).json();
        let made = STANDARD.decode(answer["image"].as_str().expect("a picture")).unwrap();
        let made = Description::read(&made).unwrap();
        assert_eq!((made.width, made.height), size);
    }
    let list = json!({"imageList": [{"name": "a", "data": data}], "upscaler_1": "Lanczos"});
    let answer = client.post("/sdapi/v1/extra-batch-images", &list).json();
    assert_eq!(answer["images"].as_array().map(Vec::len), Some(1));
    let unknown = json!({"image": data, "upscaler_1": "LDSR"});
    assert!(
        client
            .post("/sdapi/v1/extra-single-image", &unknown)
            .refused(422)
            .contains("esrgan-slim-x4")
    );
}

#[test]
fn lists_and_options() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), Limits::default(), None);
    let client = Client::new(server.address());
    let list = |name: &str| client.get(&format!("/sdapi/v1/{name}")).json();
    let names = |name: &str, key: &str| -> Vec<String> {
        let list = list(name);
        let all = list.as_array().unwrap().iter().map(|one| one[key].as_str().unwrap().to_owned());
        all.collect()
    };
    assert_eq!(
        names("sd-models", "title"),
        ["seven-styles", "seven-styles-class", "seven-styles-unconditional"]
    );
    assert!(names("samplers", "name").contains(&"DPM++ 2M".into()));
    assert!(names("schedulers", "label").contains(&"Karras".into()));
    assert!(names("upscalers", "name").contains(&"esrgan-slim-x4".into()));
    assert_eq!(names("latent-upscale-modes", "name"), ["Latent", "Latent (nearest-exact)"]);
    for name in ["hypernetworks", "prompt-styles", "loras", "realesrgan-models", "script-info"] {
        assert_eq!(list(name), json!([]), "{name}");
    }
    assert_eq!(list("embeddings"), json!({"loaded": {}, "skipped": {}}));
    assert!(list("memory")["ram"]["total"].is_u64());
    assert!(list("cmd-flags").as_object().unwrap().values().all(Value::is_boolean));
    for name in ["refresh-checkpoints", "refresh-loras", "unload-checkpoint", "reload-checkpoint"] {
        let answer = client.ask("POST", &format!("/sdapi/v1/{name}"), None);
        assert_eq!((answer.status, answer.json()), (200, json!({})), "{name}");
    }

    let set = |options: Value| client.post("/sdapi/v1/options", &options);
    assert_eq!(list("options")["sd_model_checkpoint"], "seven-styles");
    set(json!({"sd_model_checkpoint": "nobody's"})).refused(422);
    set(json!({"samples_format": "bmp"})).refused(422);
    let options = json!({
        "sd_model_checkpoint": "seven-styles-class [0123abcd]", "samples_format": "webp",
        "somebody's": {"own": [1]},
    });
    assert_eq!(set(options).json(), Value::Null);
    let options = list("options");
    assert_eq!(options["sd_model_checkpoint"], "seven-styles-class");
    assert!(options.get("somebody's").is_none());
    let more = json!({"prompt": "3", "sampler_name": "DDIM", "steps": 2});
    let (images, info) = pictures(&client.post("/sdapi/v1/txt2img", &task(more)));
    assert!(images[0].starts_with(b"RIFF") && info["sd_model_name"] == "seven-styles-class");
    let more = json!({"override_settings": {
        "sd_model_checkpoint": "seven-styles", "samples_format": "png",
    }});
    let (images, info) = pictures(&client.post("/sdapi/v1/txt2img", &task(more)));
    assert!(images[0].starts_with(b"\x89PNG") && info["sd_model_name"] == "seven-styles");
}

#[test]
fn watched_interrupted_skipped_left() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), Limits::default(), None);
    let client = Client::new(server.address());
    let progress = || client.get("/sdapi/v1/progress").json();
    let idle = progress();
    assert_eq!((&idle["progress"], &idle["state"]["job_count"]), (&json!(0.0), &json!(0)));
    let long = |more: Value| {
        let mut body = task(json!({"steps": 150, "width": 256, "height": 256, "n_iter": 2}));
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let body = body.to_string();
        client.send("POST", "/sdapi/v1/txt2img", Some(("application/json", body.as_bytes())))
    };
    let until = |what: &dyn Fn(&Value) -> bool| {
        let began = Instant::now();
        loop {
            let progress = progress();
            if what(&progress) {
                return progress;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{progress}");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    let at_work = |progress: &Value| progress["current_image"].is_string();
    let is_idle = |progress: &Value| progress["state"]["job_count"] == 0;

    let waiting = long(json!({}));
    let seen = until(&at_work);
    assert!(
        seen["progress"].as_f64().unwrap() > 0.0 && seen["eta_relative"].as_f64().unwrap() > 0.0
    );
    assert_eq!((&seen["state"]["job_count"], &seen["state"]["job_no"]), (&json!(2), &json!(0)));
    let image = STANDARD.decode(seen["current_image"].as_str().unwrap()).unwrap();
    png::decode(&image).expect("a preview");
    let without = client.get("/sdapi/v1/progress?skip_current_image=true").json();
    assert_eq!(without["current_image"], Value::Null);
    let began = Instant::now();
    assert_eq!(client.ask("POST", "/sdapi/v1/interrupt", None).json(), json!({}));
    let (images, info) = pictures(&common::read(waiting));
    assert!(images.is_empty() && info["all_seeds"] == json!([7, 8]));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());

    // Skipped is one round; the second begins then.
    let waiting = long(json!({}));
    until(&at_work);
    client.ask("POST", "/sdapi/v1/skip", None);
    let second = until(&|progress| progress["state"]["job_no"] == 1 && at_work(progress));
    assert!(second["progress"].as_f64().unwrap() > 0.5, "{second}");
    client.ask("POST", "/sdapi/v1/interrupt", None);
    assert!(pictures(&common::read(waiting)).0.is_empty());

    // Who goes away wants nothing any more.
    let gone = long(json!({}));
    until(&at_work);
    let began = Instant::now();
    drop(gone);
    until(&is_idle);
    while server.engine().running().is_some() {
        assert!(began.elapsed() < Duration::from_secs(5));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    // Another API's job is not this one's to end.
    let id = client.job(&json!({"steps": 150, "width": 256, "height": 256}));
    client.wait(&id, &["running"]);
    client.ask("POST", "/sdapi/v1/interrupt", None);
    assert!(is_idle(&progress()));
    assert_eq!(client.state(&id)["state"], "running");
    client.ask("DELETE", &format!("/api/v1/jobs/{id}"), None);
}

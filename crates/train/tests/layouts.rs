//! A third stage that is told what is where: it learns, it can be interrupted, and a layout is a
//! prompt of the model that it leaves.

mod common;

use std::fs;
use std::path::PathBuf;

use aquatint_pipeline::GenerateRequest;
use aquatint_train::Stage;
use common::third::{assert_learned, config, cross, drawn, json, with_frozen_parts};
use common::{Place, attempt, trained, trained_in_parts};
use serde_json::{Value, json};

const STEPS: u64 = 24;
const TASK: &str = "conditioning = \"layout\"\nlayout_grid = 33\nempty_captions = 0.1\n\
                    guidance_scale = 2.0";
const TEXT: &str = "model_type = \"ldmbert\"\nmodel_max_length = 10\nencoder_layers = 1\n\
                    d_model = 16\nencoder_attention_heads = 2\nhead_dim = 4";

/// Says where the shape of each line is.
fn say_where(place: &Place) {
    let path = place.path("data/metadata.jsonl");
    let text = fs::read_to_string(&path).expect("lines");
    let lines = text.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).expect("JSON");
        let size = line["tags"][2].as_str().and_then(|tag| tag.strip_prefix("size "));
        let half = size.and_then(|size| size.parse::<f64>().ok()).expect("a size") / 32.0;
        let label = line["label"].as_str().expect("a label").to_owned();
        let (w, h) = if label.ends_with("bar") { (0.5, half / 3.0) } else { (half, half) };
        let place = [0.5 - w, 0.5 - h, 0.5 + w, 0.5 + h];
        line["objects"] = json!([{"class": label, "box": place}]);
        line.to_string() + "\n"
    });
    fs::write(&path, lines.collect::<String>()).expect("lines");
}

fn with_text(place: &Place, run: &str, steps: u64, task: &str, text: &str) -> PathBuf {
    let path = config(place, run, steps, task, &cross(4));
    let before = fs::read_to_string(&path).expect("a configuration");
    fs::write(&path, format!("{before}{text}")).expect("a temporary file");
    path
}

fn section(keys: &str) -> String {
    format!("[model.text]\n{keys}\n")
}

#[test]
fn a_layout_is_a_prompt() {
    let place = with_frozen_parts();
    say_where(&place);
    let text = section(TEXT);
    trained(Stage::Diffusion, &with_text(&place, "layout", STEPS, TASK, &text));
    assert_learned(&place, "layout");
    trained_in_parts(Stage::Diffusion, &with_text(&place, "parts", STEPS, TASK, &text), &[5, 16]);
    assert!(place.checkpoint("layout") == place.checkpoint("parts"), "other bits");
    image::open(place.path("runs/layout/samples/step-000024.png")).expect("held-out layouts");

    assert_eq!(json(&place, "layout/model_index.json")["tokenizer"][1], "BertTokenizer");
    let words = fs::read_to_string(place.path("layout/tokenizer/vocab.txt")).expect("words");
    let words: Vec<&str> = words.lines().collect();
    assert_eq!(words.len(), 5 + 6 + 2 * 33, "three colours, three shapes, two axes");
    assert!(words.contains(&"square") && words.contains(&"y32") && !words.contains(&"y33"));
    let request = |prompt: &str| GenerateRequest { prompt: prompt.into(), ..Default::default() };
    let [small, large] = ["red circle x10 y10 x22 y22", "red circle x4 y4 x28 y28"]
        .map(|prompt| drawn(&place.path("layout"), request(prompt)));
    assert!(small.rgb != large.rgb, "the place is not heard");
}

#[test]
fn what_makes_no_layouts_is_said_in_one_line() {
    let place = with_frozen_parts();
    let (good, words) = (section(TEXT), "empty_captions = 0.1\nguidance_scale = 2.0");
    let attempt_with = |task: &str, text: &str, said: &str| {
        let path = with_text(&place, "wrong", 2, task, text);
        let error = attempt(Stage::Diffusion, &path, false).expect_err(said).to_string();
        assert!(error.contains(said) && !error.contains('\n'), "{said}: {error}");
        assert!(!place.path("runs/wrong").exists(), "{said}: something was begun");
    };
    attempt_with(TASK, &good, "no line of metadata.jsonl has `objects`: [{\"class\": …");
    say_where(&place);
    attempt_with(TASK, "", "needs `[model.text]` with `model_type = \"ldmbert\"`");
    attempt_with(TASK, &section("frozen = \"x\""), "needs `[model.text]` with `model_type");
    let bert = section(&format!("{TEXT}\ntokenizer = \"bert\""));
    attempt_with(TASK, &bert, "`model.text.tokenizer` is for captions");
    attempt_with(&TASK.replace("33", "1"), &good, "`task.layout_grid` is 1, not 2 to 1024");
    attempt_with(&format!("{words}\nlayout_grid = 9"), "", "`task.layout_grid` is for `task.cond");
    let draft = "[model.unet.draft]\ntokens = 10\ntoken_channels = 2\nhidden_size = 8\nsize = 16\n";
    attempt_with(TASK, &format!("{good}{draft}"), "`[model.unet.draft]` is for captions");
}

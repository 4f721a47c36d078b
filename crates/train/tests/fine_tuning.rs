//! Fine-tuning a tiny model: what is learned can be interrupted, recomputed, and drawn with; what
//! cannot work is refused before anything is loaded.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use aquatint_pipeline::lora::LoraSpec;
use aquatint_pipeline::{Components, GenerateRequest, LoadOptions, ModelSource, text_to_image};
use aquatint_train::Stage;
use common::{Place, attempt, trained, trained_in_parts};

const STEPS: u64 = 6;

/// A place with a model that has hardly learned anything.
fn with_model() -> Place {
    let place = Place::new();
    for stage in [Stage::Autoencoder, Stage::Clip, Stage::Diffusion] {
        trained(stage, &place.config(stage, &format!("{stage:?}"), 1));
    }
    place
}

/// A configuration of a run, with these keys in `[run]` and these sections.
fn config(place: &Place, run: &str, keys: &str, task: &str) -> PathBuf {
    let root = place.path("").display().to_string();
    let text = format!(
        "[data]\nfolder = \"{root}/data\"\nsize = 64\n[model]\nbase = \"{root}/model\"\n\
         [run]\nfolder = \"{root}/runs/{run}\"\nexport = \"{root}/{run}\"\nseed = 3\n\
         steps = {STEPS}\nbatch_size = 2\ncheckpoint_every = 4\nsample_every = 6\n{keys}\n\
         [optimizer]\nlearning_rate = 1e-2\nema_decay = 0.5\nstate = \"8bit\"\n\
         [task]\nsample_steps = 2\n{task}\n"
    );
    let path = place.path(&format!("{run}.toml"));
    fs::write(&path, text).expect("a temporary file");
    path
}

/// A run, whole, in parts, and with less memory: the same bits, in all that is written.
fn thrice(place: &Place, stage: Stage, name: &str, task: &str) {
    trained(stage, &config(place, name, "", task));
    trained_in_parts(stage, &config(place, &format!("{name}-in-parts"), "", task), &[1, 2]);
    let recomputed = format!("{name}-recomputed");
    trained(stage, &config(place, &recomputed, "gradient_checkpointing = true", task));
    for other in ["in-parts", "recomputed"] {
        let other = format!("{name}-{other}");
        assert!(place.checkpoint(name) == place.checkpoint(&other), "{other}: another checkpoint");
    }
    let readme = fs::read_to_string(place.path(&format!("{name}/README.md"))).expect("a card");
    assert!(readme.contains("begun with the weights of"), "{readme}");
}

fn drawn(place: &Place, prompt: &str, model: &str, options: &LoadOptions) -> Vec<u8> {
    let source = ModelSource::folder(place.path(model)).expect("a model folder");
    let components = Components::load(&source, options).expect("a whole model");
    let request = GenerateRequest {
        prompt: prompt.into(),
        steps: 2,
        guidance_scale: 5.0,
        width: Some(64),
        height: Some(64),
        ..Default::default()
    };
    text_to_image(&components, &request, &mut ()).expect("a picture").remove(0).rgb
}

fn with_lora(file: &Path) -> LoadOptions {
    LoadOptions { loras: vec![LoraSpec::new(file, 1.0)], ..Default::default() }
}

#[test]
fn all_kinds_of_fine_tuning() {
    let place = with_model();
    let plain = LoadOptions::default();
    let prompt = "drawn emoji of red circle";
    let before = drawn(&place, prompt, "model", &plain);
    let prompts = format!("prompts = [{prompt:?}]");

    // In either naming the same changes.
    let sections = |naming: &str| {
        format!(
            "{prompts}\n[task.lora]\nrank = 3\nalpha = 6\ntext_encoder = true\ndropout = 0.2\n\
             targets = [\"attention\", \"convolutions\", \"draft\"]\nnaming = \"{naming}\""
        )
    };
    thrice(&place, Stage::Lora, "kohya", &sections("kohya"));
    trained(Stage::Lora, &config(&place, "peft", "", &sections("peft")));
    let after = drawn(&place, prompt, "model", &with_lora(&place.path("kohya/kohya.safetensors")));
    assert_ne!(before, after, "the LoRA changes nothing");
    let peft = drawn(&place, prompt, "model", &with_lora(&place.path("peft/peft.safetensors")));
    assert_eq!(after, peft, "the two namings differ");
    // Left is the model as it was.
    let sheet = image::open(place.path("kohya/before-after.png")).expect("a picture").to_rgb8();
    assert_eq!(sheet.dimensions(), (2 * 66 + 2, 66 + 2));
    let left = image::imageops::crop_imm(&sheet, 2, 2, 64, 64).to_image().into_raw();
    let close = left.iter().zip(&before).all(|(a, b)| a.abs_diff(*b) <= 1);
    assert!(close, "the sheet's left half is not the base model's picture");

    // The model draws what is missing of the class.
    let root = place.path("").display().to_string();
    let prior = format!(
        "prompt = \"a drawn sks\"\n[task.prior]\nfolder = \"{root}/class\"\nprompt = \"a drawn\"\n\
         count = 3\nweight = 0.5"
    );
    thrice(&place, Stage::Dreambooth, "whole", &prior);
    assert_eq!(fs::read_dir(place.path("class")).expect("a folder").count(), 3);
    assert_ne!(before, drawn(&place, prompt, "whole", &plain), "it learned nothing");
    let lines = aquatint_train::metrics::lines(&place.path("runs/whole/metrics.jsonl"));
    let lines = lines.expect("metrics");
    assert!(lines[0]["prior"].is_number() && lines[0]["instance"].is_number(), "{lines:?}");

    let word = "prompt = \"a picture of <shape>\"\n[task.word]\nname = \"<shape>\"\n\
                start = \"circle\"\nvectors = 2";
    thrice(&place, Stage::TextualInversion, "word", word);
    let file = place.path("word/learned_embeds.safetensors");
    let options = LoadOptions { embeddings: vec![file], ..Default::default() };
    let [with, without] = [&options, &plain].map(|o| drawn(&place, "a <shape>", "model", o));
    assert_ne!(with, without, "the word means nothing");
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_loaded() {
    let place = Place::new();
    let said = |stage: Stage, keys: &str, task: &str| {
        let error = attempt(stage, &config(&place, "refused", keys, task), false).unwrap_err();
        let message = error.to_string();
        assert!(!message.contains('\n'), "{message}");
        message
    };
    for (stage, task, message) in [
        (Stage::Lora, "[task.lora]\nrank = 0", "`task.lora.rank` is 0; it must be from 1 to 1024"),
        (Stage::Lora, "[task.lora]\nalpha = 0", "`task.lora.alpha` is 0; it must be above 0"),
        (Stage::Lora, "[task.lora]\ntargets = [\"attentoin\"]", "did you mean \"attention\"?"),
        (Stage::Lora, "[task.lora]\nrnak = 1", "unknown key `rnak`; did you mean `rank`?"),
        (Stage::Lora, "[task.lora]\ndropout = 1.0", "`task.lora.dropout` is 1; it must be from 0"),
        (Stage::Lora, "empty_captions = 2", "`task.empty_captions` is 2; it must be from 0 to 1"),
        (Stage::Lora, "[task.word]\nname = \"x\"\nstart = \"y\"", "`[task.word]` is for"),
        (Stage::TextualInversion, "", "`[task.word]` is missing"),
        (
            Stage::TextualInversion,
            "prompt = \"a y\"\n[task.word]\nname = \"x\"\nstart = \"y\"",
            "`task.prompt` does not say the new word, x",
        ),
        (
            Stage::TextualInversion,
            "[task.word]\nname = \"x\"\nstart = \"y\"\nvectors = 65",
            "`task.word.vectors` is 65; it must be from 1 to 64",
        ),
        (
            Stage::Dreambooth,
            "[task.prior]\nfolder = \"f\"\nprompt = \"p\"\nweight = -1.0",
            "`task.prior.weight` is -1; it must be above 0",
        ),
        (
            Stage::Dreambooth,
            "train_text_encoder = true\n[task.lora]",
            "use `task.lora.text_encoder`",
        ),
    ] {
        let found = said(stage, "", task);
        assert!(found.contains(message), "{found}");
    }
    let found = said(Stage::Lora, "", "");
    assert!(found.contains("model does not exist"), "{found}");
}

#[test]
fn only_the_u_nets_stages_recompute() {
    let place = Place::new();
    let path = place.config(Stage::Autoencoder, "a", 1);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("[run]\n", "[run]\ngradient_checkpointing = true\n")).unwrap();
    let message = attempt(Stage::Autoencoder, &path, false).unwrap_err().to_string();
    assert!(message.starts_with("`run.gradient_checkpointing` is for U-Nets"), "{message}");
}

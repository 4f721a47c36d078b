//! The text encoders of a third stage: one that learns with the U-Net from drawn weights, and
//! frozen ones of other folders. What is left is a model that can be drawn with.

mod common;

use std::fs;
use std::path::PathBuf;

use aquatint_checkpoint::{DType, Weights};
use aquatint_models::{BertConfig, BertModel};
use aquatint_nn::ModuleExt;
use aquatint_pipeline::{GenerateRequest, Tokenizer, save_module};
use aquatint_train::Stage;
use common::third::{assert_learned, config, cross, drawn, json, with_frozen_parts};
use common::{Place, attempt, trained, trained_in_parts};

const STEPS: u64 = 24;
const WORDS: &str = "empty_captions = 0.1\nguidance_scale = 2.0\nprompts = [\"red circle\", \"\"]";
const NEW: &str = "model_type = \"ldmbert\"\ntokenizer = \"captions\"\nvocab_size = 540\n\
                   model_max_length = 12\nencoder_layers = 1\nd_model = 16\n\
                   encoder_attention_heads = 2\nhead_dim = 4";

/// A configuration with this section `[model.text]`.
fn with_text(place: &Place, run: &str, steps: u64, text: &str) -> PathBuf {
    let path = config(place, run, steps, WORDS, &cross(4));
    let before = fs::read_to_string(&path).expect("a configuration");
    fs::write(&path, format!("{before}[model.text]\n{text}\n")).expect("a temporary file");
    path
}

fn weights(place: &Place, file: &str) -> Weights {
    Weights::open(place.path(file)).expect(file)
}

fn check_drawn(place: &Place, run: &str) {
    let request = GenerateRequest { prompt: "a red circle".into(), ..Default::default() };
    let picture = drawn(&place.path(run), request);
    assert_eq!((picture.width, picture.height), (32, 32), "{run}");
    assert!(picture.rgb.iter().any(|value| *value != picture.rgb[0]), "{run}: nothing");
}

#[test]
fn a_new_one_learns_with_the_network() {
    let place = with_frozen_parts();
    fs::remove_dir_all(place.path("model/text_encoder")).expect("nobody needs it");
    trained(Stage::Diffusion, &with_text(&place, "new", STEPS, NEW));
    assert_learned(&place, "new");
    trained_in_parts(Stage::Diffusion, &with_text(&place, "parts", STEPS, NEW), &[5, 16]);
    assert!(place.checkpoint("new") == place.checkpoint("parts"), "other bits");

    // As many parts give the same but for rounding: nothing of it is remembered between steps.
    let accumulated = with_text(&place, "accumulated", STEPS, NEW);
    let text = fs::read_to_string(&accumulated).expect("a configuration");
    fs::write(&accumulated, text.replace("[run]", "[run]\naccumulate = 3")).expect("a file");
    trained(Stage::Diffusion, &accumulated);
    for ((_, a), (_, b)) in place.losses("new").iter().zip(place.losses("accumulated")) {
        assert!((a - b).abs() < 2e-3 * a.abs(), "{a} whole, {b} in parts");
    }

    let index = json(&place, "new/model_index.json");
    assert_eq!(index["_class_name"], "LDMTextToImagePipeline");
    assert_eq!(index["bert"][1], "LDMBertModel");
    assert_eq!(index["tokenizer"][1], "CLIPTokenizer");
    // It is another one than after a step, every weight but those that nobody asks.
    trained(Stage::Diffusion, &with_text(&place, "short", 1, NEW));
    let [long, short] =
        ["new", "short"].map(|run| weights(&place, &format!("{run}/bert/model.safetensors")));
    for name in long.names().filter(|name| !name.starts_with("to_logits")) {
        let [a, b] = [&long, &short].map(|file| file.get(name).expect(name));
        assert!(a.sub(&b).max_abs() > 0.0, "{name} learned nothing");
    }
    check_drawn(&place, "new");

    // BERT's own word pieces, and a run that goes on from the model of another.
    let pieces = NEW.replace("tokenizer = \"captions\"\nvocab_size = 540\n", "");
    trained(Stage::Diffusion, &with_text(&place, "pieces", 1, &pieces));
    assert_eq!(json(&place, "pieces/model_index.json")["tokenizer"][1], "BertTokenizer");
    check_drawn(&place, "pieces");
    let on = config(&place, "on", 1, &format!("{WORDS}\ntrain_text_encoder = true"), &cross(4));
    let text = fs::read_to_string(&on).expect("a configuration");
    fs::write(&on, text.replace("/model\"\nvariants", "/new\"\nvariants")).expect("a file");
    trained(Stage::Diffusion, &on);
    let name = "model.layers.0.fc1.weight";
    let [before, after] =
        [&long, &weights(&place, "on/bert/model.safetensors")].map(|w| w.get(name).expect(name));
    let change = after.sub(&before).max_abs();
    assert!(change > 0.0 && change < 0.1 * before.max_abs(), "a step changed it by {change}");
}

#[test]
fn a_frozen_one_of_another_folder_is_copied() {
    let place = with_frozen_parts();
    // CLIP's, moved away: the same numbers as from the model's folder.
    trained(Stage::Diffusion, &config(&place, "own", STEPS, WORDS, &cross(4)));
    fs::create_dir(place.path("clip")).expect("a folder");
    for part in ["text_encoder", "tokenizer"] {
        let [from, to] = ["model", "clip"].map(|f| place.path(&format!("{f}/{part}")));
        fs::rename(from, to).expect("a part");
    }
    let clip = format!("frozen = {:?}", place.path("clip"));
    trained(Stage::Diffusion, &with_text(&place, "clip-words", STEPS, &clip));
    assert_eq!(place.losses("own"), place.losses("clip-words"));
    check_drawn(&place, "clip-words");

    // A BERT as transformers writes it, for fewer ids than it can read.
    let folder = place.path("sentences");
    fs::create_dir(&folder).expect("a folder");
    let bert = BertConfig {
        hidden_size: 16,
        intermediate_size: 32,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        max_position_embeddings: 40,
        ..BertConfig::default()
    };
    let mut model = BertModel::new(&bert, true);
    model.init(3);
    save_module(&folder.join("model.safetensors"), &model, DType::F16).expect("weights");
    Tokenizer::bert().with_max_length(40).save(&folder).expect("a tokenizer");
    let json_of = serde_json::to_string(&bert).expect("JSON");
    fs::write(folder.join("config.json"), json_of).expect("a configuration");
    let frozen = format!("frozen = {folder:?}\nmodel_max_length = 10");
    trained(Stage::Diffusion, &with_text(&place, "bert-words", STEPS, &frozen));
    assert_learned(&place, "bert-words");
    let index = json(&place, "bert-words/model_index.json");
    assert_eq!(index["bert"], serde_json::json!(["transformers", "BertModel"]));
    let [given, left] = ["sentences", "bert-words/bert"]
        .map(|f| weights(&place, &format!("{f}/model.safetensors")));
    for name in given.names() {
        let [a, b] = [&given, &left].map(|file| file.get(name).expect(name).to_vec());
        assert!(a == b, "{name} changed");
    }
    check_drawn(&place, "bert-words");

    let long = frozen.replace("= 10", "= 41");
    let error = attempt(Stage::Diffusion, &with_text(&place, "wrong", 2, &long), false);
    let error = error.expect_err("too long").to_string();
    assert!(error.contains("is 41, but the text encoder in ") && error.ends_with("40 ids only"));
}

#[test]
fn what_contradicts_itself_is_said_in_one_line() {
    let place = with_frozen_parts();
    let frozen = format!("frozen = {:?}", place.path("data"));
    for (text, said) in [
        (NEW.replace("ldmbert", "bert"), "`model.text.model_type` is \"bert\"; it must be"),
        (NEW.replace("vocab_size = 540\n", ""), "`model.text.vocab_size` is missing"),
        (NEW.replace("540", "100"), "`model.text.vocab_size` is 100, not 514 to"),
        (NEW.replace("\"captions\"", "\"bert\""), "`model.text.vocab_size` is for `tokenizer ="),
        (NEW.replace("d_model = 16", "d_model = 0"), "`[model.text]`: "),
        (NEW.replace("d_model", "d_modell"), "unknown key `d_modell`; did you mean `d_model`?"),
        (NEW.replace("max_length = 12", "max_length = 1"), "`model.text.model_max_length` is 1,"),
        (NEW.replace("d_model = 16", "d_model = 24"), "cross_attention_dim is 16, but the text"),
        ("vocab_size = 600".into(), "`[model.text]` needs `frozen`, the folder of a text encoder"),
        (format!("{frozen}\nd_model = 16"), "`model.text.frozen` names a text encoder that is"),
        (frozen, "data has no text encoder: neither text_encoder/config.json and "),
    ] {
        let path = with_text(&place, "wrong", 2, &text);
        let error = attempt(Stage::Diffusion, &path, false).expect_err(said).to_string();
        assert!(error.contains(said) && !error.contains('\n'), "{said}: {error}");
        assert!(!place.path("runs/wrong").exists(), "{said}: something was begun");
    }
    let path = with_text(&place, "wrong", 2, &format!("frozen = {:?}", place.path("model")));
    let text = fs::read_to_string(&path).expect("a configuration");
    fs::write(&path, text.replace("[task]", "[task]\ntrain_text_encoder = true")).expect("a file");
    let error = attempt(Stage::Diffusion, &path, false).expect_err("frozen").to_string();
    assert!(error.contains("`task.train_text_encoder` contradicts `model.text.frozen`"), "{error}");
}

//! First stages with all parts of their loss: they learn, they can be interrupted, they say what
//! they do, and what they leave is a model.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use aquatint_checkpoint::{DType, Weights, save};
use aquatint_models::perceptual::Vgg16;
use aquatint_models::{VQModel, VQModelConfig};
use aquatint_nn::ModuleExt;
use aquatint_pipeline::load_module;
use aquatint_tensor::Tensor;
use aquatint_train::Stage;
use common::{Place, attempt, trained, trained_in_parts};
use serde_json::Value;

const STEPS: u64 = 60;

const KL: &str = "loss_form = \"sum\"\nkl_weight = 1e-6\nlogvar = 0.1\n";
const VQ: &str = "regularization = \"vq\"\ncodebook_weight = 1.0\n";
const JUDGE: &str = "[task.discriminator]\nstart = 6\nlayers = 2\nchannels = 4\n\
                     learning_rate = 1e-3\n";

/// A configuration with `task` in its section, and what a codebook needs in that of the model.
fn config(place: &Place, run: &str, task: &str) -> PathBuf {
    let network = place.path("vgg.safetensors");
    if !network.exists() {
        let mut vgg = Vgg16::new(2);
        vgg.init(9);
        let parameters = vgg.named_parameters().into_iter();
        let tensors: Vec<(String, Tensor)> =
            parameters.map(|(name, param)| (name, param.value().clone())).collect();
        save(&network, &tensors, DType::F32, &BTreeMap::new()).expect("a temporary file");
    }
    let path = place.config(Stage::Autoencoder, run, STEPS);
    let text = fs::read_to_string(&path).expect("a configuration");
    let old = "kl_weight = 1e-6\n";
    assert!(text.contains(old));
    let task = format!("{task}perceptual_file = {network:?}\nvalidation_pictures = 4\n{JUDGE}");
    let mut text = text.replace(old, &task);
    if task.starts_with(VQ) {
        text += "latent_channels = 3\nnum_vq_embeddings = 8\n";
    }
    fs::write(&path, text).expect("a temporary file");
    path
}

/// The lines of the metrics of a run that hold `key`: step and value.
fn metrics(place: &Place, run: &str, key: &str) -> Vec<(u64, f64)> {
    let path = place.path(&format!("runs/{run}/metrics.jsonl"));
    let lines = aquatint_train::metrics::lines(&path).expect("metrics");
    let value = |line: &Value| Some((line["step"].as_u64()?, line[key].as_f64()?));
    lines.iter().filter_map(value).collect()
}

fn tensors(place: &Place, run: &str) -> Weights {
    Weights::open(place.path(&format!("runs/{run}/checkpoint.safetensors"))).expect("a checkpoint")
}

#[test]
fn both_kinds_learn_and_go_on_with_the_same_bits() {
    let place = Place::new();
    // The tiny codebook does not give much room.
    for (name, task, regularizer, part) in [("kl", KL, "kl", 0.8), ("vq", VQ, "codebook", 0.96)] {
        let outcome = trained(Stage::Autoencoder, &config(&place, name, task));
        let parts = format!("{name}-in-parts");
        // Before the judge begins, at its first step, and after it.
        let path = config(&place, &parts, task);
        trained_in_parts(Stage::Autoencoder, &path, &[3, 6, 9]);
        assert!(place.checkpoint(name) == place.checkpoint(&parts), "{name}: other bits");

        let distances = metrics(&place, name, "absolute");
        let mean = |some: &[(u64, f64)]| some.iter().map(|(_, d)| d).sum::<f64>() / 5.0;
        let (first, last) = (mean(&distances[..5]), mean(&distances[distances.len() - 5..]));
        assert!(last < part * first, "{name}: the distance went from {first} to {last}");
        assert_eq!(metrics(&place, name, regularizer).len(), STEPS as usize / 2);
        assert_eq!(metrics(&place, name, "vgg16").len(), STEPS as usize / 2);
        for key in ["discriminator", "generator", "adaptive_weight", "logits_real", "logits_fake"] {
            let steps: Vec<u64> = metrics(&place, name, key).iter().map(|(s, _)| *s).collect();
            assert_eq!(steps, (8..=STEPS).step_by(2).collect::<Vec<u64>>(), "{name}: {key}");
        }
        let figures: Vec<&str> = outcome.figures.iter().map(|(name, _)| name.as_str()).collect();
        let usage = if name == "vq" { &["codebook_usage"][..] } else { &[] };
        assert_eq!(figures, [&["psnr", "absolute", "vgg16"], usage].concat());
        let picture = format!("runs/{name}/samples/step-000060.png");
        image::open(place.path(&picture)).expect("a grid");
    }
    // The judge and what its optimizer knows are kept; averages only of the autoencoder.
    let kept = tensors(&place, "kl");
    let names: Vec<&str> = kept.names().filter(|name| name.contains("main.3.weight")).collect();
    let kinds = ["adversary.m", "adversary.model", "adversary.v"];
    assert_eq!(names, kinds.map(|kind| format!("{kind}.main.3.weight")));
    let mean = kept.get("adversary.model.main.3.running_mean").expect("a mean");
    assert!(mean.max_abs() > 0.0, "the judge has seen nothing");

    // What is left of the one with a codebook is diffusers' `VQModel`.
    let json = fs::read(place.path("model/vqvae/config.json")).expect("a configuration");
    let config: VQModelConfig = serde_json::from_slice(&json).expect("a VQModel");
    assert_eq!((config.class_name.as_str(), config.num_vq_embeddings), ("VQModel", 8));
    let mut model = VQModel::new(&config);
    let file = place.path("model/vqvae/diffusion_pytorch_model.safetensors");
    load_module(&mut model, &Weights::open(file).expect("weights")).expect("its weights");
    let latents = model.encode(&Tensor::zeros(&[1, 32, 32, 3]));
    assert_eq!(model.decode(&latents).shape(), [1, 32, 32, 3]);
    let readme = fs::read_to_string(place.path("model/README.md")).expect("a card");
    assert!(readme.contains("| autoencoder |"), "{readme}");
}

#[test]
fn the_judge_changes_nothing_before_its_time() {
    let place = Place::new();
    let shorter = |run: &str, judge: &str| {
        let path = config(&place, run, KL);
        let text = fs::read_to_string(&path).expect("a configuration");
        let text = text.replace(JUDGE, judge).replace("\nsteps = 60\n", "\nsteps = 6\n");
        fs::write(&path, text).expect("a file");
        trained(Stage::Autoencoder, &path);
        tensors(&place, run)
    };
    let (with, without) = (shorter("with", JUDGE), shorter("without", ""));
    for name in without.names() {
        let [a, b] = [&with, &without].map(|file| file.get(name).expect(name).to_vec());
        assert!(a == b, "{name} is another with a judge that has not begun");
    }
    assert!(with.names().any(|name| name.starts_with("adversary.")));
}

#[test]
fn numbers_of_the_judge_that_explode_stop_the_run() {
    let place = Place::new();
    let path = config(&place, "wild", KL);
    let text = fs::read_to_string(&path).expect("a configuration");
    let text = text
        .replace("learning_rate = 1e-3", "learning_rate = 1e30")
        .replace("checkpoint_every = 8", "checkpoint_every = 1");
    fs::write(&path, text).expect("a file");
    let error = attempt(Stage::Autoencoder, &path, false).expect_err("it explodes").to_string();
    // Its first step is the seventh; the one after it meets weights of 1e30.
    assert!(error.contains(" of step 8 is not a finite number; the last good"), "{error}");
    let kept = tensors(&place, "wild");
    assert_eq!(kept.metadata("step"), Some("7"));
    for name in kept.names() {
        assert!(kept.get(name).expect(name).finite(), "{name} is kept and not finite");
    }
}

#[test]
fn what_does_not_fit_is_said_in_one_line() {
    let place = Place::new();
    let good = fs::read_to_string(config(&place, "wrong", KL)).expect("a configuration");
    let path = place.path("wrong.toml");
    let attempt_with = |text: String, resume: bool, said: &str| {
        fs::write(&path, text).expect("a file");
        let error = attempt(Stage::Autoencoder, &path, resume).expect_err(said).to_string();
        assert!(error.contains(said) && !error.contains('\n'), "{said}: {error}");
    };
    for (from, to, said) in [
        ("loss_form = \"sum\"", "loss_form = \"mean\"", "`task.logvar` is for loss_form = \"sum\""),
        ("loss_form = \"sum\"", "loss_form = \"sun\"", "unknown variant `sun`"),
        ("kl_weight = 1e-6\n", "", "`task.kl_weight` is missing"),
        ("kl_weight = 1e-6", "kl_weight = -1.0", "`task.kl_weight` is -1; it must be 0 or more"),
        ("kl_weight", "codebook_weight = 1.0\nkl_weight", "`task.codebook_weight` is for regul"),
        ("loss_form", "regularization = \"vq\"\nloss_form", "`task.kl_weight` is for regulariz"),
        (
            "loss_form",
            "regularization = \"vk\"\nloss_form",
            "is \"vk\"; it must be \"kl\" or \"vq\"",
        ),
        ("loss_form", "regularization = 7\nloss_form", "is 7; it must be \"kl\" or \"vq\""),
        ("perceptual_file", "perceptual_fil", "did you mean `perceptual_file`?"),
        ("layers = 2\n", "layer = 2\n", "unknown key `layer`; did you mean `layers`?"),
        ("layers = 2\n", "layers = 3\n", "`task.crop` is 16; a discriminator of 3 layers needs"),
        ("layers = 2\n", "layers = 0\n", "`task.discriminator.layers` is 0; it must be from 1 to"),
        ("channels = 4\n", "channels = 0\n", "`task.discriminator.channels` is 0; it must be"),
        ("learning_rate = 1e-3", "learning_rate = 0.0", "`task.discriminator.learning_rate` is 0"),
        ("log_every", "accumulate = 2\nlog_every", "`task.discriminator` looks at all pictures"),
        ("crop = 16", "crop = 12", "`task.crop` is 12; the network in "),
        ("vgg.safetensors", "vgh.safetensors", "vgh.safetensors cannot be read: no such file"),
        ("flip = true", "flip = true\nperceptual_heads = \"none.pth\"", "none.pth cannot be read"),
    ] {
        assert!(good.contains(from), "{from}");
        attempt_with(good.replace(from, to), false, said);
        assert!(!place.path("runs/wrong").exists(), "{said}: something was begun");
    }
    let without_file: Vec<&str> =
        good.lines().filter(|line| !line.starts_with("perceptual_file")).collect();
    let with_weight = without_file.join("\n").replace("flip", "perceptual_weight = 1.0\nflip");
    attempt_with(with_weight, false, "`task.perceptual_weight` needs `task.perceptual_file`");

    // A checkpoint of another loss, or of another network behind it.
    let short = good.replace("\nsteps = 60\n", "\nsteps = 1\n");
    fs::write(&path, &short).expect("a file");
    trained(Stage::Autoencoder, &path);
    let other = short.replace("start = 6", "start = 7");
    attempt_with(other, true, "`task.discriminator.start` is 6 there and 7 here");
    attempt_with(short.replace(JUDGE, ""), true, "`task.discriminator.channels` is 4 there and");
    fs::rename(place.path("vgg.safetensors"), place.path("moved.safetensors")).expect("a file");
    fs::write(&path, short.replace("vgg.safetensors", "moved.safetensors")).expect("a file");
    attempt(Stage::Autoencoder, &path, true).expect("the same network elsewhere");
    let mut vgg = Vgg16::new(2);
    vgg.init(10);
    let parameters = vgg.named_parameters().into_iter();
    let changed: Vec<_> = parameters.map(|(name, param)| (name, param.value().clone())).collect();
    save(place.path("vgg.safetensors"), &changed, DType::F32, &BTreeMap::new()).expect("a file");
    attempt_with(short, true, "the perceptual network changed after it was written");
}

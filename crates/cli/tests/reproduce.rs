//! `aquatint reproduce`, all of it, on something tiny.

mod common;

use std::fs;
use std::path::Path;

use aquatint_checkpoint::DType;
use aquatint_models::perceptual::EfficientNetLite0;
use aquatint_nn::ModuleExt;
use aquatint_pipeline::{Picture, png, save_module};
use common::{aquatint, names, refused, succeed, tiny_components};
use serde_json::Value;

/// Twelve pictures to train on and twelve to measure by, tiny configurations of LDM-2 and LDM-4,
/// and a network that looks at pictures without having learned it.
fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("data")).expect("a temporary folder");
    fs::create_dir(at("configs")).expect("a temporary folder");
    let mut lines = String::new();
    for i in 0..24u8 {
        let mut picture = Picture::new(64, 64, [i * 10, 255 - i * 10, 128]);
        for y in 8..usize::from(16 + i) {
            picture.rgb[3 * (64 * y + 8)..][..3 * 40].fill(i * 7);
        }
        let name = format!("{i}.png");
        png::save(at("data").join(&name), &picture, &Default::default()).expect("a temporary file");
        let split = if i % 2 == 0 { "train" } else { "test_object" };
        lines += &format!(
            "{{\"file_name\": \"{name}\", \"text\": \"flat emoji of thing {i}\", \"style_word\": \
             \"flat\", \"label\": \"thing {i}\", \"split\": \"{split}\"}}\n"
        );
    }
    fs::write(at("data/metadata.jsonl"), lines).expect("a temporary file");
    for (factor, blocks) in [(2, 2), (4, 3)] {
        let list = |name: &str, count| vec![format!("\"{name}\""); count].join(", ");
        let common = "[data]\nfolder = \"?\"\nsize = 64\n[run]\nfolder = \"?\"\nexport = \"?\"\n\
                      steps = 3\nbatch_size = 4\ncheckpoint_every = 5\nlog_every = 1\n[optimizer]\n\
                      learning_rate = 1e-3\n";
        let autoencoder = format!(
            "{common}[task]\ncrop = 64\nkl_weight = 1e-6\n[model]\nblock_out_channels = [{}]\n\
             down_block_types = [{}]\nup_block_types = [{}]\nlayers_per_block = 1\nnorm_num_groups = 4\n\
             latent_channels = 3\n",
            vec!["4"; blocks].join(", "),
            list("DownEncoderBlock2D", blocks),
            list("UpDecoderBlock2D", blocks),
        );
        let diffusion = format!(
            "{common}[task]\nconditioning = \"none\"\nvariants_per_image = 1\nsample_steps = 1\n\
             samples = 1\n[model.unet]\nin_channels = 3\nout_channels = 3\nblock_out_channels = [8, 8]\n\
             down_block_types = [{}]\nup_block_types = [{}]\nlayers_per_block = 1\nnorm_num_groups = 4\n\
             [model.scheduler]\nprediction_type = \"v_prediction\"\n",
            list("DownBlock2D", 2),
            list("UpBlock2D", 2),
        );
        fs::write(at(&format!("configs/autoencoder-f{factor}.toml")), autoencoder).expect("a file");
        fs::write(at(&format!("configs/diffusion-f{factor}.toml")), diffusion).expect("a file");
    }
    let mut network = EfficientNetLite0::new();
    network.init(1);
    save_module(&at("features.safetensors"), &network, DType::F32).expect("a temporary file");
    folder
}

const COMPRESSION: [&str; 18] = [
    "reproduce",
    "compression",
    "--data",
    "data",
    "--configs",
    "configs",
    "--features",
    "features.safetensors",
    "--factors",
    "4,2",
    "--steps",
    "2",
    "--samples",
    "8",
    "--ddim-steps",
    "2,1",
    "-o",
    "out",
];

fn results(folder: &Path) -> Value {
    let text = fs::read_to_string(folder.join("out/results.json")).expect("a file");
    serde_json::from_str(&text).expect("JSON")
}

/// What is said on the way.
fn said(folder: &Path, args: &[&str]) -> String {
    let output = aquatint(folder, args);
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn nothing_is_done_twice() {
    let place = place();
    let folder = place.path();
    said(folder, &COMPRESSION);
    let first = results(folder);
    for factor in ["2", "4"] {
        let ldm = &first["ldm"][factor];
        assert_eq!(ldm["first_stage"]["steps"], 3, "{ldm}");
        assert_eq!(ldm["diffusion"]["steps"], 2, "{ldm}");
        assert_eq!(ldm["diffusion"]["points"].as_array().map(Vec::len), Some(2), "{ldm}");
        for (step, ddim) in [("1", "2"), ("2", "2"), ("2", "1")] {
            let quality = &ldm["quality"][step][ddim];
            assert_eq!(quality["pictures"], 8, "{ldm}");
            assert!(quality["fd"].as_f64().is_some_and(|fd| fd >= 0.0), "{ldm}");
        }
        assert!(ldm["quality"]["1"].get("1").is_none(), "speed is measured at the end: {ldm}");
        assert!(ldm["kept"]["psnr"].as_f64().is_some_and(f64::is_finite), "{ldm}");
        let rate = ldm["rate"].as_array().expect("a curve");
        let bits: Vec<f64> = rate.iter().map(|point| point[0].as_f64().expect("bits")).collect();
        assert!(bits[0] == 0.0 && bits.is_sorted() && bits[bits.len() - 1] > 0.0, "{bits:?}");
    }
    let files = names(&folder.join("out"));
    for name in ["report.md", "report.html", "quality-by-speed.svg", "rate-distortion.svg"] {
        assert!(files.contains(&name.to_owned()), "{files:?}");
    }
    let page = fs::read_to_string(folder.join("out/report.html")).expect("a page");
    assert!(page.contains("LDM-2") && page.contains("data:image/png;base64,"));
    let text = fs::read_to_string(folder.join("out/report.md")).expect("a text");
    assert!(text.contains("| LDM-4 | ") && text.contains("(ldm-4/samples-2-ddim-2.png)"), "{text}");

    let again = refused(folder, &COMPRESSION);
    assert_eq!(
        again,
        "out/results.json exists: go on with it with --resume, or choose another folder with -o"
    );
    let resume = [&COMPRESSION[..], &["--resume"]].concat();
    let other = refused(folder, &[&resume[..], &["--seed", "3"]].concat());
    assert!(
        other.starts_with("out/results.json is of an experiment with seed = 0, not 3"),
        "{other}"
    );

    // What is missing is done, from what was kept, and with the same numbers.
    let mut torn = first.clone();
    torn["ldm"]["2"]["quality"]["1"] = Value::Object(Default::default());
    fs::write(folder.join("out/results.json"), torn.to_string()).expect("a temporary file");
    let said = said(folder, &resume);
    assert!(said.contains("quality after step 1, 2 DDIM steps"), "{said}");
    assert!(!said.contains("first stage") && !said.contains("training"), "{said}");
    let fd = |results: &Value| results["ldm"]["2"]["quality"]["1"]["2"]["fd"].clone();
    assert_eq!(fd(&first), fd(&results(folder)));

    // The same by hand.
    let by_hand =
        ["train", "diffusion", "--config", "out/ldm-4/diffusion.toml", "--steps", "3", "--resume"];
    succeed(folder, &by_hand);
}

#[test]
fn time_is_a_budget_too() {
    let place = place();
    let mut args: Vec<&str> = COMPRESSION.to_vec();
    args[9] = "4";
    args[10] = "--budget";
    args[11] = "0.0005";
    said(place.path(), &args);
    let ldm = &results(place.path())["ldm"]["4"];
    assert!(ldm["diffusion"]["seconds"].as_f64().is_some_and(|seconds| seconds >= 0.03), "{ldm}");
    let points = ldm["diffusion"]["points"].as_array().expect("points");
    assert_eq!(points[points.len() - 1]["step"], ldm["diffusion"]["steps"]);
}

#[test]
fn what_cannot_be() {
    let place = place();
    let with = |changes: &[(usize, &'static str)]| {
        let mut args: Vec<&str> = COMPRESSION.to_vec();
        changes.iter().for_each(|(i, text)| args[*i] = text);
        refused(place.path(), &args)
    };
    assert!(
        with(&[(9, "3")]).starts_with("there is no configuration diffusion-f3.toml among configs")
    );
    assert!(with(&[(7, "none.pth")]).starts_with("none.pth is no file: --features takes"));
    assert!(with(&[(15, "2,2")]).starts_with("--ddim-steps has a number twice"));
    assert!(with(&[(10, "--budget"), (11, "0")]).ends_with("is no time: give minutes"));
    fs::write(place.path().join("torn.pth"), "no weights").expect("a temporary file");
    assert!(with(&[(7, "torn.pth")]).contains("torn.pth"));
}

#[test]
fn guidance() {
    let place = place();
    let folder = place.path();
    tiny_components().save(folder.join("model"), DType::F32).expect("a temporary folder");
    let args = [
        "reproduce",
        "guidance",
        "-m",
        "model",
        "--data",
        "data",
        "--features",
        "features.safetensors",
        "--scales",
        "1,2.5",
        "--ddim-steps",
        "1",
        "--samples",
        "8",
        "-o",
        "out",
    ];
    said(folder, &args);
    let first = results(folder);
    for scale in ["1", "2.5"] {
        let found = &first["quality"]["1"][scale];
        for key in ["fd", "precision", "coverage", "label", "style", "colour"] {
            assert!(found[key].as_f64().is_some_and(f64::is_finite), "{key}: {first}");
        }
        assert_eq!(found["style"], 1.0, "there is one style");
    }
    let resume = [&args[..], &["--resume"]].concat();
    let said = said(folder, &resume);
    assert!(!said.contains("scale 1"), "{said}");
    let page = fs::read_to_string(folder.join("out/report.html")).expect("a page");
    assert!(page.contains("guidance scale 2.5, 1 DDIM steps"));
    let mut wrong = args.to_vec();
    (wrong[9], wrong[15]) = ("0.5", "other");
    assert_eq!(refused(folder, &wrong), "a guidance scale of 0.5 is not from 1 to 100");
}

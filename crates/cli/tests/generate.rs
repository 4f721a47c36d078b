//! The built program on a tiny model: what it writes and prints.

mod common;

use std::fs;
use std::path::Path;

use aquatint_pipeline::{GenerateRequest, png};
use common::{names, succeed, tiny_model};
use serde_json::{Value, json};

#[test]
fn the_same_seed_gives_the_same_bytes_for_any_number_of_threads() {
    let (folder, _) = tiny_model();
    let less: &[&str] = &["--fast", "--token-merging", "0.5"];
    for (sampler, less) in [("ddim", &[][..]), ("ddpm", &[]), ("ddim", less)] {
        let bytes = ["1", "2", "4", "2"].map(|threads| {
            let args = ["generate", "a cat", "-m", "model", "--seed", "7", "--steps", "4"];
            let more = ["--sampler", sampler, "--threads", threads, "-o", "out.png"];
            succeed(folder.path(), &[&args[..], &more, less].concat());
            fs::read(folder.path().join("out.png")).expect("written")
        });
        for other in &bytes[1..] {
            assert_eq!(bytes[0], *other, "{sampler} {less:?}");
        }
    }
}

#[test]
fn seeds_prompts_and_guidance_make_a_difference() {
    let (folder, _) = tiny_model();
    let generate = |more: &[&str]| {
        let args = ["generate", "-m", "model", "--steps", "3", "-o", "out.png"];
        succeed(folder.path(), &[&args[..], more].concat());
        png::decode(&fs::read(folder.path().join("out.png")).expect("written")).expect("a PNG").0
    };
    let first = generate(&["a cat", "--seed", "7"]);
    assert_eq!((first.width, first.height), (64, 64));
    for other in [
        &["a cat", "--seed", "8"][..],
        &["a dog", "--seed", "7", "--guidance-scale", "50"],
        &["a cat", "--seed", "7", "--guidance-scale", "50"],
        &["a cat", "--seed", "7", "--steps", "2"],
        &["a cat", "--seed", "7", "--fast"],
        &["a cat", "--seed", "7", "--deep-cache", "2"],
        &["a cat", "--seed", "7", "--token-merging", "0.75"],
        &["a cat", "--seed", "7", "--guidance-scale", "50", "--guidance-interval", "0.5..0.7"],
        &["a cat", "--seed", "7", "--eta", "1"],
        &["a cat", "--seed", "7", "--sampler", "heun"],
        &["a cat", "--seed", "7", "--schedule", "karras"],
        &["a cat", "--seed", "7", "--rng", "torch-cuda"],
        &["a cat", "--seed", "7", "--rng", "numpy"],
        &["a cat", "--seed", "7", "--negative-prompt", "red", "--guidance-scale", "50"],
    ] {
        assert_ne!(first, generate(other), "{other:?}");
    }
    let wide = generate(&["a cat", "--seed", "7", "--width", "128", "--height", "72"]);
    assert_eq!((wide.width, wide.height), (128, 72));
}

#[test]
fn what_is_given_wins_over_fast_and_is_recorded() {
    let (folder, _) = tiny_model();
    let request = |more: &[&str]| {
        let args = ["generate", "a cat", "-m", "model", "--steps", "3", "-o", "out.png"];
        succeed(folder.path(), &[&args[..], more].concat());
        let file = fs::read(folder.path().join("out.png")).expect("written");
        let texts = png::decode(&file).expect("a PNG").1;
        let own: Value = serde_json::from_str(&texts["aquatint"]).expect("JSON");
        let request = &own["request"];
        let keys = ["guidance_interval", "deep_cache", "deep_cache_branch", "token_merging"];
        (own["dtype"].clone(), keys.map(|key| request[key].clone()).to_vec())
    };
    let expected =
        |dtype: &str, values: Value| (json!(dtype), values.as_array().expect("an array").clone());
    let plain = json!([[0.0, 1.0], 1, 0, 0.0]);
    assert_eq!(request(&[]), expected("f32", plain));
    assert_eq!(request(&["--fast"]), expected("bf16", json!([[0.2, 1.0], 3, 0, 0.0])));
    let own =
        ["--guidance-interval", "..0.5", "--deep-cache-branch", "1", "--token-merging", "0.3"];
    let less = [&["--dtype", "f32", "--deep-cache", "2", "--fast"], &own[..]].concat();
    assert_eq!(request(&less), expected("f32", json!([[0.0, 0.5], 2, 1, 0.3])));
}

#[test]
fn names_of_other_programs_make_the_same_picture() {
    let (folder, _) = tiny_model();
    let generate = |sampler: &str, schedule: &str| {
        let args = ["generate", "a cat", "-m", "model", "--seed", "7", "--steps", "3"];
        let more = ["--sampler", sampler, "--schedule", schedule, "-o", "out.png"];
        succeed(folder.path(), &[&args[..], &more].concat());
        png::decode(&fs::read(folder.path().join("out.png")).expect("written")).expect("a PNG").0
    };
    let ours = generate("dpmpp_2m_sde", "karras");
    assert_eq!(ours, generate("DPM++ 2M SDE", "Karras"));
    assert_eq!(ours, generate("DPM++ 2M SDE Exponential", "Karras"));
    assert_eq!(ours, generate("k_dpmpp_2m_sde", "use_karras_sigmas"));
    assert_ne!(ours, generate("DPMSolverMultistepScheduler", "karras"));
}

#[test]
fn a_picture_is_the_same_alone_and_in_company() {
    let (folder, _) = tiny_model();
    for sampler in ["ddpm", "dpmpp_2m_sde"] {
        same_in_company(folder.path(), sampler);
    }
}

fn same_in_company(folder: &Path, sampler: &str) {
    for name in names(folder).iter().filter(|name| name.ends_with(".png")) {
        fs::remove_file(folder.join(name)).expect("written before");
    }
    let args = ["generate", "a cat", "-m", "model", "--steps", "3", "--sampler", sampler];
    succeed(folder, &[&args[..], &["--seed", "5", "-n", "3", "-o", "all.png"]].concat());
    succeed(folder, &[&args[..], &["--seed", "7", "-o", "one.png"]].concat());
    let pixels =
        |name: &str| png::decode(&fs::read(folder.join(name)).expect("written")).expect("a PNG").0;
    assert_eq!(names(folder), ["all-1.png", "all-2.png", "all-3.png", "model", "one.png"]);
    assert_eq!(pixels("all-3.png"), pixels("one.png"));
    assert_ne!(pixels("all-1.png"), pixels("all-2.png"));
}

#[test]
fn json_is_one_line() {
    let (folder, _) = tiny_model();
    let args = ["generate", "A Cat!", "-m", "model", "--seed", "9", "--steps", "2", "-n", "2"];
    let stdout = succeed(folder.path(), &[&args[..], &["--json", "-o", "new/"]].concat());
    assert_eq!(stdout.lines().count(), 1);
    let report: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(report["files"], json!(["new/a-cat-9.png", "new/a-cat-10.png"]));
    assert_eq!(report["seed"], 9);
    for stage in ["load", "encode", "denoise", "decode", "write", "total"] {
        assert!(report["seconds"][stage].is_f64(), "{stage}: {report}");
    }
    if cfg!(target_os = "linux") {
        assert!(report["peak_memory_bytes"].as_u64().expect("bytes") > 1 << 20);
    }
    assert_eq!(names(&folder.path().join("new")), ["a-cat-10.png", "a-cat-9.png"]);
}

#[test]
fn names_are_printed_and_nothing_is_overwritten() {
    let (folder, _) = tiny_model();
    let args = ["generate", "a cat", "-m", "model", "--seed", "1", "--steps", "1"];
    assert_eq!(succeed(folder.path(), &args), "./a-cat-1.png\n");
    assert_eq!(succeed(folder.path(), &args), "./a-cat-1-2.png\n");
    let unseeded = ["generate", "a cat", "-m", "model", "--steps", "1"];
    assert_ne!(succeed(folder.path(), &unseeded), succeed(folder.path(), &unseeded));
}

#[test]
fn a_picture_says_how_to_make_it_again() {
    let (folder, _) = tiny_model();
    let args = ["generate", "a 猫", "-m", "model", "--seed", "3", "--steps", "2", "-n", "2"];
    succeed(folder.path(), &[&args[..], &["--eta", "0.5", "-o", "out.png"]].concat());
    let bytes = fs::read(folder.path().join("out-2.png")).expect("written");
    let (_, texts) = png::decode(&bytes).expect("a PNG");
    let parameters = "a 猫\nSteps: 2, Sampler: DDIM, CFG scale: 5, Seed: 4, Size: 64x64, ";
    assert!(texts["parameters"].starts_with(parameters), "{}", texts["parameters"]);
    let own: Value = serde_json::from_str(&texts["aquatint"]).expect("JSON");
    let request: GenerateRequest = serde_json::from_value(own["request"].clone()).expect("ours");
    assert_eq!((request.prompt.as_str(), request.seed, request.count), ("a 猫", 4, 1));
    assert_eq!((request.eta, request.width), (Some(0.5), Some(64)));
}

#[test]
fn a_preview_ends_with_the_picture() {
    let (folder, _) = tiny_model();
    let args = ["generate", "a cat", "-m", "model", "--seed", "3", "--steps", "12"];
    let more = ["-o", "out.png", "--preview", "steps.png"];
    succeed(folder.path(), &[&args[..], &more].concat());
    let read = |name| png::decode(&fs::read(folder.path().join(name)).expect("written"));
    let (picture, sheet) = (read("out.png").expect("a PNG").0, read("steps.png").expect("a PNG").0);
    // Ten frames, five to a row, with gutters of 2 pixels.
    assert_eq!((sheet.width, sheet.height), (5 * 66 + 2, 2 * 66 + 2));
    let cell = |column: usize, row: usize| -> Vec<u8> {
        let (left, top) = (column * 66 + 2, row * 66 + 2);
        let begin = |y| 3 * ((top + y) * sheet.width + left);
        (0..64).flat_map(|y| sheet.rgb[begin(y)..begin(y) + 3 * 64].to_vec()).collect()
    };
    assert_eq!(cell(4, 1), picture.rgb);
    assert_ne!(cell(0, 0), cell(4, 0));
    assert_ne!(cell(3, 1), picture.rgb);
}

//! `aquatint model pull` and `model list`, against a hub on this machine.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use server::{COMMIT, Repo, Server, well};

#[path = "../../hub/tests/server/mod.rs"]
mod server;

const TOKEN: &str = "hf_VerySecret";

/// `aquatint model` with these arguments, with `folder` for a home and no other environment.
fn model(folder: &Path, endpoint: &str, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aquatint"));
    command.arg("model").args(args).current_dir(folder).env_clear().env("HOME", folder);
    command.env("HF_ENDPOINT", endpoint).env("HF_TOKEN", TOKEN).output().expect("it was built")
}

#[track_caller]
fn succeed(folder: &Path, hub: &Server, args: &[&str]) -> (String, String) {
    let output = model(folder, &hub.address, args);
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{args:?}: {err}");
    assert!(!out.contains(TOKEN) && !err.contains(TOKEN), "{args:?} shows the token");
    (out, err)
}

#[track_caller]
fn refused(folder: &Path, endpoint: &str, args: &[&str]) -> String {
    let output = model(folder, endpoint, args);
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{args:?}: {err}");
    assert!(output.stdout.is_empty() && !err.contains(TOKEN), "{args:?}: {err}");
    let line = err.strip_suffix('\n').unwrap_or_default();
    assert!(!line.contains('\n'), "{args:?} said more than one line: {err}");
    line.strip_prefix("error: ").unwrap_or_else(|| panic!("{args:?} said {line:?}")).to_owned()
}

#[test]
fn what_is_pulled_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let repo = Repo::model();
    let (hub, _store) = repo.clone().serve(well(), well());
    let (empty, _) = succeed(folder.path(), &hub, &["list", "--json"]);
    assert!(!empty.contains("owner/name"), "{empty}");

    let (out, err) = succeed(folder.path(), &hub, &["pull", "owner/name"]);
    let path = Path::new(out.trim_end());
    let cache = folder.path().join(".cache/huggingface/hub/models--owner--name/snapshots");
    assert_eq!(path, cache.join(COMMIT));
    assert_eq!(fs::read(path.join("vae/config.json")).unwrap(), repo.content("vae/config.json"));
    // Nobody looks at a bar here: a line for the plan and one for each file.
    assert_eq!(err.lines().count(), 6, "{err}");
    assert!(err.contains("\n5 files, 40.1 kB\n"), "{err}");
    assert!(err.contains("\nunet/diffusion_pytorch_model.safetensors, 20.0 kB\n"), "{err}");

    let asked = hub.seen("").len();
    for args in [&["pull", "owner/name", "--offline", "--json"][..], &["list", "--json"]] {
        let (out, _) = succeed(folder.path(), &hub, args);
        let report: Value = serde_json::from_str(&out).unwrap();
        let found = match report.get("models") {
            Some(models) => models.as_array().unwrap().last().unwrap(),
            None => &report,
        };
        assert_eq!(found["name"], "owner/name");
        assert_eq!(found["revision"], COMMIT);
        assert_eq!(found["path"], path.to_str().unwrap());
        assert_eq!(found["files"].as_array().unwrap().len(), 5);
    }
    let (table, _) = succeed(folder.path(), &hub, &["list"]);
    let line = table.lines().find(|line| line.starts_with("owner/name ")).expect("it is listed");
    assert!(line.contains("main (0123456789)") && line.ends_with(out.trim_end()), "{line}");
    assert_eq!(hub.seen("").len(), asked);
}

#[test]
fn files_patterns_and_variants() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, _store) = Repo::model().serve(well(), well());
    let (out, _) = succeed(folder.path(), &hub, &["pull", "owner/name", "all in one.ckpt"]);
    assert!(out.ends_with("/all in one.ckpt\n"), "{out}");
    let args = ["pull", "owner/name", "--include", "*.md", "--include", "vae/*", "--json"];
    let (out, _) = succeed(folder.path(), &hub, &[&args[..], &["--exclude", "*.json"]].concat());
    let report: Value = serde_json::from_str(&out).unwrap();
    let expected = serde_json::json!(["README.md", "vae/diffusion_pytorch_model.safetensors"]);
    assert_eq!(report["files"], expected);
    // With the index in the cache there is nothing to tell before the error.
    succeed(folder.path(), &hub, &["pull", "owner/name", "model_index.json"]);
    let error = refused(folder.path(), &hub.address, &["pull", "owner/name", "--variant", "fp8"]);
    assert_eq!(error, "owner/name has no fp8 weights: leave out --variant fp8");
}

#[test]
fn bad_names_and_absent_hubs_get_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = "http://127.0.0.1:1";
    for name in ["", "a", "../b", "/etc/passwd", "a/b/c", "a/b@../c"] {
        let error = refused(folder.path(), nowhere, &["pull", name]);
        assert!(error.starts_with(&format!("`{name}` names no model of a hub")), "{error}");
    }
    let error = refused(folder.path(), nowhere, &["pull", "a/b", "../c"]);
    assert!(error.starts_with("`../c` names no file of a repository"), "{error}");
    let error = refused(folder.path(), nowhere, &["pull", "a/b"]);
    assert!(error.starts_with("127.0.0.1:1 cannot be reached ("), "{error}");
    let error = refused(folder.path(), nowhere, &["pull", "a/b", "--offline"]);
    assert!(error.starts_with("a/b is not in the cache"), "{error}");
    let error = refused(folder.path(), "not an address", &["pull", "a/b"]);
    assert_eq!(error, "HF_ENDPOINT is no address of a hub: write https://HOST");
    assert!(!folder.path().join(".cache").exists(), "something was written");
}

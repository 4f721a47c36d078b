//! What must stay true of the repository itself: the arrows between crates, the length of files,
//! the size of test data, where `unsafe` lives. Run by `cargo xtask check` and as tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// Which of our crates each crate may depend on. Everything not written here is refused.
const ARROWS: &[(&str, &[&str])] = &[
    ("aquatint-kernels", &[]),
    ("aquatint-tensor", &["aquatint-kernels"]),
    ("aquatint-nn-derive", &[]),
    ("aquatint-nn", &["aquatint-tensor", "aquatint-nn-derive"]),
    ("aquatint-models", &["aquatint-tensor", "aquatint-nn"]),
    ("aquatint-diffusion", &["aquatint-tensor"]),
    ("aquatint-checkpoint", &["aquatint-tensor"]),
    ("aquatint-hub", &[]),
    (
        "aquatint-pipeline",
        &[
            "aquatint-tensor",
            "aquatint-nn",
            "aquatint-models",
            "aquatint-diffusion",
            "aquatint-checkpoint",
        ],
    ),
    (
        "aquatint-train",
        &[
            "aquatint-tensor",
            "aquatint-nn",
            "aquatint-models",
            "aquatint-diffusion",
            "aquatint-checkpoint",
            "aquatint-pipeline",
        ],
    ),
    (
        "aquatint-eval",
        &[
            "aquatint-tensor",
            "aquatint-nn",
            "aquatint-models",
            "aquatint-checkpoint",
            "aquatint-pipeline",
        ],
    ),
    (
        "aquatint-server",
        &["aquatint-tensor", "aquatint-diffusion", "aquatint-checkpoint", "aquatint-pipeline"],
    ),
    (
        "aquatint",
        &[
            "aquatint-tensor",
            "aquatint-nn",
            "aquatint-models",
            "aquatint-diffusion",
            "aquatint-hub",
            "aquatint-checkpoint",
            "aquatint-pipeline",
            "aquatint-train",
            "aquatint-eval",
            "aquatint-server",
        ],
    ),
    (
        "xtask",
        &[
            "aquatint-tensor",
            "aquatint-nn",
            "aquatint-models",
            "aquatint-diffusion",
            "aquatint-checkpoint",
            "aquatint-pipeline",
            "aquatint-train",
        ],
    ),
];

/// Source files may be this long.
const LONGEST_FILE: usize = 600;
/// `testdata/` may be this large.
const LARGEST_TESTDATA: u64 = 1 << 20;

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the root").to_owned()
}

/// Every check of this module.
pub fn check_all() -> Result<()> {
    arrows()?;
    files()?;
    testdata()
}

/// The dependencies between our crates are those of [`ARROWS`]. Dependencies for tests alone
/// may point anywhere.
fn arrows() -> Result<()> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps"])
        .current_dir(root())
        .output()
        .context("cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata failed");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    check_arrows(&metadata)
}

fn check_arrows(metadata: &serde_json::Value) -> Result<()> {
    let packages = metadata["packages"].as_array().context("no packages in cargo metadata")?;
    let name_of = |value: &serde_json::Value| value["name"].as_str().unwrap_or("?").to_owned();
    let ours: Vec<String> = packages.iter().map(name_of).collect();
    for package in packages {
        let name = name_of(package);
        let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == name) else {
            bail!("crate {name} has no line in ARROWS (xtask/src/tidy.rs): say what it may use");
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let target = name_of(dependency);
            let for_tests = dependency["kind"] == "dev";
            if !for_tests && ours.contains(&target) && !allowed.contains(&target.as_str()) {
                bail!("{name} must not depend on {target}: see the arrows in ARCHITECTURE.md");
            }
        }
    }
    Ok(())
}

fn files() -> Result<()> {
    let mut sources = Vec::new();
    for folder in ["crates", "xtask"] {
        walk(&root().join(folder), &mut sources)?;
    }
    for path in sources.iter().filter(|p| p.extension().is_some_and(|e| e == "rs")) {
        let text = fs::read_to_string(path)?;
        let shown = path.strip_prefix(root())?.display();
        let lines = text.lines().count();
        ensure!(lines <= LONGEST_FILE, "{shown} has {lines} lines, more than {LONGEST_FILE}");
        let in_kernels = path.starts_with(root().join("crates/kernels"));
        // Spelled in two parts so that this file does not accuse itself.
        let allows = text.contains(concat!("allow(unsafe", "_code"));
        ensure!(in_kernels || !allows, "{shown}: unsafe code belongs in crates/kernels");
    }
    Ok(())
}

fn testdata() -> Result<()> {
    let mut paths = Vec::new();
    walk(&root().join("testdata"), &mut paths)?;
    let mut total = 0;
    for path in paths {
        total += fs::metadata(path)?.len();
    }
    ensure!(
        total <= LARGEST_TESTDATA,
        "testdata holds {total} bytes, more than {LARGEST_TESTDATA}"
    );
    Ok(())
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                walk(&path, found)?;
            }
        } else {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        check_all().unwrap();
    }

    #[test]
    fn a_forbidden_arrow_is_refused() {
        let metadata = serde_json::json!({"packages": [
            {"name": "aquatint-kernels", "dependencies": [
                {"name": "aquatint-tensor", "kind": null}]},
            {"name": "aquatint-tensor", "dependencies": []},
        ]});
        let error = check_arrows(&metadata).unwrap_err().to_string();
        assert!(error.contains("aquatint-kernels must not depend on aquatint-tensor"), "{error}");
    }

    #[test]
    fn an_unknown_crate_is_refused() {
        let metadata = serde_json::json!({"packages": [{"name": "new", "dependencies": []}]});
        assert!(check_arrows(&metadata).is_err());
    }
}

//! The program, and a model to try it on.
#![allow(dead_code, reason = "not every test file needs everything")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use aquatint_checkpoint::DType;
use tempfile::TempDir;

pub mod training;

#[path = "../../../pipeline/tests/tiny/mod.rs"]
mod tiny;

pub use tiny::tiny_components;

/// A folder with the tiny model in `model/`.
pub fn tiny_model() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = folder.path().join("model");
    tiny_components().save(&model, DType::F32).expect("a temporary folder can be written to");
    (folder, model)
}

/// The tiny model for in-painting, in `folder`.
pub fn tiny_inpainting(folder: &Path) {
    tiny::tiny_inpainting().save(folder, DType::F32).expect("a folder that can be written to");
}

/// `aquatint` with these arguments, in `folder`.
pub fn aquatint(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aquatint"));
    command.current_dir(folder).args(args).output().expect("the program was built")
}

/// The stdout of a run that must succeed.
#[track_caller]
pub fn succeed(folder: &Path, args: &[&str]) -> String {
    let output = aquatint(folder, args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?} failed: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The only line on stderr of a run that must be refused, without its "error: ".
#[track_caller]
pub fn refused(folder: &Path, args: &[&str]) -> String {
    let output = aquatint(folder, args);
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{args:?} printed a result");
    let line = stderr.strip_suffix('\n').unwrap_or(&stderr);
    assert!(!line.contains('\n'), "{args:?} said more than one line: {stderr}");
    line.strip_prefix("error: ").unwrap_or_else(|| panic!("{args:?} said {line:?}")).to_owned()
}

/// The names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

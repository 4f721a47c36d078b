//! Lists the files of the model that is embedded in the executable, if the repository has one.

#![allow(clippy::disallowed_methods, reason = "cargo talks to build scripts by environment")]

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Only what is read at run time: no model card, no pictures.
const ENDINGS: [&str; 3] = ["json", "txt", "safetensors"];

fn main() {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let model = here.join("../../models/seven-styles");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", model.display());

    let mut files = Vec::new();
    collect(&model, &mut files);
    // Without this file a folder is no model, and half a model is worse than none.
    if !model.join("model_index.json").is_file() {
        files.clear();
    }
    files.sort();

    let mut table = String::from("&[\n");
    for file in files {
        let name =
            file.strip_prefix(&model).expect("found below").to_string_lossy().replace('\\', "/");
        let path = file.canonicalize().expect("found");
        writeln!(table, "    ({name:?}, include_bytes!({path:?})),").expect("a string");
    }
    table += "]\n";
    let out = PathBuf::from(env::var("OUT_DIR").expect("set by cargo")).join("embedded.rs");
    fs::write(out, table).expect("cargo's folder can be written to");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| ENDINGS.iter().any(|known| e == *known)) {
            files.push(path);
        }
    }
}

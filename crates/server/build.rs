//! Lists the files of the page that is embedded in the executable.

#![allow(clippy::disallowed_methods, reason = "cargo talks to build scripts by environment")]

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let page = here.join("page/dist");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", page.display());
    let mut files = Vec::new();
    collect(&page, &mut files);
    files.sort();
    let mut table = String::from("&[\n");
    for file in files {
        let name = file.strip_prefix(&page).expect("found below").to_string_lossy();
        let (name, path) = (name.replace('\\', "/"), file.canonicalize().expect("found"));
        writeln!(table, "    ({name:?}, include_bytes!({path:?})),").expect("a string");
    }
    table += "]\n";
    let out = PathBuf::from(env::var("OUT_DIR").expect("set by cargo")).join("page.rs");
    fs::write(out, table).expect("cargo's folder can be written to");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() {
            collect(&path, files);
        } else if !hidden {
            files.push(path);
        }
    }
}

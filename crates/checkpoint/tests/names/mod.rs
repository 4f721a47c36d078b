//! Reads `testdata/names` (see `tools/reference/names.py`) and the presets of `crates/pipeline`.
#![allow(dead_code, reason = "not every test file needs everything")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use aquatint_checkpoint::naming::Shapes;
use serde_json::{Map, Value};

/// Name → shape.
pub type Names = BTreeMap<String, Vec<usize>>;

/// A family as the authors' single file and as diffusers' folder have it.
pub struct FamilyNames {
    pub id: String,
    pub parts: Vec<Part>,
}

/// A part in both namings.
pub struct Part {
    pub part: String,
    /// What stands before the authors' names in a single file.
    pub prefix: String,
    pub authors: Names,
    pub diffusers: Names,
}

impl FamilyNames {
    /// All names of the single file.
    pub fn single_file(&self) -> Names {
        let parts = self.parts.iter().flat_map(|part| {
            part.authors.iter().map(|(name, shape)| (part.prefix.clone() + name, shape.clone()))
        });
        parts.collect()
    }

    /// The preset: a configuration for each part, and more.
    pub fn configs(&self) -> Map<String, Value> {
        preset(&self.id)
    }
}

/// The borrowed form of [`Names`].
pub fn shapes(names: &Names) -> Shapes<'_> {
    names.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect()
}

/// All families of `testdata/names/families.txt`.
pub fn families() -> Vec<FamilyNames> {
    let list = read("testdata/names/families.txt");
    let family = |line: &str| {
        let mut words = line.split(' ');
        let id = words.next().expect("an id").to_owned();
        let parts = words.map(|word| {
            let [part, prefix, file] = word.split('=').collect::<Vec<_>>()[..] else {
                panic!("{word}")
            };
            let (authors, diffusers) = names_file(file);
            Part { part: part.into(), prefix: prefix.into(), authors, diffusers }
        });
        FamilyNames { id, parts: parts.collect() }
    };
    list.lines().map(family).collect()
}

fn names_file(file: &str) -> (Names, Names) {
    let text = read(&format!("testdata/names/{file}"));
    let (mut authors, mut diffusers) = (Names::new(), Names::new());
    let mut in_diffusers = false;
    for line in text.lines() {
        if let Some(like) = line.strip_prefix("# like ") {
            (authors, diffusers) = names_file(like);
        } else if line.starts_with('#') {
            in_diffusers = line == "# diffusers";
        } else {
            let (pattern, shape) = line.split_once(' ').expect("a name and a shape");
            let shape: Vec<usize> = match shape {
                "scalar" => Vec::new(),
                sizes => sizes.split('x').map(|size| size.parse().expect("a size")).collect(),
            };
            let names = if in_diffusers { &mut diffusers } else { &mut authors };
            names.extend(unfolded(pattern).into_iter().map(|name| (name, shape.clone())));
        }
    }
    (authors, diffusers)
}

/// `a.{0..2,5,b}.c` → `a.0.c`, `a.1.c`, `a.2.c`, `a.5.c`, `a.b.c`.
fn unfolded(pattern: &str) -> Vec<String> {
    let Some((before, rest)) = pattern.split_once('{') else { return vec![pattern.into()] };
    let (inside, after) = rest.split_once('}').expect("a closing brace");
    let mut words = Vec::new();
    for item in inside.split(',') {
        match item.split_once("..") {
            None => words.push(item.to_owned()),
            Some((from, to)) => {
                let number = |text: &str| text.parse::<usize>().expect("a number");
                words.extend((number(from)..=number(to)).map(|n| n.to_string()));
            }
        }
    }
    let ends = unfolded(after);
    words.iter().flat_map(|w| ends.iter().map(move |end| format!("{before}{w}{end}"))).collect()
}

fn preset(id: &str) -> Map<String, Value> {
    let text = read(&format!("crates/pipeline/src/presets/{id}.json"));
    let Value::Object(mut own) = serde_json::from_str(&text).expect("JSON") else { panic!("{id}") };
    let Some(Value::String(base)) = own.remove("extends") else { return own };
    let mut whole = Value::Object(preset(&base));
    merge(&mut whole, Value::Object(own));
    let Value::Object(whole) = whole else { unreachable!() };
    whole
}

/// JSON merge patch, RFC 7396.
fn merge(base: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *base = patch;
        return;
    };
    if !base.is_object() {
        *base = Value::Object(Map::new());
    }
    let base = base.as_object_mut().expect("it is one now");
    for (key, value) in patch {
        if value.is_null() {
            base.remove(&key);
        } else {
            merge(base.entry(key).or_insert(Value::Null), value);
        }
    }
}

fn read(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

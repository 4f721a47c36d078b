//! That nothing is left out: every public function that is given numbers must be called by a case
//! here, and by one of the adversarial ones.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Files and folders of tests, of the plain loops that kernels are compared with, and of what cuts
/// work into parts.
const NO_KERNELS: [&str; 7] =
    ["small_shapes", "adversarial", "oracle", "testing", "tests", "reference", "parallel"];

/// What only makes what another calls: `Weight::geglu_int8`.
const EXCEPT: [&str; 1] = ["Int8Weight::gated"];

/// A public function, or a method with its type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kernel {
    of: Option<String>,
    name: String,
}

impl Kernel {
    /// Whether `code` calls it.
    fn is_called(&self, code: &str) -> bool {
        let call = format!("{}(", self.name);
        code.match_indices(&call).any(|(at, _)| {
            let before = &code[..at];
            match &self.of {
                Some(of) => before.ends_with('.') || before.ends_with(&format!("{of}::")),
                None => !before.ends_with(|c: char| c.is_alphanumeric() || "_.".contains(c)),
            }
        })
    }
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All files below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The words of a line that could be names.
fn names(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|name| !name.is_empty())
}

/// Adds the names that a module and the public ones in it give to everybody.
fn public(module: &Path, folder: &Path, all: &mut BTreeSet<String>) {
    let code = fs::read_to_string(module).unwrap();
    for item in code.split("\npub ").skip(1) {
        let (kind, rest) = item.split_once(' ').unwrap_or_default();
        match kind {
            "mod" => {
                let name = names(rest).next().unwrap();
                let (file, inner) = (folder.join(format!("{name}.rs")), folder.join(name));
                let file = if file.exists() { file } else { inner.join("mod.rs") };
                public(&file, &inner, all);
            }
            "use" => all.extend(names(rest.split(';').next().unwrap()).map(str::to_owned)),
            "fn" | "struct" | "enum" => all.extend(names(rest).next().map(str::to_owned)),
            _ => {}
        }
    }
}

/// The functions in `code` that are given numbers and whose name or type is among `public` ones.
fn kernels(code: &str, public: &BTreeSet<String>, all: &mut BTreeSet<Kernel>) {
    let mut of = None;
    for (at, line) in code.match_indices('\n').map(|(at, _)| (at + 1, &code[at + 1..])) {
        if line.starts_with("impl") {
            let head = line.split('{').next().unwrap();
            of = head.split('<').next().unwrap().split_whitespace().nth(1).map(str::to_owned);
            // Generic ones have their type behind the parameters.
            of = of.or_else(|| {
                head.split('>').nth(1).and_then(|x| names(x).next()).map(str::to_owned)
            });
        }
        let (method, declared) = match line.strip_prefix("    ") {
            Some(line) if !line.starts_with(' ') => (true, line),
            _ => (false, line),
        };
        let Some(declared) = declared.strip_prefix("pub fn ") else { continue };
        let name = names(declared).next().unwrap().to_owned();
        let signature = code[at..].split("->").next().unwrap().split(" {\n").next().unwrap();
        let numbers = ["[f32]", "Activations", "Numbers"].iter().any(|x| signature.contains(x));
        let of = of.clone().filter(|_| method);
        if numbers && public.contains(of.as_ref().unwrap_or(&name)) {
            all.insert(Kernel { of, name });
        }
    }
}

/// Every public function that is given numbers.
fn all_kernels() -> BTreeSet<Kernel> {
    let (mut names, mut all) = (BTreeSet::new(), BTreeSet::new());
    public(&source().join("lib.rs"), &source(), &mut names);
    for file in files(&source()) {
        let place = file.strip_prefix(source()).unwrap().with_extension("");
        if place.iter().all(|part| NO_KERNELS.iter().all(|no| part != *no)) {
            kernels(&fs::read_to_string(file).unwrap(), &names, &mut all);
        }
    }
    all
}

fn assert_all_called(folder: &str) {
    let cases = files(&source().join(folder)).into_iter();
    let cases = cases.filter(|file| !file.ends_with("coverage.rs"));
    let code: String = cases.map(|file| fs::read_to_string(file).unwrap()).collect();
    let missing = all_kernels().into_iter().filter(|kernel| !kernel.is_called(&code));
    let missing: Vec<String> = missing
        .map(|Kernel { of, name }| of.map_or_else(|| name.clone(), |of| format!("{of}::{name}")))
        .filter(|kernel| !EXCEPT.contains(&kernel.as_str()))
        .collect();
    assert!(missing.is_empty(), "without a case in {folder}: {missing:#?}");
}

#[test]
fn every_kernel_is_fenced() {
    assert_all_called("small_shapes");
}

#[test]
fn every_kernel_sees_adversarial_numbers() {
    assert_all_called("adversarial");
}

#[test]
fn kernels_are_found() {
    let all = all_kernels();
    for (of, name) in [
        (None, "conv2d_winograd_fused"),
        (None, "layer_norm_rounded"),
        (None, "widen"),
        (Some("Weight"), "apply"),
        (Some("GroupMoments"), "add"),
    ] {
        let kernel = Kernel { of: of.map(str::to_owned), name: name.to_owned() };
        assert!(all.contains(&kernel), "{kernel:?} is not among {all:#?}");
        assert!(kernel.is_called(&format!("{}{name}(x)", of.map_or("", |_| "y."))));
        assert!(!kernel.is_called(&format!("another_{name}(x)")));
    }
}

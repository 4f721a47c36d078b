//! The file that a name in a prompt stands for.

use std::path::{Component, Path, PathBuf};

use aquatint_checkpoint::nearest;

/// How such files end, the better ones first.
pub(crate) const ENDINGS: [&str; 5] = ["safetensors", "gguf", "pt", "ckpt", "bin"];

/// There is no such file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no LoRA `{name}` in {folders}{}; say where with --lora-dir, or give the file with --lora",
    nearest.as_ref().map_or(String::new(), |n| format!(" (the nearest is `{n}`)"))
)]
pub struct LoraNotFound {
    /// The name in the prompt.
    pub name: String,
    /// Where it was looked for.
    pub folders: String,
    /// The most similar name there.
    pub nearest: Option<String>,
}

/// The file called `name`, with or without its ending, in the first of `folders` that has one. The
/// name may lead into folders below, and not out of them: prompts come from anywhere.
///
/// # Errors
/// If there is none.
pub fn find(name: &str, folders: &[PathBuf]) -> Result<PathBuf, LoraNotFound> {
    let path = Path::new(name);
    let below = path.components().all(|part| matches!(part, Component::Normal(_)));
    let with_ending = ENDINGS.iter().any(|end| path.extension().is_some_and(|own| own == *end));
    let names: Vec<String> = ENDINGS.iter().map(|end| format!("{name}.{end}")).collect();
    let whole = with_ending.then(|| name.to_owned());
    for folder in folders.iter().filter(|_| below && !name.is_empty()) {
        let mut files = whole.iter().chain(&names).map(|name| folder.join(name));
        if let Some(file) = files.find(|file| file.is_file()) {
            return Ok(file);
        }
    }
    let others: Vec<String> = folders.iter().flat_map(|folder| names_in(folder)).collect();
    let nearest = nearest(name, others.iter().map(String::as_str)).map(str::to_owned);
    let folders: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
    let folders = if folders.is_empty() { "any folder".into() } else { folders.join(" or ") };
    Err(LoraNotFound { name: name.into(), folders, nearest })
}

/// The names that a prompt could call files in a folder by, in order.
fn names_in(folder: &Path) -> Vec<String> {
    let files = folder.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    let known = |path: &PathBuf| {
        let ending = path.extension().and_then(|end| end.to_str());
        ending.is_some_and(|end| ENDINGS.contains(&end)) && path.is_file()
    };
    let names = files.filter(known).filter_map(|p| Some(p.file_stem()?.to_str()?.to_owned()));
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_name_in_the_first_folder() {
        let root = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| root.path().join(name));
        std::fs::create_dir_all(a.join("sub")).unwrap();
        std::fs::create_dir(&b).unwrap();
        for file in ["a/one.pt", "a/sub/two.safetensors", "b/one.safetensors", "b/v1.5.pt"] {
            std::fs::write(root.path().join(file), "x").unwrap();
        }
        let folders = [a.clone(), b.clone()];
        assert_eq!(find("one", &folders), Ok(a.join("one.pt")));
        assert_eq!(find("one.safetensors", &folders), Ok(b.join("one.safetensors")));
        assert_eq!(find("sub/two", &folders), Ok(a.join("sub/two.safetensors")));
        assert_eq!(find("v1.5", &folders), Ok(b.join("v1.5.pt")));
        for name in ["../b/one", "", "/etc/passwd", "sub"] {
            assert!(find(name, &folders[..1]).is_err(), "{name}");
        }
        let error = find("onne", &folders).unwrap_err().to_string();
        let expected = format!(
            "there is no LoRA `onne` in {} or {} (the nearest is `one`); say where with \
             --lora-dir, or give the file with --lora",
            a.display(),
            b.display()
        );
        assert_eq!(error, expected);
    }
}

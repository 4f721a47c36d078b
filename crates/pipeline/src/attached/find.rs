//! Where a file is now.

use std::fmt;
use std::path::{Path, PathBuf};

use super::{Attached, Purpose};
use crate::lora::ENDINGS;

impl Attached {
    /// The file as it is now: where it was, or in one of `folders` under its name; a LoRA that no
    /// prompt names, also under another.
    ///
    /// # Errors
    /// Where it is not.
    pub fn find(&self, folders: &[PathBuf]) -> Result<PathBuf, Missing> {
        let name = self.file.file_name().unwrap_or_default();
        let same = |path: &Path| match &self.content {
            Some(content) => content.is_of(path),
            None => path.is_file(),
        };
        let mut places = vec![self.file.clone()];
        places.extend(folders.iter().map(|folder| folder.join(name)));
        if let Some(file) = places.iter().find(|place| same(place)) {
            return Ok(file.clone());
        }
        if let (Some(_), Purpose::Lora { named: false, .. }) = (&self.content, self.purpose) {
            let entries = |folder: &PathBuf| folder.read_dir().into_iter().flatten().flatten();
            let mut files = folders.iter().flat_map(entries).map(|entry| entry.path());
            let known = |file: &Path| {
                let end = file.extension().and_then(|end| end.to_str());
                end.is_some_and(|end| ENDINGS.contains(&end))
            };
            if let Some(file) = files.find(|file| known(file) && same(file)) {
                return Ok(file);
            }
        }
        Err(match places.into_iter().find(|place| place.is_file()) {
            Some(other) => Missing::Other(other),
            None => Missing::Nowhere(folders.to_vec()),
        })
    }
}

/// A file that is not where it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// There is one of its name, with something else in it.
    Other(PathBuf),
    /// There is none, nor in these folders.
    Nowhere(Vec<PathBuf>),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(file) => write!(f, "{} is another file now", file.display()),
            Self::Nowhere(folders) => {
                f.write_str("it is not there")?;
                let folders: Vec<_> = folders.iter().map(|f| f.display().to_string()).collect();
                match folders.is_empty() {
                    true => Ok(()),
                    false => write!(f, ", and not in {}", folders.join(" or ")),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lora::LoraSpec;

    #[test]
    fn found_again() {
        let root = tempfile::tempdir().unwrap();
        let [here, there] = ["here", "there"].map(|name| root.path().join(name));
        [&here, &there].iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
        let file = here.join("a.pt");
        std::fs::write(&file, b"first").unwrap();
        let lora = Attached::lora(&LoraSpec::new(&file, 1.0), false);
        let word = Attached::embedding(&file);
        let find = |attached: &Attached| attached.find(std::slice::from_ref(&there));
        assert_eq!(find(&lora), Ok(file.clone()));
        std::fs::rename(&file, there.join("a.pt")).unwrap();
        assert_eq!(find(&word), Ok(there.join("a.pt")));
        std::fs::rename(there.join("a.pt"), there.join("b.bin")).unwrap();
        assert_eq!(find(&lora), Ok(there.join("b.bin")));
        let nowhere = Err(Missing::Nowhere(vec![there.clone()]));
        assert_eq!(find(&word), nowhere, "its name is its word");
        std::fs::write(&file, b"other").unwrap();
        assert_eq!(find(&word), Err(Missing::Other(file.clone())));
        std::fs::remove_file(there.join("b.bin")).unwrap();
        assert_eq!(find(&lora), Err(Missing::Other(file.clone())));
        std::fs::remove_file(&file).unwrap();
        assert_eq!(find(&lora), nowhere);
        let said = format!("it is not there, and not in {}", there.display());
        assert_eq!(find(&lora).unwrap_err().to_string(), said);
    }
}

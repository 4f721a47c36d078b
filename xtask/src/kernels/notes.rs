//! Why a kernel is slower than it might be, in `docs/kernel-notes.tsv`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// A sentence for each kernel, dtype or size that has one.
pub struct Notes(Vec<[String; 4]>);

impl Notes {
    /// Reads a file with a line for each: dtype, kernel, how the sizes begin, the sentence, with
    /// tabs between them. `*` fits any dtype. Lines that begin with `#` are for who reads them.
    ///
    /// # Errors
    /// If there is no such file, or a line has other columns.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let columns = lines.map(|line| {
            let columns: Vec<String> = line.split('\t').map(str::to_owned).collect();
            columns.try_into().ok().with_context(|| format!("not four columns: {line}"))
        });
        Ok(Self(columns.collect::<Result<_>>()?))
    }

    /// The sentence on a kernel: the first that fits.
    pub fn on(&self, dtype: &str, kernel: &str, sizes: &str) -> Option<&str> {
        let fits = |[d, k, s, _]: &&[String; 4]| {
            (d == "*" || d == dtype) && k == kernel && sizes.starts_with(s.as_str())
        };
        self.0.iter().find(fits).map(|[.., sentence]| sentence.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_fits() {
        let notes = Notes::parse("# a\nbf16\tlinear\t1,\tOne row.\n*\tlinear\t\tAll.\n").unwrap();
        assert_eq!(notes.on("bf16", "linear", "1, 2 to 3"), Some("One row."));
        assert_eq!(notes.on("f32", "linear", "1, 2 to 3"), Some("All."));
        assert_eq!(notes.on("f32", "direct", "1, 2 to 3"), None);
        assert!(Notes::parse("bf16\tlinear").is_err());
    }
}

//! Where pictures are written to.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use aquatint_pipeline::PictureFormat;

use crate::failure::Failure;

/// Characters of a prompt in a file name.
const SLUG: usize = 60;

/// Where the pictures of one run go.
#[derive(Debug)]
pub enum Target {
    /// One picture to exactly this file.
    File(PathBuf),
    /// Several to this file's name, numbered from 1.
    Numbered(PathBuf),
    /// To new files in this folder.
    Folder { folder: PathBuf, slug: String, format: PictureFormat },
}

impl Target {
    /// What `-o` means for `count` pictures of this format, or of the one that the name says, after
    /// a look at whether it can be written to.
    pub fn new(
        output: Option<&Path>,
        format: Option<PictureFormat>,
        prompt: &str,
        count: usize,
    ) -> Result<Self, Failure> {
        let output = output.unwrap_or(Path::new("."));
        let is_folder = output.is_dir() || output.as_os_str().to_string_lossy().ends_with('/');
        if is_folder {
            fs::create_dir_all(output).map_err(|error| unwritable(output, &error))?;
            check_folder(output)?;
            let format = format.unwrap_or_default();
            return Ok(Self::Folder { folder: output.into(), slug: slug(prompt), format });
        }
        let named = check_file(output)?;
        if let Some(format) = format.filter(|format| *format != named) {
            let name = output.display();
            return Err(Failure::new(format!(
                "{name} is the name of a {named} file, not of a {format} file: change the name or \
                 leave out --format"
            )));
        }
        Ok(if count == 1 { Self::File(output.into()) } else { Self::Numbered(output.into()) })
    }

    /// The file for picture `index`, counted from 0.
    pub fn path(&self, index: usize, seed: u64) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Numbered(path) => {
                let stem = path.file_stem().unwrap_or_default().to_string_lossy();
                let extension = path.extension().unwrap_or_default().to_string_lossy();
                path.with_file_name(format!("{stem}-{}.{extension}", index + 1))
            }
            Self::Folder { folder, slug, format } => {
                let end = format.extension();
                let mut names = (1..).map(|n| match n {
                    1 => format!("{slug}-{seed}.{end}"),
                    n => format!("{slug}-{seed}-{n}.{end}"),
                });
                let free = names.find(|name| !folder.join(name).exists());
                folder.join(free.expect("numbers do not end"))
            }
        }
    }

    /// Refuses a `preview` that would overwrite one of the pictures with these seeds.
    pub fn check_apart(&self, preview: &Path, seeds: &[u64]) -> Result<(), Failure> {
        let at = real(preview);
        if seeds.iter().enumerate().any(|(i, &seed)| real(&self.path(i, seed)) == at) {
            return Err(Failure::new(format!(
                "{} would be both a picture and its preview: give one of them another name",
                preview.display()
            )));
        }
        Ok(())
    }
}

/// The one path of a file that may not be there yet, in a folder that is.
fn real(path: &Path) -> PathBuf {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let there = |path: &Path| fs::canonicalize(path).ok();
    there(path)
        .or_else(|| Some(there(folder)?.join(path.file_name()?)))
        .unwrap_or_else(|| path.to_owned())
}

/// Of which format the name of a picture is, in a folder that can be written to.
pub fn check_file(path: &Path) -> Result<PictureFormat, Failure> {
    let format = PictureFormat::of_path(path).filter(|_| !path.is_dir()).ok_or_else(|| {
        let name = path.display();
        Failure::new(format!(
            "{name} is neither a folder nor a name that ends in .png, .jpg or .webp"
        ))
    })?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => check_folder(folder)?,
        _ => check_folder(Path::new("."))?,
    }
    Ok(format)
}

/// Whether files can be made in a folder. It is better to know before the work than after.
pub fn check_folder(folder: &Path) -> Result<(), Failure> {
    let probe = folder.join(format!(".aquatint-{}", std::process::id()));
    File::create(&probe)
        .and_then(|_| fs::remove_file(&probe))
        .map_err(|error| unwritable(folder, &error))
}

/// The sentence for a place that refuses a file.
pub fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    let reason = error.to_string();
    let reason = reason.split(" (os error").next().unwrap_or_default().to_lowercase();
    Failure::new(format!("{} cannot be written to: {reason}", path.display()))
}

/// "Noto emoji of a Cat's face!" → "noto-emoji-of-a-cat-s-face".
pub fn slug(prompt: &str) -> String {
    let mut slug = String::new();
    for c in prompt.chars().flat_map(char::to_lowercase) {
        if c.is_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    // File systems count bytes, people characters.
    let mut end = slug.len().min(SLUG);
    while !slug.is_char_boundary(end) {
        end -= 1;
    }
    let slug = slug[..end].trim_end_matches('-');
    if slug.is_empty() { "picture".into() } else { slug.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs() {
        assert_eq!(slug("Noto emoji of a Cat's face!"), "noto-emoji-of-a-cat-s-face");
        assert_eq!(slug("../../etc/passwd"), "etc-passwd");
        assert_eq!(slug("猫 と 犬"), "猫-と-犬");
        assert_eq!(slug("  !? "), "picture");
        assert_eq!(slug(&"猫".repeat(100)).len(), 60);
        assert_eq!(slug(&"ab ".repeat(100)).len(), 59);
    }

    #[test]
    fn nothing_is_overwritten_in_a_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = Target::new(Some(folder.path()), None, "a cat", 2).expect("writable");
        for expected in ["a-cat-7.png", "a-cat-7-2.png", "a-cat-7-3.png"] {
            let path = target.path(0, 7);
            assert_eq!(path, folder.path().join(expected));
            fs::write(path, b"x").expect("writable");
        }
    }

    #[test]
    fn a_file_is_taken_at_its_word() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("out.png");
        let one = Target::new(Some(&file), None, "a cat", 1).expect("writable");
        assert_eq!(one.path(0, 7), file);
        let two = Target::new(Some(&file), None, "a cat", 2).expect("writable");
        assert_eq!(two.path(1, 8), folder.path().join("out-2.png"));
        assert!(Target::new(Some(&folder.path().join("out.gif")), None, "a cat", 1).is_err());
        assert!(Target::new(Some(&folder.path().join("no/out.png")), None, "a cat", 1).is_err());
        let new = format!("{}/new/", folder.path().display());
        Target::new(Some(Path::new(&new)), None, "a cat", 1).expect("a slash asks for a folder");
        assert!(Path::new(&new).is_dir());
    }

    #[test]
    fn formats_have_their_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = |name: &str| folder.path().join(name);
        let webp = Some(PictureFormat::Webp);
        let new = Target::new(Some(folder.path()), webp, "a cat", 1).expect("writable");
        assert_eq!(new.path(0, 7), place("a-cat-7.webp"));
        let two = Target::new(Some(&place("out.JPEG")), None, "a cat", 2).expect("writable");
        assert_eq!(two.path(1, 8), place("out-2.JPEG"));
        Target::new(Some(&place("out.webp")), webp, "a cat", 1).expect("the same");
        assert!(Target::new(Some(&place("out.png")), webp, "a cat", 1).is_err());
    }

    #[test]
    fn a_preview_is_not_written_over_a_picture() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = |name: &str| folder.path().join(name);
        let clash = |output: &str, count: usize, preview: &str| {
            let target = Target::new(Some(&place(output)), None, "a cat", count).expect("writable");
            let seeds: Vec<u64> = (7..).take(count).collect();
            target.check_apart(&place(preview), &seeds).is_err()
        };
        for exists in [false, true] {
            assert!(clash("out.png", 1, "out.png"));
            assert!(clash("out.png", 1, "./out.png"));
            assert!(!clash("out.png", 1, "steps.png"));
            assert!(clash("out.png", 2, "out-2.png"));
            assert!(!clash("out.png", 2, "out-3.png"));
            if !exists {
                fs::write(place("out.png"), b"x").expect("writable");
            }
        }
        assert!(clash("", 2, "a-cat-8.png"));
        assert!(!clash("", 2, "a-cat-9.png"));
    }
}

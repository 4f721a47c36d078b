//! Where enlarged pictures are written to.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use aquatint_pipeline::PictureFormat;

use crate::args::UpscaleArgs;
use crate::failure::Failure;
use crate::names::{check_folder, unwritable};

/// Where the pictures of one run go.
pub struct Places {
    at: At,
    format: PictureFormat,
    taken: BTreeSet<PathBuf>,
}

enum At {
    /// One picture to exactly this file.
    File(PathBuf),
    /// To new files in this folder.
    Folder(PathBuf),
}

impl Places {
    /// What `-o` means, after a look at whether it can be written to.
    pub fn new(args: &UpscaleArgs) -> Result<Self, Failure> {
        let output = args.output.as_deref().unwrap_or(Path::new("."));
        let is_folder = output.is_dir() || output.as_os_str().to_string_lossy().ends_with('/');
        let at = if is_folder {
            fs::create_dir_all(output).map_err(|error| unwritable(output, &error))?;
            check_folder(output)?;
            At::Folder(output.into())
        } else {
            let name = output.display();
            if PictureFormat::of_path(output).is_none() {
                return Err(Failure::new(format!(
                    "{name} is neither a folder nor a name that ends in .png, .jpg or .webp"
                )));
            }
            if args.images.len() > 1 {
                return Err(Failure::new(format!(
                    "{name} is one file for {} pictures: give a folder, or a name ending in /",
                    args.images.len()
                )));
            }
            let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
            check_folder(folder.unwrap_or(Path::new(".")))?;
            At::File(output.into())
        };
        Ok(Self { at, format: args.format, taken: BTreeSet::new() })
    }

    /// The file for what becomes of `image`. In a folder it is a new one.
    pub fn of(&mut self, image: &Path, scale: usize) -> PathBuf {
        let folder = match &self.at {
            At::File(path) => return path.clone(),
            At::Folder(folder) => folder,
        };
        let stem = image.file_stem().unwrap_or_default().to_string_lossy();
        let ending = self.format.extension();
        let names = (1..).map(|n| match n {
            1 => folder.join(format!("{stem}-x{scale}.{ending}")),
            n => folder.join(format!("{stem}-x{scale}-{n}.{ending}")),
        });
        let mut free = names.filter(|path| !path.exists() && !self.taken.contains(path));
        let path = free.next().expect("numbers do not end");
        self.taken.insert(path.clone());
        path
    }

    /// What to write into a file of this name.
    pub fn format(&self, path: &Path) -> PictureFormat {
        PictureFormat::of_path(path).unwrap_or(self.format)
    }
}

//! The few pictures of a fine-tuning: data like any other, or just pictures in a folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::metadata::{Line, parts};
use super::place::Place;
use super::{DataConfig, Dataset, Sample, source};
use crate::error::TrainError;
use crate::monitor::Monitor;
use crate::ranks::Ranks;

impl Dataset {
    /// The pictures of any source with their captions, or, in a folder that is none, of all pictures
    /// in it, where the caption of `a.png` is in `a.txt`. `prompt` is the caption of all, if there is
    /// one. Where nobody said which pictures are not to be trained on, all are: there are few.
    ///
    /// # Errors
    /// If there are none, too many cannot be read, or one has no caption.
    pub fn open_few(
        config: &DataConfig,
        prompt: Option<&str>,
        monitor: &mut dyn Monitor,
        ranks: &dyn Ranks,
    ) -> Result<Self, TrainError> {
        let folder = &config.folder;
        let mut samples = match source::samples(folder) {
            Ok(samples) => samples,
            Err(_) if folder.is_dir() && !source::is_described(folder) => {
                plain(folder, prompt.is_some())?
            }
            Err(error) => return Err(error),
        };
        let held_out =
            samples.iter().any(|sample| sample.line.split.as_deref() == Some("validation"));
        for Sample { line, .. } in &mut samples {
            if let Some(prompt) = prompt {
                prompt.clone_into(&mut line.text);
            }
        }
        let (validation, mut train) = parts(samples);
        if held_out {
            return Self::of(validation, train, config, monitor, ranks);
        }
        train.extend(validation);
        Self::of(Vec::new(), train, config, monitor, ranks)
    }
}

/// The pictures in a folder, in the order of their names.
///
/// # Errors
/// If the folder cannot be read.
pub fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>, TrainError> {
    let mut files = source::listed(folder)?;
    files.retain(|path| ["png", "jpg", "jpeg", "webp"].contains(&source::extension(path).as_str()));
    Ok(files)
}

fn plain(folder: &Path, prompted: bool) -> Result<Vec<Sample>, TrainError> {
    let files = pictures_in(folder)?;
    if files.is_empty() {
        let folder = folder.display();
        return Err(TrainError::Data(format!(
            "{folder}: there is no PNG, JPEG or WebP picture in it"
        )));
    }
    let sample = |file: PathBuf| {
        let text = match fs::read_to_string(file.with_extension("txt")) {
            Ok(text) => text.trim().to_owned(),
            Err(_) if prompted => String::new(),
            Err(_) => {
                return Err(TrainError::Data(format!(
                    "{} has no caption: put one into a file of its name that ends in .txt, or \
                     give all the same with `task.prompt`",
                    file.display()
                )));
            }
        };
        let file_name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Sample { line: Line { file_name, text, ..Line::default() }, place: Place::File(file) })
    };
    files.into_iter().map(sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranks::Alone;
    use crate::testing::Silent;

    #[test]
    fn captions_beside_pictures_or_one_for_all() {
        let folder = tempfile::tempdir().unwrap();
        let config = DataConfig::new(folder.path(), 8);
        let error = |prompt| {
            Dataset::open_few(&config, prompt, &mut Silent, &Alone).unwrap_err().to_string()
        };
        assert!(error(None).ends_with("there is no PNG, JPEG or WebP picture in it"));
        for name in ["b.png", "a.PNG"] {
            let picture = image::RgbaImage::from_pixel(8, 8, image::Rgba([10, 20, 30, 255]));
            picture.save_with_format(folder.path().join(name), image::ImageFormat::Png).unwrap();
        }
        fs::write(folder.path().join("a.txt"), "a thing\n").unwrap();
        assert!(error(None).contains("b.png has no caption"));
        let texts = |prompt| -> Vec<String> {
            let data = Dataset::open_few(&config, prompt, &mut Silent, &Alone).unwrap();
            data.train.into_iter().map(|drawing| drawing.text).collect()
        };
        assert_eq!(texts(Some("x")), ["x", "x"]);
        fs::write(folder.path().join("b.txt"), "b").unwrap();
        assert_eq!(texts(None), ["a thing", "b"]);
        let lines = "{\"file_name\":\"b.png\",\"text\":\"from the list\"}";
        fs::write(folder.path().join("metadata.jsonl"), lines).unwrap();
        assert_eq!(texts(None), ["from the list"]);
    }
}

//! What is written of a journey: each picture, a sheet, a moving picture.

use std::fs;
use std::path::{Path, PathBuf};

use aquatint_checkpoint::atomic;
use aquatint_pipeline::gif::Animation;
use aquatint_pipeline::request::{PictureSeed, Plan};
use aquatint_pipeline::{
    Finished, GenerateRequest, Picture, PictureFormat, contact_sheet, square_columns,
};
use serde_json::{Value, json};

use crate::args::TravelArgs;
use crate::failure::Failure;
use crate::generate::{Origin, check_room, shown, write};
use crate::names::{check_file, check_folder, slug, unwritable};
use crate::stop;

/// The longest side of a sheet, in pixels: what a WebP file may have.
const LONGEST: usize = 16383;

/// The places, and what was made for them so far.
pub struct Keep<'a> {
    args: &'a TravelArgs,
    origin: &'a Origin,
    size: (usize, usize),
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
    sheets: Vec<PathBuf>,
    /// For the sheets.
    pictures: Vec<Picture>,
    gifs: Vec<PathBuf>,
    animation: Option<Animation>,
    /// The request of the first picture.
    first: GenerateRequest,
    /// Digits in names of files.
    digits: usize,
    count: usize,
}

fn is_gif(path: &Path) -> bool {
    path.extension().is_some_and(|end| end.eq_ignore_ascii_case("gif")) && !path.is_dir()
}

fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().to_string_lossy().ends_with('/')
}

impl<'a> Keep<'a> {
    /// Looks at the places before there is a model.
    pub fn check(args: &TravelArgs) -> Result<(), Failure> {
        for place in &args.output {
            if is_folder(place) {
                continue;
            }
            if is_gif(place) {
                let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty());
                check_folder(folder.unwrap_or(Path::new(".")))?;
            } else if PictureFormat::of_path(place).is_none() {
                return Err(Failure::new(format!(
                    "{} is neither a folder nor a name that ends in .gif, .png, .jpg or .webp",
                    place.display()
                )));
            } else {
                check_file(place)?;
            }
        }
        Ok(())
    }

    /// For so many pictures of one plan.
    pub fn new(
        args: &'a TravelArgs,
        request: &GenerateRequest,
        plan: &Plan,
        origin: &'a Origin,
        frames: usize,
    ) -> Result<Self, Failure> {
        let (mut folders, mut sheets, mut gifs) = (Vec::new(), Vec::new(), Vec::new());
        for place in &args.output {
            match () {
                () if is_folder(place) => folders.push(place.clone()),
                () if is_gif(place) => gifs.push(place.clone()),
                () => sheets.push(place.clone()),
            }
        }
        if args.output.is_empty() {
            check_folder(Path::new("."))?;
            gifs.push(unused(&slug(shown(request)), request.seed));
        }
        let digits = frames.to_string().len().max(4);
        let format = args.written.format.unwrap_or_default();
        for folder in &folders {
            fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
            check_folder(folder)?;
            let first = folder.join(format!("{:0digits$}.{}", 1, format.extension()));
            if first.exists() {
                return Err(Failure::new(format!(
                    "{} is there already: give a folder without another journey",
                    first.display()
                )));
            }
        }
        let columns = square_columns(frames);
        let (across, down) = (columns * plan.size.0, frames.div_ceil(columns) * plan.size.1);
        if !sheets.is_empty() && across.max(down) > LONGEST {
            return Err(Failure::new(format!(
                "a sheet of {frames} pictures would have {across}x{down} pixels, and may have \
                 {LONGEST} on a side: write a .gif, or to a folder"
            )));
        }
        let animation = match gifs.is_empty() {
            true => None,
            // Hundredths of a second.
            false => Some(
                Animation::new(plan.size, (100 + args.fps / 2) / args.fps).map_err(Failure::new)?,
            ),
        };
        let keep = Self {
            args,
            origin,
            size: plan.base,
            folders,
            files: Vec::new(),
            sheets,
            pictures: Vec::new(),
            gifs,
            animation,
            first: request.clone(),
            digits,
            count: 0,
        };
        let sheet = keep.sheet_texts();
        keep.sheets.iter().try_for_each(|path| check_room(path, &sheet))?;
        Ok(keep)
    }

    /// The next picture, which was made by this request.
    pub fn add(&mut self, frame: &GenerateRequest, finished: &Finished<'_>) -> Result<(), Failure> {
        if stop::requested() {
            return Err(Failure::interrupted());
        }
        self.count += 1;
        let (picture, digits) = (finished.picture, self.digits);
        let texts = self.origin.texts(frame, finished.seed, self.size);
        let format = self.args.written.format.unwrap_or_default();
        for folder in &self.folders {
            let path = folder.join(format!("{:0digits$}.{}", self.count, format.extension()));
            write(&path, picture, &texts, self.args.written.quality)?;
            self.files.push(path);
        }
        if !self.sheets.is_empty() {
            self.pictures.push(picture.clone());
        }
        if let Some(animation) = &mut self.animation {
            animation.push(picture).map_err(Failure::new)?;
        }
        Ok(())
    }

    /// Writes what is of all pictures, and answers all files.
    pub fn finish(mut self) -> Result<Vec<PathBuf>, Failure> {
        if !self.sheets.is_empty() {
            let sheet = contact_sheet(&self.pictures, square_columns(self.count));
            let texts = self.sheet_texts();
            for path in &self.sheets {
                write(path, &sheet, &texts, self.args.written.quality)?;
            }
        }
        if let Some(animation) = self.animation {
            let bytes = animation.finish().map_err(Failure::new)?;
            for path in &self.gifs {
                stop::whole(|| atomic::write_file(path, &bytes))
                    .map_err(|error| unwritable(path, &error))?;
            }
        }
        self.files.append(&mut self.sheets);
        self.files.append(&mut self.gifs);
        Ok(self.files)
    }

    /// What a sheet says: how its first picture was made, and where it went from there.
    fn sheet_texts(&self) -> std::collections::BTreeMap<&'static str, String> {
        let seed = PictureSeed { seed: self.first.seed, subseed: self.first.subseed };
        let mut texts = self.origin.texts(&self.first, seed, self.size);
        let TravelArgs { to, to_seed, frames, closed, .. } = self.args;
        if let Some(own) = texts.get_mut("aquatint")
            && let Ok(Value::Object(mut told)) = serde_json::from_str(own)
        {
            let travel =
                json!({ "prompts": to, "seeds": to_seed, "frames": frames, "closed": closed });
            told.insert("travel".into(), travel);
            *own = Value::Object(told).to_string();
        }
        texts
    }
}

/// A name in the current folder that is still free.
fn unused(slug: &str, seed: u64) -> PathBuf {
    let names = (1..).map(|n| match n {
        1 => format!("{slug}-{seed}.gif"),
        n => format!("{slug}-{seed}-{n}.gif"),
    });
    names.map(PathBuf::from).find(|name| !name.exists()).unwrap_or_else(|| "travel.gif".into())
}

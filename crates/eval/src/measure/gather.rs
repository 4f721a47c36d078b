//! From a set of pictures, or from a file about one, to what is compared.

use std::path::{Path, PathBuf};

use aquatint_checkpoint::LoadError;
use aquatint_checkpoint::npz::Npz;
use aquatint_pipeline::{Picture, resize};

use super::{MOST_KEPT, Options};
use crate::report::{SetReport, Sheet};
use crate::{EvalError, Features, Moments, Pictures, Reading, Skipped, Statistics, Watch};

/// What is measured.
pub enum Input {
    /// Pictures.
    Pictures(Pictures),
    /// Statistics of some, in an `.npz` file.
    Statistics(PathBuf, Npz),
}

impl Input {
    /// A folder of pictures, a tar archive of some or a folder of such, or an `.npz` file.
    ///
    /// # Errors
    /// If it is none of these.
    pub fn open(path: &Path) -> Result<Self, EvalError> {
        if path.is_file() && path.extension().is_some_and(|end| end.eq_ignore_ascii_case("npz")) {
            return Ok(Self::Statistics(path.into(), Npz::open(path)?));
        }
        Ok(Self::Pictures(Pictures::open(path)?))
    }

    /// The pictures.
    ///
    /// # Errors
    /// A sentence about `what` needs them, if these are statistics.
    pub fn pictures(&self, what: &str) -> Result<&Pictures, EvalError> {
        match self {
            Self::Pictures(pictures) => Ok(pictures),
            Self::Statistics(path, _) => Err(EvalError::Pictures(format!(
                "{}: {what} needs the pictures themselves, not statistics: give the folder",
                path.display()
            ))),
        }
    }
}

/// What is wanted of a set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Mean and covariance, in memory that does not depend on the number of pictures.
    Statistics,
    /// The features of every picture.
    Features,
    /// The answers of a classifier.
    Logits,
}

/// What was found out about a set.
pub(super) struct Gathered {
    pub statistics: Option<Statistics>,
    /// `[N, dims]`, if they are wanted.
    pub features: Vec<f32>,
    /// `[N, classes]`, if they are wanted.
    pub logits: Vec<f32>,
    /// Numbers of a picture.
    pub dims: usize,
    /// What the pictures are called, if their features are wanted.
    pub names: Vec<String>,
    pub set: SetReport,
    pub sheet: Sheet,
    pub note: Option<String>,
}

impl Gathered {
    /// Pictures whose features are there.
    pub fn count(&self) -> usize {
        self.features.len() / self.dims.max(1)
    }
}

/// Pictures on a sample sheet, their longest side, and how many are in a row.
const SAMPLES: usize = 40;
pub(super) const SAMPLE_SIDE: usize = 128;
const COLUMNS: usize = 8;

/// Looks at the pictures of `input` with `network`. `name` is what the set is called: "A".
pub(super) fn gather(
    input: &Input,
    network: Option<&dyn Features>,
    wanted: Wanted,
    name: &str,
    options: &Options,
    watch: &mut dyn Watch,
) -> Result<Gathered, EvalError> {
    let pictures = match input {
        Input::Pictures(pictures) => pictures,
        Input::Statistics(path, npz) => return read(path, npz, wanted, name),
    };
    let network = network.ok_or_else(no_network)?;
    let dims = network.dims();
    let kept = wanted != Wanted::Statistics;
    let most = options.reading.most.or(kept.then_some(MOST_KEPT));
    let reading = Reading { most, ..options.reading };
    let mut moments = (wanted != Wanted::Logits).then(|| Moments::new(dims));
    let (mut features, mut logits) = (Vec::new(), Vec::new());
    let (mut names, mut samples, mut seen) = (Vec::new(), Samples::of(pictures, most), 0);
    let skipped = pictures.for_each_batch(reading, name, watch, &mut |batch| {
        let (labels, batch): (Vec<String>, Vec<Picture>) =
            batch.into_iter().map(|named| (named.name, named.picture)).unzip();
        let looked = network.look(&batch);
        seen += batch.len();
        samples.add(&batch);
        if let Some(moments) = &mut moments {
            moments.add(&looked.features);
        }
        match wanted {
            Wanted::Statistics => {}
            Wanted::Features => {
                features.extend(looked.features);
                names.extend(labels);
            }
            Wanted::Logits => logits.extend(looked.logits.ok_or_else(|| {
                let name = network.name();
                EvalError::Pictures(format!("{name} is no classifier: give Inception's weights"))
            })?),
        }
        Ok(())
    })?;
    let reached = kept && options.reading.most.is_none() && seen + skipped.count == MOST_KEPT;
    Ok(Gathered {
        statistics: moments.map(Moments::finish),
        features,
        logits,
        dims,
        names,
        set: SetReport { path: shown(pictures.path()), pictures: Some(seen), skipped },
        sheet: samples.sheet(name),
        note: reached.then(|| {
            format!(
                "{name}: features are kept in memory for this, so {MOST_KEPT} pictures were looked \
                 at; --max takes another number"
            )
        }),
    })
}

/// The sentence for whoever gave pictures and nothing to look at them with.
fn no_network() -> EvalError {
    EvalError::Pictures(
        "pictures are compared by what a network says of them: give its weights with --features, \
         such as pt_inception-2015-12-05-6726825d.pth of pytorch-fid"
            .into(),
    )
}

fn read(path: &Path, npz: &Npz, wanted: Wanted, name: &str) -> Result<Gathered, EvalError> {
    let file = shown(path);
    let (mut features, mut statistics) = (Vec::new(), None);
    let dims = match wanted {
        Wanted::Statistics => {
            let found = Statistics::read(npz, path)?;
            statistics.insert(found).mean.len()
        }
        Wanted::Features => {
            let array = npz.array("features")?;
            let &[_, width] = &array.shape[..] else {
                let reason = format!("its `features` are {:?}, not [pictures, n]", array.shape);
                return Err(LoadError::Unusable { file, reason }.into());
            };
            features = array.values.iter().map(|&x| x as f32).collect();
            width
        }
        Wanted::Logits => {
            let reason = "the Inception score needs pictures, not statistics".into();
            return Err(LoadError::Unusable { file, reason }.into());
        }
    };
    if dims == 0 {
        return Err(LoadError::Unusable { file, reason: "it has no features".into() }.into());
    }
    let count = (wanted == Wanted::Features).then(|| features.len() / dims);
    Ok(Gathered {
        statistics,
        features,
        logits: Vec::new(),
        dims,
        names: Vec::new(),
        set: SetReport { path: file, pictures: count, skipped: Skipped::default() },
        sheet: Sheet { title: name.into(), columns: COLUMNS, pictures: Vec::new() },
        note: None,
    })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Some pictures of a set, small.
struct Samples {
    /// One in so many.
    step: usize,
    seen: usize,
    pictures: Vec<Picture>,
}

impl Samples {
    fn of(pictures: &Pictures, most: Option<usize>) -> Self {
        let count = pictures.count().unwrap_or(0).min(most.unwrap_or(usize::MAX));
        Self { step: count.div_ceil(SAMPLES).max(1), seen: 0, pictures: Vec::new() }
    }

    fn add(&mut self, batch: &[Picture]) {
        for picture in batch {
            if self.seen.is_multiple_of(self.step) && self.pictures.len() < SAMPLES {
                self.pictures.push(small(picture));
            }
            self.seen += 1;
        }
    }

    fn sheet(self, name: &str) -> Sheet {
        Sheet { title: format!("Pictures of {name}"), columns: COLUMNS, pictures: self.pictures }
    }
}

/// A picture no larger than [`SAMPLE_SIDE`].
pub(super) fn small(picture: &Picture) -> Picture {
    let longest = picture.width.max(picture.height);
    if longest <= SAMPLE_SIDE {
        return picture.clone();
    }
    let side = |len: usize| (len * SAMPLE_SIDE / longest).max(1);
    resize(picture, side(picture.width), side(picture.height))
}

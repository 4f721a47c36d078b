//! The start of a run: every picture is looked at once, by one process, and those that cannot be
//! read are left out.

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::among::{Found, exchange, share};
use super::metadata::{Line, held_out, parts};
use super::place::Cursor;
use super::store::{Store, bytes_of};
use super::unreadable::{NAMED, Unreadable};
use super::{DataConfig, Dataset, Drawing, Sample, buckets, source};
use crate::decode::Whole;
use crate::error::TrainError;
use crate::monitor::Monitor;
use crate::ranks::{Alone, Ranks};

/// Pictures that are read between two reports of progress.
const AT_ONCE: usize = 512;
/// Pictures that one thread reads one after the other.
const TOGETHER: usize = 32;

impl Dataset {
    /// Reads the parts `train` and `validation`.
    ///
    /// # Errors
    /// If there is no data, or too much of it cannot be read.
    pub fn open(config: &DataConfig, monitor: &mut dyn Monitor) -> Result<Self, TrainError> {
        Self::open_among(config, monitor, &Alone)
    }

    /// Reads the pictures of all parts that are not trained on: what a trained model may be
    /// measured by. Those that cannot be read are left out.
    ///
    /// # Errors
    /// If there is no data, or none of it is held out.
    pub fn held_out(
        config: &DataConfig,
        monitor: &mut dyn Monitor,
    ) -> Result<Vec<Drawing>, TrainError> {
        let samples = held_out(source::samples(&config.folder)?);
        let (shapes, total) = (buckets::shapes(config), samples.len());
        let mut looking = Looking { shapes: &shapes, monitor, done: 0, total, left: usize::MAX };
        let looked = looking.at(&samples, 0..total);
        let readable = looked.of(samples);
        let drawings: Vec<Drawing> = readable
            .map(|(sample, found, pixels)| drawing(sample.line, found.bucket.into(), pixels))
            .collect();
        if drawings.is_empty() {
            return Err(TrainError::Data(format!(
                "{}: no picture is held out; give some a `split` other than \"train\"",
                config.folder.display()
            )));
        }
        Ok(drawings)
    }

    /// [`Dataset::open`] by processes that share the work. Held-out pictures are for the first.
    ///
    /// # Errors
    /// As above, the same for all processes.
    pub fn open_among(
        config: &DataConfig,
        monitor: &mut dyn Monitor,
        ranks: &dyn Ranks,
    ) -> Result<Self, TrainError> {
        let (validation, train) = parts(source::samples(&config.folder)?);
        Self::of(validation, train, config, monitor, ranks)
    }

    /// The pictures of these samples.
    pub(super) fn of(
        validation: Vec<Sample>,
        train: Vec<Sample>,
        config: &DataConfig,
        monitor: &mut dyn Monitor,
        ranks: &dyn Ranks,
    ) -> Result<Self, TrainError> {
        if train.is_empty() {
            return Err(TrainError::Data(format!(
                "{}: no picture is in the part \"train\"",
                config.folder.display()
            )));
        }
        let shapes = buckets::shapes(config);
        let most_bytes = (config.memory_gb * 1e9) as usize;
        let mut looking = Looking { shapes: &shapes, monitor, done: 0, total: 0, left: most_bytes };
        let shown = if ranks.rank() == 0 { 0..validation.len() } else { 0..0 };
        let mine = share(train.len(), ranks);
        looking.total = mine.len() + shown.len();
        let mut of_train = looking.at(&train, mine);
        looking.left = usize::MAX;
        let mut of_validation = looking.at(&validation, shown);
        exchange(&mut of_train.found, ranks);
        exchange(&mut of_validation.found, ranks);

        let unreadable = unreadable([(&train, &of_train), (&validation, &of_validation)], &shapes);
        unreadable.check(config.most_unreadable, &config.folder)?;
        if unreadable.count > 0 {
            monitor.note(&unreadable.sentence());
        }
        let (mut places, mut sums) = (Vec::with_capacity(train.len()), Vec::new());
        let train: Vec<Drawing> = of_train
            .of(train)
            .map(|(sample, found, pixels)| {
                places.push(sample.place);
                sums.push(found.sum);
                drawing(sample.line, found.bucket.into(), pixels)
            })
            .collect();
        let validation = of_validation.of(validation);
        let mut validation: Vec<Drawing> = validation
            .map(|(sample, found, pixels)| drawing(sample.line, found.bucket.into(), pixels))
            .collect();
        // Those of one size one after the other.
        validation.sort_by_key(|drawing| drawing.bucket);
        if train.is_empty() {
            return Err(TrainError::Data(format!(
                "{}: no picture of the part \"train\" can be read: {}",
                config.folder.display(),
                unreadable.sentence()
            )));
        }
        let kept = train.iter().map(|drawing| drawing.pixels.len()).sum();
        let store = Store { places, sums, most_bytes, kept, passing: Vec::new() };
        Ok(Self { size: config.size, train, validation, shapes, unreadable, store })
    }
}

fn drawing(line: Line, bucket: usize, pixels: Vec<u8>) -> Drawing {
    let Line { file_name, text, style_word, label, tags, others, .. } = line;
    Drawing { file_name, text, style_word, label, tags, others, bucket, pixels }
}

/// What was found of pictures, some of them by others, and the pixels that are kept.
struct Looked {
    found: Vec<Found>,
    pixels: Vec<Vec<u8>>,
    /// By their index.
    reasons: BTreeMap<usize, String>,
}

impl Looked {
    /// The pictures that can be read.
    fn of(self, samples: Vec<Sample>) -> impl Iterator<Item = (Sample, Found, Vec<u8>)> {
        let all = samples.into_iter().zip(self.found).zip(self.pixels);
        let all = all.map(|((sample, found), pixels)| (sample, found, pixels));
        all.filter(|(_, found, _)| found.readable)
    }
}

struct Looking<'a> {
    shapes: &'a [[usize; 2]],
    monitor: &'a mut dyn Monitor,
    done: usize,
    total: usize,
    /// Bytes of pixels that may still be kept.
    left: usize,
}

impl Looking<'_> {
    fn at(&mut self, samples: &[Sample], mine: Range<usize>) -> Looked {
        let mut looked = Looked {
            found: vec![Found::default(); samples.len()],
            pixels: vec![Vec::new(); samples.len()],
            reasons: BTreeMap::new(),
        };
        for first in mine.clone().step_by(AT_ONCE) {
            let some = first..(first + AT_ONCE).min(mine.end);
            let shapes = self.shapes;
            let read: Vec<_> = samples[some.clone()]
                .par_chunks(TOGETHER)
                .flat_map_iter(|some| {
                    let mut cursor = Cursor::default();
                    some.iter().map(move |sample| look(sample, shapes, &mut cursor))
                })
                .collect();
            for (i, read) in some.clone().zip(read) {
                match read {
                    Ok((found, pixels)) => {
                        looked.found[i] = found;
                        if pixels.len() <= self.left {
                            self.left -= pixels.len();
                            looked.pixels[i] = pixels;
                        }
                    }
                    Err(reason) => {
                        looked.reasons.insert(i, reason);
                    }
                }
            }
            self.done += some.len();
            self.monitor.preparing("pictures", self.done, self.total);
        }
        looked
    }
}

/// Decodes a picture.
fn look(
    sample: &Sample,
    shapes: &[[usize; 2]],
    cursor: &mut Cursor,
) -> Result<(Found, Vec<u8>), String> {
    let whole = Whole::decode(&sample.place.read(cursor)?)?;
    let bucket = buckets::nearest(shapes, whole.size);
    let pixels = whole.fitted(shapes[bucket]);
    debug_assert_eq!(pixels.len(), bytes_of(shapes[bucket]));
    let Line { file_name, text, style_word, label, tags, .. } = &sample.line;
    let mut sum = Sha256::new();
    // As JSON, so that it is clear where a text ends and whether there is one.
    let texts = serde_json::to_vec(&(file_name, text, style_word, label, tags));
    sum.update(texts.expect("texts are plain data"));
    sum.update(&pixels);
    let bucket = bucket as u16;
    Ok((Found { readable: true, bucket, sum: sum.finalize().into() }, pixels))
}

/// Those that nobody could read. Only who tried knows why, so the first are tried once more.
fn unreadable(all: [(&Vec<Sample>, &Looked); 2], shapes: &[[usize; 2]]) -> Unreadable {
    let mut unreadable = Unreadable::default();
    for (samples, looked) in all {
        unreadable.of += samples.len();
        for (i, sample) in samples.iter().enumerate().filter(|(i, _)| !looked.found[*i].readable) {
            unreadable.count += 1;
            if unreadable.first.len() < NAMED {
                let known = looked.reasons.get(&i).cloned();
                let reason = known
                    .or_else(|| look(sample, shapes, &mut Cursor::default()).err())
                    .unwrap_or_default();
                let reason = reason.lines().collect::<Vec<_>>().join(" ");
                unreadable.first.push(format!("{}: {reason}", sample.line.file_name));
            }
        }
    }
    unreadable
}

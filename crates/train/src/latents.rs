//! Every training picture as the autoencoder sees it, on a few backgrounds, in a file.
//!
//! The autoencoder is frozen while the U-Net trains, so encoding a picture again for each step
//! would be the same work over and over.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use aquatint_checkpoint::{DType, Weights, save};
use aquatint_nn::fnv1a;
use aquatint_pipeline::Autoencoder;
use aquatint_tensor::{Rng, Tensor};

use crate::colours::{COLOURS, WHITE};
use crate::data::{Dataset, Drawing, share};
use crate::error::TrainError;
use crate::monitor::Monitor;
use crate::pictures::{View, whole_batch};
use crate::ranks::Ranks;
use crate::sums;

/// Pictures that pass through the encoder at once, and their pixels at most.
const AT_ONCE: usize = 16;
const PIXELS: usize = AT_ONCE * 128 * 128;

/// Latents of pictures, times the scaling factor, so that their variance is about 1.
pub struct Latents {
    /// For each size of pictures a row for each background of each: `[pictures · variants, h · w · C]`.
    rows: Vec<Option<Tensor>>,
    /// h, w, C of each size.
    shapes: Vec<[usize; 3]>,
    /// Of each picture the size, and the place among those of its size.
    places: Vec<(usize, usize)>,
    variants: usize,
    /// What they were made of: another key, other latents.
    pub key: String,
}

impl Latents {
    /// The latents of all training pictures on `variants` backgrounds each: from the file at
    /// `path` if it was written for these pictures and this autoencoder, otherwise computed and
    /// written there. Of several processes each computes its share.
    pub fn open(
        path: &Path,
        data: &Dataset,
        variants: usize,
        vae: &Autoencoder<'_>,
        monitor: &mut dyn Monitor,
        ranks: &dyn Ranks,
    ) -> Result<Self, TrainError> {
        let key = key(data, variants, vae);
        let of_size = by_size(data);
        let there = Weights::open(path).is_ok_and(|weights| weights.metadata("key") == Some(&key));
        // All must agree about it, since all take part.
        let mut missing = [f64::from(u8::from(!there))];
        ranks.sum(&mut missing);
        if missing[0] > 0.0 {
            let work = Work { data, of_size: &of_size, variants, vae };
            let metadata = BTreeMap::from([("key".to_owned(), key.clone())]);
            let write = |path: &Path, rows: Vec<(usize, Vec<f32>)>| {
                save(path, &work.tensors(rows), DType::F16, &metadata).map_err(TrainError::io(path))
            };
            let mine = work.encode(share(work.batches().len(), ranks), monitor)?;
            if ranks.count() == 1 {
                write(path, mine)?;
            } else {
                let part = |rank: usize| -> PathBuf {
                    path.with_extension(format!("part-{rank}.safetensors"))
                };
                write(&part(ranks.rank()), mine)?;
                ranks.sum(&mut []);
                if ranks.rank() == 0 {
                    let parts: Vec<PathBuf> = (0..ranks.count()).map(part).collect();
                    write(path, work.joined(&parts)?)?;
                    for part in &parts {
                        fs::remove_file(part).map_err(TrainError::io(part))?;
                    }
                }
                ranks.sum(&mut []);
            }
        }
        // Read back even if just written: the file holds half precision, and every start of a run
        // must see the same numbers.
        let weights = Weights::open(path).map_err(TrainError::checkpoint(path))?;
        let shapes: Vec<[usize; 3]> = data.shapes.iter().map(|&s| shape(s, vae)).collect();
        let read = |size: usize| match of_size[size].is_empty() {
            true => Ok(None),
            false => weights.get(&name(data, size)).map(Some),
        };
        let rows: Result<Vec<_>, _> = (0..shapes.len()).map(read).collect();
        let rows = rows.map_err(TrainError::checkpoint(path))?;
        let mut places = vec![(0, 0); data.train.len()];
        for (size, pictures) in of_size.iter().enumerate() {
            pictures.iter().enumerate().for_each(|(place, &i)| places[i] = (size, place));
        }
        Ok(Self { rows, shapes, places, variants, key })
    }

    /// The latents of picture `i` on its background number `variant`, for each of the pairs:
    /// `[N, h, w, C]`.
    ///
    /// # Panics
    /// If the pictures are not of one size.
    #[track_caller]
    pub fn batch(&self, chosen: &[(usize, usize)]) -> Tensor {
        let (size, _) = self.places[chosen[0].0];
        let row = |&(i, variant): &(usize, usize)| {
            let (of, place) = self.places[i];
            assert_eq!(of, size, "pictures of two sizes in one batch");
            place * self.variants + variant
        };
        let rows: Vec<usize> = chosen.iter().map(row).collect();
        let [h, w, c] = self.shapes[size];
        let latents = self.rows[size].as_ref().expect("there are pictures of this size");
        latents.select_rows(&rows).reshape(&[chosen.len(), h, w, c])
    }
}

/// The training pictures of each size.
fn by_size(data: &Dataset) -> Vec<Vec<usize>> {
    let mut of_size = vec![Vec::new(); data.shapes.len()];
    data.train.iter().enumerate().for_each(|(i, drawing)| of_size[drawing.bucket].push(i));
    of_size
}

/// What the latents of a size are called in the file.
fn name(data: &Dataset, size: usize) -> String {
    let [height, width] = data.shapes[size];
    if data.shapes.len() == 1 { "latents".into() } else { format!("latents.{height}x{width}") }
}

/// The backgrounds of a drawing, as indices in [`COLOURS`]: white, then others in an order that
/// its name decides.
pub fn backgrounds(drawing: &Drawing, variants: usize) -> Vec<usize> {
    let mut others: Vec<usize> = (0..COLOURS.len()).filter(|&colour| colour != WHITE).collect();
    Rng::new(fnv1a(drawing.file_name.bytes())).shuffle(&mut others);
    let mut colours = vec![WHITE];
    colours.extend(others.into_iter().take(variants - 1));
    colours
}

/// The latents of these views of pictures of one size, [height, width], as the network sees them:
/// `[N, h, w, C]`.
pub fn encode_views(views: &[View<'_>], shape: [usize; 2], vae: &Autoencoder<'_>) -> Tensor {
    vae.mode(&whole_batch(views, shape))
}

fn shape([height, width]: [usize; 2], vae: &Autoencoder<'_>) -> [usize; 3] {
    let factor = vae.downsampling_factor();
    [height / factor, width / factor, vae.config().latent_channels()]
}

/// What there is to encode.
struct Work<'a> {
    data: &'a Dataset,
    of_size: &'a [Vec<usize>],
    variants: usize,
    vae: &'a Autoencoder<'a>,
}

impl Work<'_> {
    /// What passes through the encoder at once, the same however many processes there are: a size,
    /// and rows of its latents.
    fn batches(&self) -> Vec<(usize, Range<usize>)> {
        let of = |(size, pictures): (usize, &Vec<usize>)| {
            let rows = pictures.len() * self.variants;
            let [height, width] = self.data.shapes[size];
            let some = (PIXELS / (height * width)).clamp(1, AT_ONCE);
            (0..rows).step_by(some).map(move |row| (size, row..(row + some).min(rows)))
        };
        self.of_size.iter().enumerate().flat_map(of).collect()
    }

    /// The latents of some of the batches, for each size one row after the other.
    fn encode(
        &self,
        batches: Range<usize>,
        monitor: &mut dyn Monitor,
    ) -> Result<Vec<(usize, Vec<f32>)>, TrainError> {
        let mut all: BTreeMap<usize, Vec<f32>> = BTreeMap::new();
        let batches = &self.batches()[batches];
        let total = batches.iter().map(|(_, rows)| rows.len()).sum();
        let mut done = 0;
        for (size, rows) in batches {
            let pictures = rows.start / self.variants..(rows.end - 1) / self.variants + 1;
            let drawings = self.data.taken(&self.of_size[*size][pictures.clone()])?;
            let views: Vec<View<'_>> = rows
                .clone()
                .map(|row| {
                    let drawing = &drawings[row / self.variants - pictures.start];
                    let colour = backgrounds(drawing, self.variants)[row % self.variants];
                    View::whole(drawing, COLOURS[colour].rgb)
                })
                .collect();
            let latents = encode_views(&views, self.data.shapes[*size], self.vae);
            all.entry(*size).or_default().extend(latents.to_vec());
            done += rows.len();
            monitor.preparing("latents", done, total);
        }
        Ok(all.into_iter().collect())
    }

    /// Under their names, `[rows, h · w · C]` each.
    fn tensors(&self, rows: Vec<(usize, Vec<f32>)>) -> Vec<(String, Tensor)> {
        let tensor = |(size, values): (usize, Vec<f32>)| {
            let numbers: usize = shape(self.data.shapes[size], self.vae).iter().product();
            let count = values.len() / numbers;
            (name(self.data, size), Tensor::new(values, &[count, numbers]))
        };
        rows.into_iter().map(tensor).collect()
    }

    /// What is in the files of all processes, in their order.
    fn joined(&self, parts: &[PathBuf]) -> Result<Vec<(usize, Vec<f32>)>, TrainError> {
        let mut all: BTreeMap<usize, Vec<f32>> = BTreeMap::new();
        for path in parts {
            let failed = || TrainError::checkpoint(path);
            let weights = Weights::open(path).map_err(failed())?;
            for size in 0..self.of_size.len() {
                let name = name(self.data, size);
                if weights.shape(&name).is_some() {
                    let rows = weights.get(&name).map_err(failed())?;
                    all.entry(size).or_default().extend(rows.to_vec());
                }
            }
        }
        Ok(all.into_iter().collect())
    }
}

/// What the latents depend on.
fn key(data: &Dataset, variants: usize, vae: &Autoencoder<'_>) -> String {
    let sizes = match &data.shapes[..] {
        [_] => String::new(),
        shapes => shapes.iter().map(|[h, w]| format!(" {h}x{w}")).collect(),
    };
    format!("{variants} {} {}{sizes}", sums::network(vae, &vae.config()), data.sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backgrounds_are_distinct_and_begin_with_white() {
        let drawing = |name: &str| Drawing { file_name: name.into(), ..Drawing::default() };
        let mut seen = [false; 10];
        for i in 0..50 {
            let colours = backgrounds(&drawing(&format!("{i}.png")), 4);
            assert_eq!((colours.len(), colours[0]), (4, WHITE));
            let mut sorted = colours.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), 4);
            colours.iter().for_each(|&colour| seen[colour] = true);
        }
        assert_eq!(seen, [true; 10]);
        assert_eq!(backgrounds(&drawing("a"), 3), backgrounds(&drawing("a"), 4)[..3]);
        assert_eq!(backgrounds(&drawing("a"), 1), [WHITE]);
    }
}

//! Where a word of the prompt is looked at, to be laid over the picture.

use aquatint_models::WordMap;
use aquatint_tensor::Tensor;

use crate::Picture;
use crate::generate::bilinear;

/// Pixels for one of the latents.
const PIXELS: usize = 4;

/// What word number `word` of the first text got of the attention, white the most and black the
/// least: the mean of the maps of all resolutions for latents `[h, w]`. Words are counted in what
/// the text encoder reads, whose first is the beginning. None if there are no maps of it, as where
/// pixels are not asked to look at words, or of a word that is all over the same.
pub fn word_picture(maps: &[WordMap], word: usize, [h, w]: [usize; 2]) -> Option<Picture> {
    let (height, width) = (h * PIXELS, w * PIXELS);
    let mut sums = vec![0.0f32; height * width];
    for map in maps.iter().filter(|map| word < map.words) {
        // Each level has half the rows and columns of the one above, rounded up.
        let sizes = (0..usize::BITS / 2).map(|level| [h, w].map(|n| n.div_ceil(1 << level)));
        let [rows, columns] = sizes.into_iter().find(|[h, w]| h * w == map.places)?;
        let map = Tensor::new(map.of(word), &[1, rows, columns, 1]);
        let large = bilinear(&map, [height, width]).to_vec();
        sums.iter_mut().zip(large).for_each(|(sum, share)| *sum += share);
    }
    let [least, most] = [f32::min, f32::max].map(|of| sums.iter().copied().reduce(of));
    let (least, range) = (least?, most? - least?);
    let grey = |share: f32| ((share - least) / range * 255.0).round() as u8;
    let rgb = sums.into_iter().flat_map(|share| [grey(share); 3]).collect();
    (range > 0.0).then_some(Picture { width, height, rgb })
}

//! Token merging for pictures: ToMe for Stable Diffusion (Bolya and Hoffman 2023,
//! arXiv:2303.17604).

use aquatint_tensor::{Precision, Tensor};

/// Tokens of pictures, of which some are the mean of several.
///
/// One pixel of every 2×2 is a place to merge to; of the others, those most like one of these
/// places (by the cosine of their vectors) are merged into it (section 4.1). Which pixel of the
/// four is the place is a fixed hash of where they are, so that there is neither a pattern nor
/// chance.
#[derive(Clone, Debug)]
pub struct Merged {
    tokens: Tensor,
    /// For each of the tokens before, the row of what it is now a part of.
    rows: Vec<usize>,
    shape: Vec<usize>,
}

impl Merged {
    /// Of x `[N, H·W, C]`, whose pictures are of `size` `[H, W]`, merges ⌊ratio·H·W⌋ tokens of
    /// each, or as many as there are pixels that are no place. Likeness is computed in bf16 if
    /// `precision` is not f32.
    ///
    /// # Panics
    /// If x is not of that size.
    #[track_caller]
    pub fn new(x: &Tensor, size: [usize; 2], ratio: f64, precision: Precision) -> Self {
        let &[n, t, c] = x.shape() else { panic!("merging tokens of {:?}", x.shape()) };
        assert_eq!(t, size[0] * size[1], "merging tokens of {:?} for {size:?}", x.shape());
        let precision = if precision == Precision::F32 { precision } else { Precision::Bf16 };
        let (places, others) = split(size);
        let count = ((ratio * t as f64) as usize).min(others.len());
        let kept = t - count;

        let flat = x.reshape(&[n * t, c]);
        let unit = flat.l2_normalize();
        let (mut rows, mut numbers) = (vec![0; n * t], Vec::with_capacity(n * kept * c));
        for picture in 0..n {
            let pixels = |of: &[usize]| of.iter().map(|i| picture * t + i).collect::<Vec<_>>();
            let likeness = unit
                .select_rows(&pixels(&others))
                .linear(&unit.select_rows(&pixels(&places)).with_precision(precision), None);
            let best = likeness.row_maxima();
            let mut order: Vec<usize> = (0..others.len()).collect();
            // Ties keep their order, so there is one answer.
            order.sort_by(|&a, &b| best[b].1.total_cmp(&best[a].1));
            let (gone, left) = order.split_at(count);

            // Places come first, then the pixels that are left.
            let stay: Vec<usize> =
                places.iter().copied().chain(left.iter().map(|&i| others[i])).collect();
            for (row, &pixel) in stay.iter().enumerate() {
                rows[picture * t + pixel] = picture * kept + row;
            }
            for &i in gone {
                rows[picture * t + others[i]] = picture * kept + best[i].0;
            }
            let mut means = flat.select_rows(&pixels(&stay)).to_vec();
            let gone: Vec<(usize, usize)> = gone.iter().map(|&i| (others[i], best[i].0)).collect();
            let values = flat.select_rows(&pixels(&gone.iter().map(|g| g.0).collect::<Vec<_>>()));
            average(&mut means, &values.to_vec(), &gone, c);
            numbers.extend(means);
        }
        Self { tokens: Tensor::new(numbers, &[n, kept, c]), rows, shape: x.shape().to_vec() }
    }

    /// What is left, `[N, T', C]`.
    pub fn tokens(&self) -> &Tensor {
        &self.tokens
    }

    /// y `[N, T', C]` → `[N, H·W, C]`: each pixel has what became of the token it was a part of.
    #[track_caller]
    pub fn unmerge(&self, y: &Tensor) -> Tensor {
        let &[n, t, c] = y.shape() else { panic!("unmerging tokens of {:?}", y.shape()) };
        y.reshape(&[n * t, c]).select_rows(&self.rows).reshape(&self.shape)
    }
}

/// The pixels that are places to merge to, and the others, each in order.
fn split([h, w]: [usize; 2]) -> (Vec<usize>, Vec<usize>) {
    let mut is_place = vec![false; h * w];
    for top in (0..h).step_by(2) {
        for left in (0..w).step_by(2) {
            let hash = ((top << 16 | left) as u32).wrapping_mul(0x9E37_79B1) >> 28;
            let (y, x) = (hash as usize & 1, hash as usize >> 1 & 1);
            // At an odd edge there is no second row or column.
            is_place[(top + y).min(h - 1) * w + (left + x).min(w - 1)] = true;
        }
    }
    (0..h * w).partition(|&i| is_place[i])
}

/// Each row of `means` that vectors of `values` are added to becomes the mean of it and them:
/// `gone` says which row each belongs to.
fn average(means: &mut [f32], values: &[f32], gone: &[(usize, usize)], c: usize) {
    let mut counts = vec![1.0; means.len() / c];
    for (value, &(_, row)) in values.chunks_exact(c).zip(gone) {
        means[row * c..][..c].iter_mut().zip(value).for_each(|(mean, value)| *mean += value);
        counts[row] += 1.0;
    }
    for (mean, count) in means.chunks_exact_mut(c).zip(counts) {
        if count > 1.0 {
            mean.iter_mut().for_each(|mean| *mean /= count);
        }
    }
}

#[cfg(test)]
mod tests {
    use aquatint_tensor::Rng;

    use super::*;

    #[test]
    fn one_pixel_of_four_is_a_place() {
        for [h, w] in [[8, 8], [5, 7], [1, 1], [1, 6]] {
            let (places, others) = split([h, w]);
            assert_eq!(places.len(), h.div_ceil(2) * w.div_ceil(2));
            assert_eq!(places.len() + others.len(), h * w);
        }
        // No column has all the places.
        let (places, _) = split([64, 64]);
        assert!((400..624).contains(&places.iter().filter(|i| *i % 2 == 0).count()));
    }

    #[test]
    fn nothing_merged_is_the_same_tokens() {
        let x = Rng::new(1).randn(&[2, 35, 6]);
        let merged = Merged::new(&x, [5, 7], 0.0, Precision::F32);
        assert_eq!(merged.tokens().shape(), x.shape());
        assert_eq!(merged.unmerge(merged.tokens()).to_vec(), x.to_vec());
    }

    /// Pictures of a few colours lose nothing: equal tokens go together.
    #[test]
    fn equal_tokens_are_merged_first() {
        let (h, w) = (8, 8);
        let colours = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.5, 1.0]];
        let x = Tensor::from_fn(&[2, h * w, 3], |i| {
            let (picture, pixel) = (i / (h * w * 3), i / 3 % (h * w));
            colours[(pixel / w / 3 + picture) % 3][i % 3]
        });
        for precision in [Precision::F32, Precision::Bf16] {
            let merged = Merged::new(&x, [h, w], 0.75, precision);
            assert_eq!(merged.tokens().shape(), [2, 16, 3]);
            let back = merged.unmerge(merged.tokens());
            assert!(back.sub(&x).max_abs() < 1e-6);
        }
    }

    #[test]
    fn a_merged_token_is_the_mean_of_its_pixels() {
        let x = Rng::new(2).randn(&[2, 64, 5]);
        let merged = Merged::new(&x, [8, 8], 0.5, Precision::F32);
        assert_eq!(merged.tokens().shape(), [2, 32, 5]);
        let (x, tokens) = (x.to_vec(), merged.tokens().to_vec());
        for (row, token) in tokens.chunks(5).enumerate() {
            let parts: Vec<&[f32]> =
                x.chunks(5).zip(&merged.rows).filter(|(_, r)| **r == row).map(|p| p.0).collect();
            assert!(!parts.is_empty());
            for channel in 0..5 {
                let sum: f32 = parts.iter().map(|part| part[channel]).sum();
                assert!((token[channel] - sum / parts.len() as f32).abs() < 1e-6);
            }
        }
    }
}

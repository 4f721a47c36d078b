//! Latents in a larger size.

use aquatint_tensor::Tensor;

/// Latents `[N, h, w, C]` → `[N, height, width, C]`, with straight lines between the numbers:
/// PyTorch's bilinear interpolation without aligned corners.
#[track_caller]
pub(crate) fn bilinear(x: &Tensor, [height, width]: [usize; 2]) -> Tensor {
    let lines = |small: usize, large: usize| {
        (0..large).map(move |i| {
            let at = ((i as f64 + 0.5) * small as f64 / large as f64 - 0.5).max(0.0);
            let first = (at as usize).min(small - 1);
            [(first, 1.0 - at.fract() as f32), ((first + 1).min(small - 1), at.fract() as f32)]
        })
    };
    enlarged(x, lines(x.dim(1), height), lines(x.dim(2), width))
}

/// Latents `[N, h, w, C]` → `[N, height, width, C]`, each number the nearest: PyTorch's
/// `nearest-exact`.
#[track_caller]
pub(super) fn nearest(x: &Tensor, [height, width]: [usize; 2]) -> Tensor {
    let lines = |small: usize, large: usize| {
        (0..large).map(move |i| [(((2 * i + 1) * small / (2 * large)).min(small - 1), 1.0)])
    };
    enlarged(x, lines(x.dim(1), height), lines(x.dim(2), width))
}

/// Each new row and column is the sum of so many old ones with these weights.
fn enlarged<const K: usize>(
    x: &Tensor,
    rows: impl Iterator<Item = [(usize, f32); K]>,
    columns: impl Iterator<Item = [(usize, f32); K]>,
) -> Tensor {
    let &[n, h, w, c] = x.shape() else { panic!("latents {:?}", x.shape()) };
    let (rows, columns): (Vec<_>, Vec<_>) = (rows.collect(), columns.collect());
    let old = x.to_vec();
    let mut new = Vec::with_capacity(n * rows.len() * columns.len() * c);
    for n in 0..n {
        for row in &rows {
            for column in &columns {
                new.extend((0..c).map(|c0| -> f32 {
                    let at = |y: usize, x: usize| old[((n * h + y) * w + x) * c + c0];
                    let line = |&(y, a): &(usize, f32)| -> f32 {
                        column.iter().map(|&(x, b)| a * b * at(y, x)).sum()
                    };
                    row.iter().map(line).sum()
                }));
            }
        }
    }
    Tensor::new(new, &[n, rows.len(), columns.len(), c])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp() -> Tensor {
        Tensor::from_fn(&[1, 2, 2, 1], |i| [0.0, 1.0, 2.0, 3.0][i])
    }

    /// torch.nn.functional.interpolate(torch.arange(4.).reshape(1, 1, 2, 2), size=(3, 4), mode=…).
    #[test]
    fn as_pytorch() {
        let expected = [[0.0, 0.25, 0.75, 1.0], [1.0, 1.25, 1.75, 2.0], [2.0, 2.25, 2.75, 3.0]];
        assert_eq!(bilinear(&ramp(), [3, 4]).to_vec(), expected.concat());
        let expected = [[0.0, 0.0, 1.0, 1.0], [2.0, 2.0, 3.0, 3.0], [2.0, 2.0, 3.0, 3.0]];
        assert_eq!(nearest(&ramp(), [3, 4]).to_vec(), expected.concat());
    }

    #[test]
    fn the_same_size_is_the_same() {
        let x = Tensor::from_fn(&[2, 3, 5, 4], |i| i as f32);
        assert_eq!(bilinear(&x, [3, 5]).to_vec(), x.to_vec());
        assert_eq!(nearest(&x, [3, 5]).to_vec(), x.to_vec());
    }
}

//! Pictures in the size that a network was trained on.

use aquatint_tensor::Tensor;

/// image `[N, H, W, C]` → `[N, height, width, C]` by a triangle filter as wide as the larger of both
/// pixels: bilinear interpolation where it grows (PyTorch's, without aligned corners), and without
/// moiré where it shrinks (Pillow's `BILINEAR`). Not differentiable: the result is untracked.
#[track_caller]
pub fn bilinear(image: &Tensor, [height, width]: [usize; 2]) -> Tensor {
    let &[n, h, w, c] = image.shape() else { panic!("bilinear of {:?}", image.shape()) };
    assert!(h * w > 0 && height * width > 0, "{:?} to {height}x{width}", image.shape());
    if [h, w] == [height, width] {
        return image.detach();
    }
    let across = along(&image.to_vec(), [n * h, w, c], width);
    Tensor::new(along(&across, [n, h, width * c], height), &[n, height, width, c])
}

/// x `[outer, size, inner]` → `[outer, wanted, inner]`.
fn along(x: &[f32], [outer, size, inner]: [usize; 3], wanted: usize) -> Vec<f32> {
    let windows: Vec<(usize, Vec<f32>)> = (0..wanted).map(|i| window(i, size, wanted)).collect();
    let mut out = vec![0.0; outer * wanted * inner];
    for (x, out) in x.chunks_exact(size * inner).zip(out.chunks_exact_mut(wanted * inner)) {
        for ((first, weights), out) in windows.iter().zip(out.chunks_exact_mut(inner)) {
            for (weight, x) in weights.iter().zip(x[first * inner..].chunks_exact(inner)) {
                out.iter_mut().zip(x).for_each(|(out, x)| *out += weight * x);
            }
        }
    }
    out
}

/// The first of the pixels that make pixel i, and their weights.
fn window(i: usize, size: usize, wanted: usize) -> (usize, Vec<f32>) {
    let scale = size as f64 / wanted as f64;
    let (centre, reach) = ((i as f64 + 0.5) * scale, scale.max(1.0));
    // Beyond the border its last pixel goes on.
    let mut weights = vec![0.0; size];
    let (low, high) = ((centre - reach).floor() as i64, (centre + reach).ceil() as i64);
    for at in low..high {
        let weight = (1.0 - ((at as f64 + 0.5 - centre) / reach).abs()).max(0.0);
        let inside = (at >= 0 && at < size as i64) || reach == 1.0;
        if inside {
            weights[at.clamp(0, size as i64 - 1) as usize] += weight;
        }
    }
    let sum: f64 = weights.iter().sum();
    let first = weights.iter().position(|&w| w > 0.0).unwrap_or(0);
    let last = weights.iter().rposition(|&w| w > 0.0).unwrap_or(0);
    (first, weights[first..=last].iter().map(|w| (w / sum) as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: &[f32], wanted: usize) -> Vec<f32> {
        bilinear(&Tensor::new(values.to_vec(), &[1, 1, values.len(), 1]), [1, wanted]).to_vec()
    }

    #[test]
    fn known_values() {
        // torch.nn.functional.interpolate(mode="bilinear", align_corners=False, antialias=True).
        assert_eq!(row(&[0.0, 4.0], 4), [0.0, 1.0, 3.0, 4.0]);
        assert_eq!(row(&[0.0, 4.0], 2), [0.0, 4.0]);
        let smaller = row(&[0.0, 7.0, 14.0, 7.0], 2);
        let expected = [7.0 * (3.0 + 2.0) / 7.0, 7.0 * (1.0 + 6.0 + 3.0) / 7.0];
        assert!(smaller.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{smaller:?}");
    }

    #[test]
    fn both_directions_and_all_channels() {
        let x = Tensor::from_fn(&[2, 3, 2, 2], |i| (i % 2) as f32 + 1.0);
        let y = bilinear(&x, [5, 7]);
        assert_eq!(y.shape(), [2, 5, 7, 2]);
        assert!(y.to_vec().chunks(2).all(|c| (c[0] - 1.0).abs() + (c[1] - 2.0).abs() < 1e-5));
    }
}

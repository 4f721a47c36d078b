//! How much a picture is like another, pixel by pixel.

use aquatint_pipeline::Picture;

/// The peak signal-to-noise ratio in decibels, 10·log₁₀(255² / mean squared difference), over all
/// pixels and channels; infinite if the pictures are equal.
///
/// # Panics
/// If they are of different sizes.
#[track_caller]
pub fn psnr(a: &Picture, b: &Picture) -> f64 {
    check(a, b);
    let square = |(&a, &b): (&u8, &u8)| f64::from(a.abs_diff(b)).powi(2);
    let sum: f64 = a.rgb.iter().zip(&b.rgb).map(square).sum();
    10.0 * (255.0 * 255.0 * a.rgb.len() as f64 / sum).log10()
}

/// Pixels of a window.
const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;

/// The structural similarity (Wang et al. 2004, equation 13) with its authors' window, a Gaussian
/// of 11×11 pixels and σ = 1.5: the mean over all windows inside the picture and over red, green
/// and blue. scikit-image's `structural_similarity` with `gaussian_weights` and without
/// `use_sample_covariance`; torchmetrics also counts windows that hang over the edge.
///
/// `None` if the picture is smaller than a window.
///
/// # Panics
/// If the pictures are of different sizes.
#[track_caller]
pub fn ssim(a: &Picture, b: &Picture) -> Option<f64> {
    check(a, b);
    let (w, h) = (a.width, a.height);
    if w < WINDOW || h < WINDOW {
        return None;
    }
    let (c1, c2) = ((0.01f64 * 255.0).powi(2), (0.03f64 * 255.0).powi(2));
    let mut sum = 0.0;
    for channel in 0..3 {
        let plane = |picture: &Picture| -> Vec<f64> {
            picture.rgb.iter().skip(channel).step_by(3).map(|&v| f64::from(v)).collect()
        };
        let (x, y) = (plane(a), plane(b));
        let times =
            |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a * b).collect() };
        let [mx, my, xx, yy, xy] = [&x, &y, &times(&x, &x), &times(&y, &y), &times(&x, &y)]
            .map(|plane| blurred(plane, [w, h]));
        for i in 0..mx.len() {
            let (mx, my) = (mx[i], my[i]);
            let (vx, vy, vxy) = (xx[i] - mx * mx, yy[i] - my * my, xy[i] - mx * my);
            sum += (2.0 * mx * my + c1) * (2.0 * vxy + c2)
                / ((mx * mx + my * my + c1) * (vx + vy + c2));
        }
    }
    Some(sum / (3 * (w - WINDOW + 1) * (h - WINDOW + 1)) as f64)
}

/// The weighted mean of every window inside a plane.
fn blurred(plane: &[f64], [w, h]: [usize; 2]) -> Vec<f64> {
    let weight = |i: usize| (-(i as f64 - 5.0).powi(2) / (2.0 * SIGMA * SIGMA)).exp();
    let total: f64 = (0..WINDOW).map(weight).sum();
    let weights: [f64; WINDOW] = std::array::from_fn(|i| weight(i) / total);
    let (narrow, low) = (w - WINDOW + 1, h - WINDOW + 1);
    let mut rows = Vec::with_capacity(narrow * h);
    for line in plane.chunks_exact(w) {
        rows.extend(
            line.windows(WINDOW).map(|window| {
                window.iter().zip(&weights).map(|(x, weight)| x * weight).sum::<f64>()
            }),
        );
    }
    let mut out = vec![0.0; narrow * low];
    for (top, out) in out.chunks_exact_mut(narrow).enumerate() {
        for (line, weight) in rows[top * narrow..].chunks_exact(narrow).zip(&weights) {
            out.iter_mut().zip(line).for_each(|(out, x)| *out += weight * x);
        }
    }
    out
}

#[track_caller]
fn check(a: &Picture, b: &Picture) {
    let size = |p: &Picture| (p.width, p.height);
    assert_eq!(size(a), size(b), "pictures of different sizes");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_and_opposite_pictures() {
        let black = Picture::new(16, 12, [0; 3]);
        let white = Picture::new(16, 12, [255; 3]);
        assert_eq!(psnr(&black, &black), f64::INFINITY);
        assert_eq!(psnr(&black, &white), 0.0);
        assert!((ssim(&black, &black).unwrap() - 1.0).abs() < 1e-12);
        assert!(ssim(&black, &white).unwrap() < 1e-3);
        assert_eq!(ssim(&Picture::new(10, 20, [0; 3]), &Picture::new(10, 20, [0; 3])), None);
    }
}

//! Variations: noise on the way from that of one seed to that of another.

use aquatint_tensor::Tensor;

/// How far a picture's first noise goes from its seed's to its subseed's. All pictures of the web
/// UI's "variation seed" come to be like this.
#[derive(Clone, Debug, PartialEq)]
pub struct Variation {
    /// The other seed of each picture.
    pub subseeds: Vec<u64>,
    /// 0 is the seed's noise, 1 the subseed's.
    pub strength: f64,
}

/// Noise `[C, H, W]` between `low` and `high`, which have this shape, along arcs rather than
/// chords, so that it is as strong as both: spherical interpolation (Shoemake 1985) as the web UI
/// has it, column by column: the vectors are those of the H numbers below each other.
#[track_caller]
pub(super) fn slerp(strength: f64, low: &Tensor, high: &Tensor) -> Tensor {
    let &[c, h, w] = low.shape() else { panic!("a picture's noise of shape {:?}", low.shape()) };
    assert_eq!(low.shape(), high.shape(), "noise between two of different shapes");
    let (a, b) = (low.to_vec(), high.to_vec());
    let column = |channel: usize, x: usize| (0..h).map(move |y| (channel * h + y) * w + x);
    let mut angles = Vec::with_capacity(c * w);
    for (channel, x) in (0..c).flat_map(|channel| (0..w).map(move |x| (channel, x))) {
        let dot = |p: &[f32], q: &[f32]| -> f64 {
            column(channel, x).map(|i| f64::from(p[i]) * f64::from(q[i])).sum()
        };
        angles.push(dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt());
    }
    // The web UI's way out where both are the same, which has them the other way round.
    let alike = angles.iter().sum::<f64>() / angles.len() as f64 > 0.9995;
    Tensor::from_fn(low.shape(), |i| {
        let (first, second) = if alike {
            (strength, 1.0 - strength)
        } else {
            let omega = angles[i / (h * w) * w + i % w].acos();
            let along = |part: f64| (part * omega).sin() / omega.sin();
            (along(1.0 - strength), along(strength))
        };
        (first * f64::from(a[i]) + second * f64::from(b[i])) as f32
    })
}

#[cfg(test)]
mod tests {
    use aquatint_tensor::Rng;

    use super::*;

    /// low, high = (torch.randn(2, 3, 2, generator=torch.manual_seed(s)) for s in (1, 2)); the web
    /// UI's slerp(0.25, low, high).ravel(), by PyTorch.
    #[test]
    fn as_in_the_web_ui() {
        let [low, high] = [1, 2].map(|seed| Rng::new(seed).randn(&[2, 3, 2]));
        for (x, e) in slerp(0.25, &low, &high).to_vec().iter().zip(EXPECTED) {
            assert!((x - e).abs() < 2e-6, "{x} is not {e}");
        }
    }

    const EXPECTED: [f32; 12] = [
        0.846980, 0.197321, -0.082802, -0.106490, 0.017611, -0.761095, -1.461671, 0.440741,
        -1.458901, -0.715747, -0.260085, 0.155223,
    ];

    #[test]
    fn both_ends() {
        let [low, high] = [1, 2].map(|seed| Rng::new(seed).randn(&[4, 8, 8]));
        let near = |x: &Tensor, y: &Tensor| x.sub(y).max_abs() < 1e-5;
        assert!(near(&slerp(0.0, &low, &high), &low));
        assert!(near(&slerp(1.0, &low, &high), &high));
        assert!(near(&slerp(0.3, &low, &low), &low));
    }

    #[test]
    fn as_strong_as_both() {
        let [low, high] = [1, 2].map(|seed| Rng::new(seed).randn(&[4, 64, 64]));
        let variance = |x: &Tensor| x.mul(x).sum().item() / x.len() as f32;
        let middle = variance(&slerp(0.5, &low, &high));
        assert!((middle - 1.0).abs() < 0.03, "half-way the variance is {middle}");
    }
}

//! Numbers for tests, and how close results must be.

/// `len` numbers in [-1, 1) that depend on `seed` alone.
pub(crate) fn values(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(|| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    })
    .take(len)
    .collect()
}

/// Panics unless the largest difference is at most `tolerance` of the largest expected value
/// (or of 1, if that is larger).
#[track_caller]
pub(crate) fn assert_close(actual: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}: lengths");
    let size = expected.iter().fold(1.0_f32, |size, x| size.max(x.abs()));
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        assert!((a - e).abs() <= tolerance * size, "{what}: {a} instead of {e} at {i}");
    }
}

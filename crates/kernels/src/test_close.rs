//! How close sums of very different length must come to those of the plain loops.

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

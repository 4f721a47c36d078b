//! What several tests need.

use crate::monitor::Monitor;

/// A monitor without a clock.
pub struct Silent;

impl Monitor for Silent {
    fn seconds(&self) -> f64 {
        0.0
    }
}

/// `u(name, i)` of the reference generator for i < count, uniform in [-1, 1): the FNV-1a hash of
/// the name seeds SplitMix64. See `tools/reference/hashed.py`.
pub fn hashed(name: &str, count: usize) -> Vec<f64> {
    let seed = aquatint_nn::fnv1a(name.bytes());
    (1..=count as u64)
        .map(|i| {
            let mut z = seed.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let bits = (z ^ (z >> 31)) >> 11;
            bits as f64 * 2f64.powi(-52) - 1.0
        })
        .collect()
}

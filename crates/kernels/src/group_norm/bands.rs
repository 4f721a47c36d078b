//! Group normalisation of a picture that is never whole in memory: its moments are gathered in one
//! pass over its bands, and each band is normalised with them in another.

use super::moments::{Moments, add_moments_of};
use super::{GroupNormShape, normalize_all, rounded};
use crate::cpu::isa;

/// The moments of the groups of one picture, as far as it has been seen.
#[derive(Clone, Debug, Default)]
pub struct GroupMoments(Vec<Moments>);

impl GroupMoments {
    /// Adds a band, `[1, pixels, c]`.
    ///
    /// # Panics
    /// If `x` has another length than the shape says, or the band is of several pictures.
    #[track_caller]
    pub fn add(&mut self, s: &GroupNormShape, x: &[f32]) {
        s.check(&[x.len()], &[], 2 * s.groups);
        assert!(self.0.is_empty() || self.0.len() == s.groups, "bands of one picture");
        add_moments_of(isa(), s, x, &mut self.0);
    }
}

/// [`group_norm`](super::group_norm) of a band `[1, pixels, c]` of a picture with these moments.
///
/// # Panics
/// If a slice has another length than the shape says, or the picture has not been seen.
#[track_caller]
pub fn group_norm_band(
    s: &GroupNormShape,
    x: &[f32],
    moments: &GroupMoments,
    weight: &[f32],
    bias: &[f32],
    out: &mut [f32],
) {
    s.check(&[x.len(), out.len()], &[weight.len(), bias.len()], 2 * moments.0.len());
    normalize_all(isa(), s, x, weight, bias, &rounded(&moments.0, s.eps), out);
}

#[cfg(test)]
mod tests {
    use super::super::group_norm;
    use super::*;
    use crate::testing::{assert_close_together, random};

    #[test]
    fn bands_are_normalised_as_the_whole() {
        let (pixels, c) = (5000, 24);
        let s = GroupNormShape { n: 1, pixels, c, groups: 3, eps: 1e-5, silu: true };
        let (x, weight, bias) = (random(1, pixels * c), random(2, c), random(3, c));
        let (mut whole, mut stats) = (vec![7.0; x.len()], [0.0; 6]);
        group_norm(&s, &x, &weight, &bias, &mut whole, &mut stats);
        for rows in [682, 1023, 5000] {
            let band = |x: &[f32]| GroupNormShape { pixels: x.len() / c, ..s };
            let mut moments = GroupMoments::default();
            x.chunks(rows * c).for_each(|x| moments.add(&band(x), x));
            let mut out = vec![7.0; x.len()];
            for (x, out) in x.chunks(rows * c).zip(out.chunks_mut(rows * c)) {
                group_norm_band(&band(x), x, &moments, &weight, &bias, out);
            }
            assert_close_together(&out, &whole, 1e-6, &format!("{rows}"));
            // Blocks have 682 pixels.
            assert!(rows == 1023 || out == whole, "{rows}");
        }
    }
}

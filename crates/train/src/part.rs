//! A mini-batch in equal parts, which are computed one after the other or on several machines.
//!
//! All random numbers of a step are drawn for the whole mini-batch, by everyone, and each part
//! takes its own: so the mean over the parts is the loss of the whole, however it was cut.

use std::ops::Range;

use aquatint_tensor::{Rng, Tensor};

/// One of `of` equal parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which, from 0.
    pub index: usize,
    /// Of how many.
    pub of: usize,
}

impl Part {
    /// The only part.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// Where the part's things are among `count` of the whole.
    ///
    /// # Panics
    /// If they cannot be shared out evenly.
    #[track_caller]
    pub fn range(self, count: usize) -> Range<usize> {
        assert!(count.is_multiple_of(self.of), "{count} in {} equal parts", self.of);
        let each = count / self.of;
        self.index * each..(self.index + 1) * each
    }

    /// The part's things.
    #[track_caller]
    pub fn share<T>(self, mut all: Vec<T>) -> Vec<T> {
        let range = self.range(all.len());
        all.truncate(range.end);
        all.split_off(range.start)
    }

    /// Normal noise for the part, `[n, ..]`, out of the whole's, `[n · of, ..]`.
    pub fn randn(self, shape: &[usize], rng: &mut Rng) -> Tensor {
        let mut whole = shape.to_vec();
        whole[0] *= self.of;
        let noise = rng.randn(&whole);
        if self.of == 1 { noise } else { noise.narrow_rows(self.index * shape[0], shape[0]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_together_are_the_whole() {
        let parts = [0, 1, 2].map(|index| Part { index, of: 3 });
        let shares = parts.map(|part| part.share(vec![5, 6, 7, 8, 9, 10]));
        assert_eq!(shares.concat(), [5, 6, 7, 8, 9, 10]);
        let noise = |part: Part, n| part.randn(&[n, 2], &mut Rng::new(4)).to_vec();
        assert_eq!(parts.map(|part| noise(part, 2)).concat(), noise(Part::WHOLE, 6));
        assert_eq!(Part::WHOLE.share(vec![1, 2]), [1, 2]);
    }
}

//! Pictures that several processes look at together: each decodes its share and tells the others.

use std::ops::Range;

use crate::ranks::Ranks;

/// What is known of a picture once it was decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Whether it can be read.
    pub readable: bool,
    /// Which size it has.
    pub bucket: u16,
    /// A sum over what is said about it and its pixels.
    pub sum: [u8; 32],
}

/// Pictures whose findings are in one message.
const AT_ONCE: usize = 4096;

/// What a process does of `count` things, all of which are done by some process.
pub fn share(count: usize, ranks: &dyn Ranks) -> Range<usize> {
    let border = |rank: usize| (count as u128 * rank as u128 / ranks.count() as u128) as usize;
    border(ranks.rank())..border(ranks.rank() + 1)
}

/// Makes `found`, of which only this process's share is filled in, whole.
pub fn exchange(found: &mut [Found], ranks: &dyn Ranks) {
    if ranks.count() == 1 {
        return;
    }
    for some in found.chunks_mut(AT_ONCE) {
        // Sums of one number and zeros, all of which f64 has.
        let mut numbers: Vec<f64> = some.iter().flat_map(Found::numbers).collect();
        ranks.sum(&mut numbers);
        let (all, _) = numbers.as_chunks();
        some.iter_mut().zip(all).for_each(|(found, numbers)| *found = Found::of(numbers));
    }
}

impl Found {
    fn numbers(&self) -> [f64; 18] {
        let mut numbers = [0.0; 18];
        numbers[0] = f64::from(u8::from(self.readable));
        numbers[1] = f64::from(self.bucket);
        let (pairs, _) = self.sum.as_chunks();
        for (number, &pair) in numbers[2..].iter_mut().zip(pairs) {
            *number = f64::from(u16::from_le_bytes(pair));
        }
        numbers
    }

    fn of(numbers: &[f64; 18]) -> Self {
        let mut sum = [0; 32];
        for (pair, &number) in sum.as_chunks_mut().0.iter_mut().zip(&numbers[2..]) {
            *pair = (number as u16).to_le_bytes();
        }
        Self { readable: numbers[0] > 0.0, bucket: numbers[1] as u16, sum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranks::{Alone, Buckets, Filled};

    /// One of three processes, the others of which found nothing.
    struct Second;

    impl Ranks for Second {
        fn rank(&self) -> usize {
            1
        }

        fn count(&self) -> usize {
            3
        }

        fn sum(&self, _: &mut [f64]) {}

        fn sum_during(&self, _: &mut Buckets, _: &mut dyn FnMut(&mut Filled<'_>)) {}
    }

    #[test]
    fn shares_are_all_there_is() {
        assert_eq!(share(10, &Second), 3..6);
        assert_eq!((share(10, &Alone), share(0, &Second)), (0..10, 0..0));
    }

    #[test]
    fn what_was_found_survives_the_journey() {
        let mut found = vec![Found::default(); 5000];
        found[7] = Found { readable: true, bucket: 300, sum: [0; 32] };
        found[4999] =
            Found { readable: true, bucket: 0, sum: std::array::from_fn(|i| 255 - i as u8) };
        let before = found.clone();
        exchange(&mut found, &Second);
        assert_eq!(found, before);
    }
}

//! NumPy's `RandomState`: what `np.random.seed(seed); np.random.randn(..)` draws, which is also
//! what its `normal` and `standard_normal` do, as f32.
//!
//! NumPy has frozen this generator (NEP 19). Its newer `default_rng` is another one.

use super::mt19937::Mt19937;

/// The stream after `np.random.seed(seed)`, or of `np.random.RandomState(seed)`.
#[derive(Clone)]
pub struct Numpy {
    words: Mt19937,
    /// Normals come in pairs: the second of the last pair, if it was not asked for yet.
    second_normal: Option<f64>,
}

impl Numpy {
    /// The stream of this seed.
    pub fn new(seed: u32) -> Self {
        Self { words: Mt19937::new(seed), second_normal: None }
    }

    /// `np.random.randn(data.len()).astype(np.float32)`.
    pub fn fill_normal(&mut self, data: &mut [f32]) {
        data.fill_with(|| self.normal() as f32);
    }

    /// `permutation(count)`: 0 to `count` in a random order (Fisher and Yates, from the end).
    /// `choice(count, k, replace=False)` is its first k.
    ///
    /// # Panics
    /// If there are 2³² or more.
    pub fn permutation(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for i in (1..count).rev() {
            let last = u32::try_from(i).expect("as many as that are not put in order");
            // What is not below is drawn again, with no more bits than are needed.
            let mask = u32::MAX >> last.leading_zeros();
            let j = loop {
                let j = self.words.next_u32() & mask;
                if j <= last {
                    break j;
                }
            };
            order.swap(i, j as usize);
        }
        order
    }

    /// One standard normal by the polar method (Marsaglia and Bray, 1964): a point in the square
    /// is drawn until it is in the circle.
    fn normal(&mut self) -> f64 {
        if let Some(second) = self.second_normal.take() {
            return second;
        }
        loop {
            let x1 = 2.0 * self.uniform() - 1.0;
            let x2 = 2.0 * self.uniform() - 1.0;
            let r2 = x1 * x1 + x2 * x2;
            if r2 < 1.0 && r2 != 0.0 {
                let factor = (-2.0 * r2.ln() / r2).sqrt();
                // The first number of the pair is given out last.
                self.second_normal = Some(factor * x1);
                return factor * x2;
            }
        }
    }

    /// Uniform in [0, 1) with 53 bits: 27 of one word and 26 of the next.
    fn uniform(&mut self) -> f64 {
        let high = (self.words.next_u32() >> 5) as u64;
        let low = (self.words.next_u32() >> 6) as u64;
        (high << 26 | low) as f64 * 2f64.powi(-53)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn randn(seed: u32, len: usize) -> Vec<f32> {
        let mut data = vec![0.0; len];
        Numpy::new(seed).fill_normal(&mut data);
        data
    }

    /// np.random.seed(seed); np.random.randn(7).astype(np.float32).view(np.uint32), NumPy 2.4.
    #[test]
    fn draws_what_numpy_draws() {
        let bits = |seed| randn(seed, 7).into_iter().map(f32::to_bits).collect::<Vec<_>>();
        let zero =
            [1071762552, 1053614440, 1064996499, 1074752203, 1072630820, 3212455650, 1064515839];
        assert_eq!(bits(0), zero);
        let beyond_i32 =
            [1065267158, 1061434301, 3200331962, 1073979036, 1068174244, 3212909358, 3213379462];
        assert_eq!(bits((1 << 31) + 7), beyond_i32);
        let last =
            [1059454492, 1059805385, 3213512514, 1049733663, 1038695929, 1063132280, 3174323360];
        assert_eq!(bits(u32::MAX), last);
    }

    /// np.random.RandomState(1).standard_normal(100000).astype(np.float32).view(np.uint32)
    /// .sum(dtype=np.uint64): no rejection and no bit is other than NumPy's.
    #[test]
    fn a_long_stream() {
        let sum: u64 = randn(1, 100_000).iter().map(|x| x.to_bits() as u64).sum();
        assert_eq!(sum, 212_561_255_442_326);
    }

    /// rng = np.random.RandomState(2020); rng.permutation(10), rng.permutation(7)
    #[test]
    fn permutations() {
        let mut rng = Numpy::new(2020);
        assert_eq!(rng.permutation(10), [2, 4, 9, 1, 5, 7, 6, 3, 8, 0]);
        assert_eq!(rng.permutation(7), [4, 3, 1, 2, 5, 6, 0]);
        assert_eq!((rng.permutation(1), rng.permutation(0)), (vec![0], vec![]));
    }

    #[test]
    fn a_pair_of_normals_is_used_up_across_calls() {
        let mut rng = Numpy::new(7);
        let (mut first, mut rest) = ([0.0; 3], [0.0; 4]);
        rng.fill_normal(&mut first);
        rng.fill_normal(&mut rest);
        assert_eq!([&first[..], &rest].concat(), randn(7, 7));
    }
}

//! Many vectors in few long ones: a message for each gradient would cost more than its content.

use std::ops::Range;

/// Numbers in a bucket, unless a single vector has more: 4 MB.
const ENOUGH: usize = 1 << 20;

/// Numbered vectors, those with high numbers in the first buckets: the gradients of a network's
/// last layers are the first to be known.
#[derive(Clone, Debug, Default)]
pub struct Buckets {
    /// What was put together.
    pub contents: Vec<Vec<f32>>,
    /// For each vector: its bucket, and where it is there.
    places: Vec<(usize, Range<usize>)>,
}

impl Buckets {
    /// Zeros, for vectors of these lengths.
    pub fn new(lengths: &[usize]) -> Self {
        Self::of(lengths, ENOUGH)
    }

    fn of(lengths: &[usize], enough: usize) -> Self {
        let (mut contents, mut places) = (Vec::<Vec<f32>>::new(), Vec::new());
        for &length in lengths.iter().rev() {
            match contents.last_mut() {
                Some(last) if last.len() + length <= enough => {
                    last.resize(last.len() + length, 0.0)
                }
                _ => contents.push(vec![0.0; length]),
            }
            let (bucket, end) = (contents.len() - 1, contents[contents.len() - 1].len());
            places.push((bucket, end - length..end));
        }
        places.reverse();
        Self { contents, places }
    }

    /// The bucket of a vector, and where it is there.
    pub fn place(&self, index: usize) -> (usize, Range<usize>) {
        self.places[index].clone()
    }

    /// How many vectors are in each bucket.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.contents.len()];
        self.places.iter().for_each(|(bucket, _)| counts[*bucket] += 1);
        counts
    }

    /// A vector.
    pub fn vector(&self, index: usize) -> &[f32] {
        let (bucket, range) = self.place(index);
        &self.contents[bucket][range]
    }

    /// A vector, to be changed.
    pub fn vector_mut(&mut self, index: usize) -> &mut [f32] {
        let (bucket, range) = self.place(index);
        &mut self.contents[bucket][range]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vector_has_a_place_of_its_own_and_the_last_come_first() {
        let lengths = [3, 1, 4, 9, 2, 2];
        let mut buckets = Buckets::of(&lengths, 5);
        assert_eq!(buckets.counts(), [2, 1, 2, 1]);
        for (i, &length) in lengths.iter().enumerate() {
            assert_eq!(buckets.vector(i), vec![0.0; length]);
            buckets.vector_mut(i).fill(1.0 + i as f32);
        }
        assert_eq!(buckets.contents[0], [6.0, 6.0, 5.0, 5.0]);
        assert_eq!(buckets.contents[2], [3.0, 3.0, 3.0, 3.0, 2.0]);
        assert_eq!(buckets.place(0), (3, 0..3));
    }
}

//! Which pictures are in memory: as many as may be, and those that a step needs.

use rayon::prelude::*;

use super::place::{Cursor, Place};
use super::{Dataset, Drawing};
use crate::decode::Whole;
use crate::error::TrainError;

/// Where the training pictures are, and how many of them are in memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    pub places: Vec<Place>,
    pub sums: Vec<[u8; 32]>,
    /// Bytes of pixels that may stay.
    pub most_bytes: usize,
    /// Bytes that do.
    pub kept: usize,
    /// Those that go when others come.
    pub passing: Vec<usize>,
}

/// Bytes of a picture of this size.
pub(super) fn bytes_of([height, width]: [usize; 2]) -> usize {
    4 * height * width
}

impl Dataset {
    /// Reads those of these training pictures that are not in memory. Others that came in this way
    /// and are more than may stay are let go.
    ///
    /// # Errors
    /// If one cannot be read any more.
    pub fn hold(&mut self, indices: &[usize]) -> Result<(), TrainError> {
        for i in std::mem::take(&mut self.store.passing) {
            match indices.contains(&i) {
                true => self.store.passing.push(i),
                false => self.train[i].pixels = Vec::new(),
            }
        }
        let mut missing: Vec<usize> =
            indices.iter().copied().filter(|&i| self.train[i].pixels.is_empty()).collect();
        missing.sort_unstable();
        missing.dedup();
        let read = self.pixels(&missing);
        for (i, pixels) in missing.into_iter().zip(read) {
            let pixels = pixels?;
            if self.store.kept + pixels.len() <= self.store.most_bytes {
                self.store.kept += pixels.len();
            } else {
                self.store.passing.push(i);
            }
            self.train[i].pixels = pixels;
        }
        Ok(())
    }

    /// Copies of these training pictures.
    ///
    /// # Errors
    /// If one cannot be read any more.
    pub fn taken(&self, indices: &[usize]) -> Result<Vec<Drawing>, TrainError> {
        let missing: Vec<usize> =
            indices.iter().copied().filter(|&i| self.train[i].pixels.is_empty()).collect();
        let mut read = self.pixels(&missing).into_iter();
        let mut taken = |&i: &usize| {
            let mut drawing = self.train[i].clone();
            if drawing.pixels.is_empty() {
                drawing.pixels = read.next().expect("it is one of the missing")?;
            }
            Ok(drawing)
        };
        indices.iter().map(&mut taken).collect()
    }

    /// Lets all training pictures go: what is needed of them is known.
    pub fn let_go(&mut self) {
        self.train.iter_mut().for_each(|drawing| drawing.pixels = Vec::new());
        (self.store.most_bytes, self.store.kept) = (0, 0);
        self.store.passing.clear();
    }

    /// The pixels of each; fastest in their order.
    fn pixels(&self, indices: &[usize]) -> Vec<Result<Vec<u8>, TrainError>> {
        let one = |i: usize, cursor: &mut Cursor| {
            let shape = self.shapes[self.train[i].bucket];
            let read = self.store.places[i].read(cursor).and_then(|bytes| Whole::decode(&bytes));
            read.map(|whole| whole.fitted(shape)).map_err(|reason| {
                let name = &self.train[i].file_name;
                TrainError::Data(format!("{name} cannot be read any more: {reason}"))
            })
        };
        let each = indices.len().div_ceil(rayon::current_num_threads()).max(1);
        let some = indices.par_chunks(each).flat_map_iter(|some| {
            let mut cursor = Cursor::default();
            some.iter().map(move |&i| one(i, &mut cursor))
        });
        some.collect()
    }
}

//! Tokens that a text tower was not trained with: textual inversion (Gal et al. 2022,
//! arXiv:2208.01618).

use std::ops::Range;

use aquatint_tensor::Tensor;

/// Vectors for the ids that follow those of the table. They belong to whoever draws, not to the
/// model: they are no parameters, are not trained and not saved.
#[derive(Clone, Debug, Default)]
pub(super) struct AddedTokens {
    vectors: Vec<f32>,
}

impl AddedTokens {
    /// Adds vectors `[n, D]` to those of a table with `rows` rows; their ids.
    pub fn add(&mut self, vectors: &Tensor, rows: usize) -> Range<u32> {
        let next = (rows + self.vectors.len() / vectors.channels()) as u32;
        self.vectors.extend(vectors.to_vec());
        next..next + vectors.dim(0) as u32
    }

    /// The ids without those that a table with `rows` rows lacks, in whose place is 0.
    pub fn known(&self, ids: &[u32], rows: usize) -> Vec<u32> {
        ids.iter().map(|&id| if (id as usize) < rows { id } else { 0 }).collect()
    }

    /// Puts the added vectors in their places among those of the table, `[B, T, D]`.
    ///
    /// # Panics
    /// If an id is neither in the table nor added.
    #[track_caller]
    pub fn put(&self, x: Tensor, ids: &[u32], rows: usize) -> Tensor {
        if ids.iter().all(|&id| (id as usize) < rows) {
            return x;
        }
        let (mut values, width) = (x.to_vec(), x.channels());
        for (place, &id) in values.chunks_exact_mut(width).zip(ids) {
            if let Some(added) = (id as usize).checked_sub(rows) {
                let vector = self.vectors.chunks_exact(width).nth(added);
                place.copy_from_slice(vector.unwrap_or_else(|| panic!("no token has the id {id}")));
            }
        }
        Tensor::new(values, x.shape())
    }
}

//! Tokens that a text tower was not trained with: textual inversion (Gal et al. 2022,
//! arXiv:2208.01618).

use std::ops::Range;

use aquatint_tensor::Tensor;

/// Vectors for the ids that follow those of the table. They belong to whoever draws, not to the
/// model: they are no parameters and not saved.
#[derive(Clone, Debug, Default)]
pub(super) struct AddedTokens {
    /// `[n, D]`, if there are any.
    vectors: Option<Tensor>,
}

impl AddedTokens {
    /// Adds vectors `[n, D]` to those of a table with `rows` rows; their ids.
    pub fn add(&mut self, vectors: &Tensor, rows: usize) -> Range<u32> {
        let next = (rows + self.vectors.as_ref().map_or(0, Tensor::rows)) as u32;
        self.vectors = Some(match &self.vectors {
            Some(before) => Tensor::cat_rows([before, vectors]),
            None => vectors.clone(),
        });
        next..next + vectors.dim(0) as u32
    }

    /// Has these vectors in place of all.
    ///
    /// # Panics
    /// If there were more or fewer.
    #[track_caller]
    pub fn replace(&mut self, vectors: &Tensor) {
        let before = self.vectors.as_ref().map(Tensor::shape);
        assert_eq!(before, Some(vectors.shape()), "other vectors than were added");
        self.vectors = Some(vectors.clone());
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
        let added = self.vectors.as_ref().map_or(0, Tensor::rows);
        let chosen =
            ids.iter().enumerate().map(|(place, &id)| match (id as usize).checked_sub(rows) {
                None => place,
                Some(i) if i < added => ids.len() + i,
                Some(_) => panic!("no token has the id {id}"),
            });
        let (chosen, table) = (chosen.collect::<Vec<_>>(), x.reshape(&[ids.len(), x.channels()]));
        let all = Tensor::cat_rows([&table, self.vectors.as_ref().expect("one of them is used")]);
        all.select_rows(&chosen).reshape(x.shape())
    }
}

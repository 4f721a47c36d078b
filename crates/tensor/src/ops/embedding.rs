//! Rows looked up by number.

use crate::Tensor;
use crate::pool::Buffer;

impl Tensor {
    /// Rows of this table `[V, D]` by their numbers, in a tensor of shape `shape + [D]`.
    ///
    /// # Panics
    /// If a number is not below V, or `shape` does not hold as many places as there are numbers.
    #[track_caller]
    pub fn embedding(&self, ids: &[u32], shape: &[usize]) -> Tensor {
        let rows: Vec<usize> = ids.iter().map(|&id| id as usize).collect();
        let mut full = shape.to_vec();
        full.push(self.channels());
        self.select_rows(&rows).reshape(&full)
    }

    /// Rows of `[R, C]` by their numbers → `[len, C]`. A row may be chosen more than once.
    #[track_caller]
    pub fn select_rows(&self, rows: &[usize]) -> Tensor {
        let &[count, c] = self.shape() else { panic!("select_rows of {:?}", self.shape()) };
        let mut out = Buffer::stale(rows.len() * c);
        let numbers = self.storage().numbers().expect("a table is never prepared");
        for (out, &row) in out.chunks_exact_mut(c).zip(rows) {
            assert!(row < count, "row {row} of a table with {count} rows");
            numbers.widen(row * c..(row + 1) * c, out);
        }
        let rows = rows.to_vec();
        let shape = [rows.len(), c];
        Tensor::from_op([Some(self)], &shape, out, move |dy, _| {
            let mut table = Buffer::zeros(count * c);
            for (dy, &row) in dy.data().chunks_exact(c).zip(&rows) {
                for (sum, &d) in table[row * c..][..c].iter_mut().zip(dy) {
                    *sum += d;
                }
            }
            [Some(Tensor::from_buffer(table, &[count, c]))]
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::Rng;
    use crate::gradcheck::gradcheck;

    #[test]
    fn gradients() {
        let table = [Rng::new(8).randn(&[5, 3])];
        gradcheck(&table, 1e-3, |t| t[0].embedding(&[4, 0, 4, 2], &[2, 2]));
    }

    #[test]
    #[should_panic(expected = "row 5 of a table with 5 rows")]
    fn a_number_beyond_the_table_is_refused() {
        Rng::new(8).randn(&[5, 3]).embedding(&[5], &[1]);
    }
}

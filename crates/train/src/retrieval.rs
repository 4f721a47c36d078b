//! How often the right one is among the first few.

use aquatint_tensor::Tensor;

/// For similarities `[N, N]` of texts (rows) to pictures, where text i belongs to picture i: the
/// part of the texts whose picture is among the `k` most similar ones, for each k.
pub fn recalls<const K: usize>(similarity: &Tensor, ks: [usize; K]) -> [f64; K] {
    let count = similarity.dim(0);
    let values = similarity.to_vec();
    let ranks: Vec<usize> = values
        .chunks_exact(count)
        .enumerate()
        .map(|(i, row)| row.iter().filter(|&&other| other > row[i]).count())
        .collect();
    ks.map(|k| ranks.iter().filter(|&&rank| rank < k).count() as f64 / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks() {
        let similarity = Tensor::new(vec![0.9, 0.1, 0.2, 0.8, 0.5, 0.1, 0.3, 0.2, 0.1], &[3, 3]);
        assert_eq!(recalls(&similarity, [1, 2, 3]), [1.0 / 3.0, 2.0 / 3.0, 1.0]);
    }
}

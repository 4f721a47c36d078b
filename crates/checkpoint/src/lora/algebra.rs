//! The products that changes are made of.

use aquatint_tensor::Tensor;

/// a `[m, k]` · b `[k, n]` → `[m, n]`.
#[track_caller]
pub(super) fn matmul(a: &Tensor, b: &Tensor) -> Tensor {
    a.linear(&transposed(b), None)
}

/// `[m, n]` → `[n, m]`.
#[track_caller]
pub(super) fn transposed(x: &Tensor) -> Tensor {
    let &[rows, columns] = x.shape() else { panic!("a matrix of shape {:?}", x.shape()) };
    let values = x.to_vec();
    Tensor::from_fn(&[columns, rows], |i| values[i % rows * columns + i / rows])
}

/// Tucker's: core `[p, q, kh, kw]`, left `[p, out]`, right `[q, in]` → `[out, in, kh, kw]`,
/// Σ core_pq·left_po·right_qi.
#[track_caller]
pub(super) fn tucker(core: &Tensor, left: &Tensor, right: &Tensor) -> Tensor {
    let &[p, _, kh, kw] = core.shape() else { panic!("a core of shape {:?}", core.shape()) };
    let (outputs, inputs) = (left.dim(1), right.dim(1));
    let x = core.from_nchw().linear(&transposed(right), None);
    let y = matmul(&transposed(left), &x.reshape(&[p, kh * kw * inputs]));
    y.reshape(&[outputs, kh, kw, inputs]).to_nchw()
}

/// Kronecker's: a `[m, n]`, b `[o, i, ..]` → `[m·o, n·i, ..]`.
#[track_caller]
pub(super) fn kron(a: &Tensor, b: &Tensor) -> Tensor {
    let (&[m, n], [o, i, kernel @ ..]) = (a.shape(), b.shape()) else {
        panic!("a Kronecker product of {:?} and {:?}", a.shape(), b.shape())
    };
    let (o, row) = (*o, b.len() / b.dim(0).max(1));
    let (a, b) = (a.to_vec(), b.to_vec());
    let mut values = Vec::with_capacity(a.len() * b.len());
    for y in 0..m {
        for below in 0..o {
            for x in 0..n {
                let factor = a[y * n + x];
                values.extend(b[below * row..][..row].iter().map(|b| factor * b));
            }
        }
    }
    let shape: Vec<usize> = [m * o, n * i].into_iter().chain(kernel.iter().copied()).collect();
    Tensor::new(values, &shape)
}

/// The lengths of the columns (`of_columns`) or rows of a weight `[out, in, ..]`, as one factor for
/// each of its numbers: `wanted` / length (Liu et al. 2024, "DoRA", equation 5).
#[track_caller]
pub(super) fn rescaled(weight: &Tensor, wanted: &[f32], of_inputs: bool) -> Tensor {
    let (outputs, inputs) = (weight.dim(0), weight.dim(1));
    let pixels = weight.len() / (outputs * inputs).max(1);
    let values = weight.to_vec();
    let line = |at: usize| if of_inputs { at / pixels % inputs } else { at / (inputs * pixels) };
    let mut squares = vec![0f64; wanted.len()];
    values.iter().enumerate().for_each(|(at, x)| squares[line(at)] += f64::from(x * x));
    let factors: Vec<f32> = squares
        .iter()
        .zip(wanted)
        // A line of zeros has no direction; it stays what it is.
        .map(|(&s, &m)| if s > 0.0 { (f64::from(m) / s.sqrt()) as f32 } else { 1.0 })
        .collect();
    Tensor::from_fn(weight.shape(), |at| values[at] * factors[line(at)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use aquatint_tensor::Rng;

    #[test]
    fn products_by_their_definitions() {
        let mut rng = Rng::new(1);
        let (core, left, right) =
            (rng.randn(&[2, 3, 2, 2]), rng.randn(&[2, 4]), rng.randn(&[3, 5]));
        let (c, l, r) = (core.to_vec(), left.to_vec(), right.to_vec());
        let exact = Tensor::from_fn(&[4, 5, 2, 2], |at| {
            let (o, i, k) = (at / 20, at / 4 % 5, at % 4);
            let terms = (0..6).map(|pq| c[pq * 4 + k] * l[pq / 3 * 4 + o] * r[pq % 3 * 5 + i]);
            terms.sum()
        });
        assert!(tucker(&core, &left, &right).sub(&exact).max_abs() < 1e-5);

        let (a, b) = (rng.randn(&[2, 3]), rng.randn(&[4, 5, 2]));
        let (x, y) = (a.to_vec(), b.to_vec());
        let exact = Tensor::from_fn(&[8, 15, 2], |at| {
            let (row, column, k) = (at / 30, at / 2 % 15, at % 2);
            x[row / 4 * 3 + column / 5] * y[(row % 4 * 5 + column % 5) * 2 + k]
        });
        assert_eq!(kron(&a, &b).shape(), exact.shape());
        assert_eq!(kron(&a, &b).to_vec(), exact.to_vec());
    }

    #[test]
    fn lengths_of_rows_and_columns() {
        let weight = Tensor::new(vec![3.0, 4.0, 0.0, 0.0, 6.0, 8.0], &[3, 2]);
        let rows = rescaled(&weight, &[10.0, 7.0, 1.0], false).to_vec();
        let expected = [6.0, 8.0, 0.0, 0.0, 0.6, 0.8];
        assert!(rows.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{rows:?}");
        let weight = Tensor::new(vec![3.0, 0.0, 4.0, 2.0], &[2, 2]);
        let columns = rescaled(&weight, &[1.0, 1.0], true).to_vec();
        assert!(columns.iter().zip([0.6, 0.0, 0.8, 1.0]).all(|(a, b)| (a - b).abs() < 1e-6));
    }
}

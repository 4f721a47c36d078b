//! Precision and recall (Kynkäänniemi et al. 2019, equations 1 and 2), density and coverage (Naeem
//! et al. 2020, equations 4 and 5): each set of features is taken for the balls around its points
//! that reach to the k-th neighbour.

use aquatint_tensor::Tensor;

/// Which part of one set is inside the balls of the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Manifolds {
    /// Part of the pictures that are inside a ball of the reference.
    pub precision: f64,
    /// Part of the reference that is inside a ball of the pictures.
    pub recall: f64,
    /// Balls of the reference that a picture is in, over k; may be more than 1.
    pub density: f64,
    /// Part of the reference whose ball has a picture in it.
    pub coverage: f64,
}

/// Rows of a table of distances that are in memory at once.
const ROWS: usize = 512;

/// Of features `[N, n]` of pictures and `[M, n]` of a reference, with balls that reach to the `k`-th
/// neighbour. As in the package prdc, what is on the edge of a ball is outside.
///
/// # Panics
/// If a set has no more than `k` pictures, or k is 0.
#[track_caller]
pub fn manifolds(pictures: &[f32], reference: &[f32], n: usize, k: usize) -> Manifolds {
    let (count, others) = (pictures.len() / n, reference.len() / n);
    assert!(0 < k && k < count.min(others), "neighbour {k} of {count} and {others} pictures");
    let [x, y] = centred([pictures, reference], n);
    let (own, real) = (radii(&x, k), radii(&y, k));
    let (mut precise, mut inside, mut recalled, mut covered) = (0, 0, 0, 0);
    let mut balls = vec![0usize; count];
    rows_of_distances(&y, &x, |i, row| {
        let hits = row.iter().enumerate().filter(|(_, d)| **d < real[i]);
        let mut any = false;
        for (j, _) in hits {
            balls[j] += 1;
            any = true;
        }
        covered += usize::from(any);
        recalled += usize::from(row.iter().zip(&own).any(|(d, radius)| d < radius));
    });
    for balls in balls {
        precise += usize::from(balls > 0);
        inside += balls;
    }
    let part = |hits: usize, of: usize| hits as f64 / of as f64;
    Manifolds {
        precision: part(precise, count),
        recall: part(recalled, others),
        density: part(inside, count * k),
        coverage: part(covered, others),
    }
}

/// A picture of the reference and its distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// Which.
    pub index: usize,
    /// The Euclidean distance of the features.
    pub distance: f64,
}

/// For each of the features `[N, n]` the `k` nearest of the reference `[M, n]`, nearest first.
pub fn nearest(pictures: &[f32], reference: &[f32], n: usize, k: usize) -> Vec<Vec<Neighbour>> {
    let [x, y] = centred([pictures, reference], n);
    let mut found = Vec::with_capacity(pictures.len() / n);
    rows_of_distances(&x, &y, |_, row| {
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|&a, &b| row[a].total_cmp(&row[b]));
        order.truncate(k);
        let neighbour = |index| Neighbour { index, distance: row[index].sqrt() };
        found.push(order.into_iter().map(neighbour).collect());
    });
    found
}

/// Features `[N, n]` less a common mean, so that products of f32 lose less, and their squares.
struct Points {
    rows: Tensor,
    squares: Vec<f64>,
}

fn centred(sets: [&[f32]; 2], n: usize) -> [Points; 2] {
    let mut mean = vec![0.0; n];
    let count = sets[1].len() / n;
    for row in sets[1].chunks_exact(n) {
        mean.iter_mut().zip(row).for_each(|(mean, &x)| *mean += f64::from(x) / count as f64);
    }
    sets.map(|set| {
        let numbers = set.iter().enumerate().map(|(i, &x)| (f64::from(x) - mean[i % n]) as f32);
        let rows: Vec<f32> = numbers.collect();
        let square = |row: &[f32]| row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        let squares = rows.chunks_exact(n).map(square).collect();
        Points { rows: Tensor::new(rows, &[set.len() / n, n]), squares }
    })
}

/// The squared distance of each point to the `k`-th of the others.
fn radii(x: &Points, k: usize) -> Vec<f64> {
    let mut radii = Vec::with_capacity(x.squares.len());
    rows_of_distances(x, x, |i, row| {
        row[i] = f64::NEG_INFINITY;
        radii.push(*row.select_nth_unstable_by(k, f64::total_cmp).1);
    });
    radii
}

/// Calls `each` with the index of every point of x and its squared distances to all of y.
fn rows_of_distances(x: &Points, y: &Points, mut each: impl FnMut(usize, &mut [f64])) {
    let (count, others) = (x.squares.len(), y.squares.len());
    for start in (0..count).step_by(ROWS) {
        let products = x.rows.narrow_rows(start, ROWS.min(count - start)).linear(&y.rows, None);
        for (i, products) in products.to_vec().chunks_exact(others).enumerate() {
            let own = x.squares[start + i];
            let distance = |(&xy, yy): (&f32, &f64)| (own + yy - 2.0 * f64::from(xy)).max(0.0);
            let mut row: Vec<f64> = products.iter().zip(&y.squares).map(distance).collect();
            each(start + i, &mut row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_on_a_line() {
        // Balls of the reference have radius 1; those of the pictures 4.5, 0.5, 0.5 and 14.5.
        let reference = [0.0, 1.0, 10.0, 11.0];
        let found = manifolds(&[0.5, 5.0, 5.5, 20.0], &reference, 1, 1);
        assert_eq!((found.precision, found.recall), (0.25, 1.0));
        assert_eq!((found.density, found.coverage), (0.5, 0.5));
        let same = manifolds(&reference, &reference, 1, 2);
        assert_eq!((same.precision, same.recall, same.coverage), (1.0, 1.0, 1.0));
    }

    #[test]
    fn neighbours_are_in_order() {
        let found = nearest(&[2.0, 9.0], &[0.0, 10.0, 3.0], 1, 2);
        let indices: Vec<Vec<usize>> =
            found.iter().map(|row| row.iter().map(|n| n.index).collect()).collect();
        assert_eq!(indices, [[2, 0], [1, 2]]);
        assert!((found[0][1].distance - 2.0).abs() < 1e-6);
    }
}

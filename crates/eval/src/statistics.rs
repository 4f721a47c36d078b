//! Means and covariances of features, one picture after the other.

use std::path::Path;

use aquatint_checkpoint::LoadError;
use aquatint_checkpoint::npz::{Floats, Npz, save_npz};

use crate::EvalError;
use crate::linear::add_outer_products;

/// The mean `[n]` and the covariance `[n, n]` of features.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// The mean.
    pub mean: Vec<f64>,
    /// The covariance, divided by the number of pictures less one, as `numpy.cov` has it.
    pub covariance: Vec<f64>,
}

impl Statistics {
    /// Reads `mu` and `sigma` of an `.npz` file, as pytorch-fid and its predecessor write them.
    ///
    /// # Errors
    /// If the file is no such file, or they do not fit each other.
    pub fn read(npz: &Npz, file: &Path) -> Result<Self, EvalError> {
        let (mean, covariance) = (npz.array("mu")?, npz.array("sigma")?);
        let n = mean.values.len();
        let unusable = |reason: String| {
            let file = file.display().to_string();
            EvalError::File(LoadError::Unusable { file, reason })
        };
        if mean.shape.len() != 1 || covariance.shape != [n, n] {
            let (mu, sigma) = (mean.shape, covariance.shape);
            let reason = format!("`mu` is {mu:?} and `sigma` {sigma:?}, not [n] and [n, n]");
            return Err(unusable(reason));
        }
        if mean.values.iter().chain(&covariance.values).any(|x| !x.is_finite()) {
            return Err(unusable("its statistics are not all finite numbers".into()));
        }
        Ok(Self { mean: mean.values, covariance: covariance.values })
    }

    /// Writes an `.npz` file with `mu` and `sigma`, and with the `features` `[N, n]` if they are
    /// given.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(&self, path: &Path, features: Option<&[f32]>) -> std::io::Result<()> {
        let n = self.mean.len();
        let rows = features.map_or(0, |features| features.len() / n.max(1));
        let (square, tall) = ([n, n], [rows, n]);
        let mut arrays: Vec<(&str, &[usize], Floats<'_>)> = vec![
            ("mu", &square[..1], Floats::F64(&self.mean)),
            ("sigma", &square, Floats::F64(&self.covariance)),
        ];
        arrays.extend(features.map(|all| ("features", &tall[..], Floats::F32(all))));
        save_npz(path, &arrays)
    }
}

/// Pictures whose features are summed together.
const BLOCK: usize = 64;

/// Running sums: their memory does not depend on the number of pictures.
///
/// Blocks are merged by the formula of Chan, Golub and LeVeque (1979, "Updating formulae and a
/// pairwise algorithm for computing sample variances", equation 1.5), which does not subtract large
/// numbers from each other.
pub struct Moments {
    count: usize,
    mean: Vec<f64>,
    /// Σ(x − mean)·(x − mean)ᵀ, on and above the diagonal.
    scatter: Vec<f64>,
    waiting: Vec<f64>,
}

impl Moments {
    /// Of `n` features, so far of no picture.
    ///
    /// # Panics
    /// If there are no features.
    #[track_caller]
    pub fn new(n: usize) -> Self {
        assert!(n > 0, "no features");
        Self { count: 0, mean: vec![0.0; n], scatter: vec![0.0; n * n], waiting: Vec::new() }
    }

    /// Pictures so far.
    pub fn count(&self) -> usize {
        self.count + self.waiting.len() / self.mean.len()
    }

    /// Adds the features of some pictures, `[N, n]`. The result does not depend on how they are
    /// divided among calls.
    pub fn add(&mut self, features: &[f32]) {
        for picture in features.chunks_exact(self.mean.len()) {
            self.waiting.extend(picture.iter().copied().map(f64::from));
            if self.waiting.len() == BLOCK * self.mean.len() {
                self.merge();
            }
        }
    }

    fn merge(&mut self) {
        let n = self.mean.len();
        let mut block = std::mem::take(&mut self.waiting);
        let (before, new) = (self.count as f64, (block.len() / n) as f64);
        if block.is_empty() {
            return;
        }
        let mut mean = vec![0.0; n];
        for row in block.chunks_exact(n) {
            mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += x / new);
        }
        for row in block.chunks_exact_mut(n) {
            row.iter_mut().zip(&mean).for_each(|(x, mean)| *x -= mean);
        }
        // How far the means are apart is one more row.
        let weight = (before * new / (before + new)).sqrt();
        let apart: Vec<f64> = mean.iter().zip(&self.mean).map(|(a, b)| a - b).collect();
        block.extend(apart.iter().map(|x| weight * x));
        add_outer_products(&mut self.scatter, &block, n);
        let part = new / (before + new);
        self.mean.iter_mut().zip(apart).for_each(|(mean, apart)| *mean += part * apart);
        self.count += new as usize;
        block.clear();
        self.waiting = block;
    }

    /// What they are statistics of. One picture has no covariance: there it is NaN.
    pub fn finish(mut self) -> Statistics {
        self.merge();
        let n = self.mean.len();
        let divisor = if self.count > 1 { (self.count - 1) as f64 } else { f64::NAN };
        let upper = |i: usize| {
            let (row, column) = (i / n, i % n);
            self.scatter[row.min(column) * n + row.max(column)] / divisor
        };
        let covariance = (0..n * n).map(upper).collect();
        Statistics { mean: self.mean, covariance }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(count: usize, n: usize) -> Vec<f32> {
        (0..count * n).map(|i| 1e4 + ((i * 7919 + i * i) % 1009) as f32 / 100.0).collect()
    }

    #[test]
    fn moments_are_those_of_the_definition_however_they_come() {
        let (count, n) = (150, 5);
        let x = features(count, n);
        let mut all = Moments::new(n);
        all.add(&x);
        assert_eq!(all.count(), count);
        let mut parts = Moments::new(n);
        x.chunks(7 * n).for_each(|part| parts.add(part));
        let found = all.finish();
        assert_eq!(found, parts.finish());
        let column = |j: usize| x.iter().skip(j).step_by(n).map(|&x| f64::from(x));
        let mean: Vec<f64> = (0..n).map(|j| column(j).sum::<f64>() / count as f64).collect();
        for i in 0..n {
            assert!((found.mean[i] - mean[i]).abs() < 1e-9);
            for j in 0..n {
                let pairs = column(i).zip(column(j));
                let sum: f64 = pairs.map(|(a, b)| (a - mean[i]) * (b - mean[j])).sum();
                let error = found.covariance[i * n + j] - sum / (count - 1) as f64;
                assert!(error.abs() < 1e-9, "{i}, {j}: {error}");
            }
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let x = features(20, 3);
        let mut moments = Moments::new(3);
        moments.add(&x);
        let statistics = moments.finish();
        statistics.write(&path, Some(&x)).unwrap();
        let npz = Npz::open(&path).unwrap();
        assert_eq!(Statistics::read(&npz, &path).unwrap(), statistics);
        assert_eq!(npz.array("features").unwrap().shape, [20, 3]);
        let torn = Statistics { mean: vec![1.0, f64::NAN], covariance: vec![0.0; 4] };
        torn.write(&path, None).unwrap();
        let error = Statistics::read(&Npz::open(&path).unwrap(), &path).unwrap_err().to_string();
        assert!(error.contains("not all finite"), "{error}");
    }
}

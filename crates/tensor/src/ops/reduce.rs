//! Many numbers to one.

use aquatint_kernels::{elementwise, reduce};

use crate::Tensor;

impl Tensor {
    /// The sum of all numbers.
    pub fn sum(&self) -> Tensor {
        let shape = self.shape().to_vec();
        let sum = vec![reduce::sum(self.data())];
        Tensor::from_op([Some(self)], &[1], sum.into(), move |dy, _| {
            [Some(Tensor::full(&shape, dy.item()))]
        })
    }

    /// The mean of all numbers.
    pub fn mean(&self) -> Tensor {
        self.sum().scale(1.0 / self.len() as f32)
    }

    /// Whether every number is finite.
    pub fn finite(&self) -> bool {
        reduce::is_finite(self.data())
    }

    /// The sum of the squares, in f64. Not differentiable: see [`Tensor::sqr`].
    pub fn sum_of_squares(&self) -> f64 {
        reduce::sum_of_squares(self.data())
    }

    /// The largest absolute value; 0 if there are no numbers.
    pub fn max_abs(&self) -> f32 {
        self.data().iter().fold(0.0, |most, x| most.max(x.abs()))
    }

    /// The largest number of each row of `[.., C]` and its first place in the row. Not
    /// differentiable.
    pub fn row_maxima(&self) -> Vec<(usize, f32)> {
        reduce::row_maxima(self.data(), self.channels())
    }

    /// `self += s · other` in place. Not differentiable: for averages and optimizers.
    ///
    /// # Panics
    /// If the tensor is tracked.
    #[track_caller]
    pub fn axpy(&mut self, s: f32, other: &Tensor) {
        assert!(!self.is_tracked(), "a tracked tensor cannot be changed in place");
        assert_eq!(self.shape(), other.shape(), "axpy of different shapes");
        elementwise::axpy(self.data_mut(), s, other.data());
    }
}

#[cfg(test)]
mod tests {
    use crate::gradcheck::gradcheck;
    use crate::{Rng, Tensor};

    #[test]
    fn gradients() {
        let x = [Rng::new(10).randn(&[4, 6])];
        gradcheck(&x, 1e-3, |t| t[0].sum());
        gradcheck(&x, 1e-3, |t| t[0].sqr().mean());
    }

    #[test]
    fn in_place_sums_leave_copies_alone() {
        let x = Tensor::new(vec![1.0, 2.0], &[2]);
        let mut y = x.clone();
        y.axpy(2.0, &x);
        assert_eq!((x.to_vec(), y.to_vec()), (vec![1.0, 2.0], vec![3.0, 6.0]));
    }
}

//! Batch normalization.

use aquatint_tensor::Tensor;

use crate::{Init, Module, Param};

/// Weight of a batch in the running statistics: PyTorch's default.
const MOMENTUM: f32 = 0.1;

/// Batch normalization (Ioffe & Szegedy 2015): each channel over all pictures and pixels.
#[derive(Clone, Debug, Module)]
pub struct BatchNorm2d {
    /// `[channels]`
    pub weight: Param,
    /// `[channels]`
    pub bias: Param,
    /// Running mean of the batches' means, `[channels]`. No loss depends on it.
    pub running_mean: Param,
    /// Running mean of the batches' variances, `[channels]`. No loss depends on it.
    pub running_var: Param,
    #[module(skip)]
    eps: f32,
}

impl BatchNorm2d {
    /// Normalizes `channels`.
    pub fn new(channels: usize, eps: f32) -> Self {
        let param = |init| Param::new(&[channels], init);
        Self {
            weight: param(Init::Ones),
            bias: param(Init::Zeros),
            running_mean: param(Init::Zeros),
            running_var: param(Init::Ones),
            eps,
        }
    }

    /// x `[N, .., C]` → the same shape, normalized by the moments of this batch: in training.
    #[track_caller]
    pub fn forward_batch(&self, x: &Tensor) -> Tensor {
        let c = x.channels();
        // A group normalization of one picture that has the pixels of all, a channel to a group.
        let all = x.reshape(&[1, x.rows(), c]);
        all.group_norm(c, self.weight.value(), self.bias.value(), self.eps).reshape(x.shape())
    }

    /// Adds the moments of a batch x `[N, .., C]` to the running ones.
    #[track_caller]
    pub fn observe(&mut self, x: &Tensor) {
        let (rows, c) = (x.rows(), x.channels());
        let all = x.detach().reshape(&[1, rows, c]);
        let mean = all.mean_per_picture();
        let centred = all.add_per_picture(&mean.scale(-1.0));
        let variance = centred.sqr().mean_per_picture();
        // PyTorch normalizes by the variance of the batch, and keeps the estimate of that of all.
        let unbiased = rows as f32 / (rows as f32 - 1.0).max(1.0);
        for (running, new) in
            [(&mut self.running_mean, mean), (&mut self.running_var, variance.scale(unbiased))]
        {
            let old = running.value().detach().scale(1.0 - MOMENTUM);
            running.set(old.add(&new.reshape(&[c]).scale(MOMENTUM)));
        }
    }

    /// The scale and the shift of each channel by which it stands for itself in inference:
    /// `y = x · scale + shift`, by the running statistics.
    pub fn scale_and_shift(&self) -> [Vec<f32>; 2] {
        let all = [&self.weight, &self.bias, &self.running_mean, &self.running_var];
        let [weight, bias, mean, variance] = all.map(|param| param.value().to_vec());
        let channels = 0..weight.len();
        let scale: Vec<f32> =
            channels.clone().map(|c| weight[c] / (variance[c] + self.eps).sqrt()).collect();
        let shift = channels.map(|c| bias[c] - mean[c] * scale[c]).collect();
        [scale, shift]
    }
}

#[cfg(test)]
mod tests {
    use aquatint_tensor::Rng;
    use aquatint_tensor::gradcheck::gradcheck;

    use super::*;
    use crate::ModuleExt;

    fn norm(weight: &Tensor, bias: &Tensor) -> BatchNorm2d {
        let mut norm = BatchNorm2d::new(weight.len(), 1e-5);
        norm.init(1);
        norm.weight.set(weight.clone());
        norm.bias.set(bias.clone());
        norm
    }

    #[test]
    fn gradients() {
        let mut rng = Rng::new(2);
        let inputs = [rng.randn(&[3, 2, 4, 5]), rng.randn(&[5]), rng.randn(&[5])];
        let constant = Tensor::full(&[5], 1.0);
        gradcheck(&inputs[..1], 3e-3, |t| norm(&constant, &constant).forward_batch(&t[0]));
        // The parameters: through a layer that holds the tracked ones.
        let mut layer = norm(&inputs[1], &inputs[2]);
        layer.track();
        let y = layer.forward_batch(&inputs[0]);
        let direction = rng.randn(y.shape());
        let grads = y.mul(&direction).sum().backward();
        let flat = inputs[0].reshape(&[24, 5]);
        let hat = norm(&constant, &Tensor::zeros(&[5])).forward_batch(&flat);
        let columns = |x: &Tensor| x.reshape(&[1, 24, 5]).mean_per_picture().scale(24.0);
        let direction = direction.reshape(&[24, 5]);
        let close = |param: &Param, expected: Tensor| {
            let grad = grads.get(param.value()).expect("a gradient");
            assert!(grad.sub(&expected.reshape(&[5])).max_abs() < 1e-4);
        };
        close(&layer.weight, columns(&direction.mul(&hat)));
        close(&layer.bias, columns(&direction));
        assert!(grads.get(layer.running_mean.value()).is_none());
    }

    #[test]
    fn running_statistics_as_pytorch_keeps_them() {
        let mut norm = norm(&Tensor::full(&[1], 3.0), &Tensor::full(&[1], 0.5));
        norm.track();
        // Mean 3, variance 5 of these four, 20/3 as an estimate.
        let x = Tensor::new(vec![0.0, 2.0, 4.0, 6.0], &[2, 2, 1, 1]);
        norm.observe(&x);
        let close = |actual: f32, expected: f32| assert!((actual - expected).abs() < 1e-6);
        close(norm.running_mean.value().item(), 0.3);
        close(norm.running_var.value().item(), 0.9 + 2.0 / 3.0);
        assert!(norm.running_var.is_tracked());
        let [scale, shift] = norm.scale_and_shift();
        close(scale[0], 3.0 / (0.9 + 2.0 / 3.0 + 1e-5f32).sqrt());
        close(shift[0], 0.5 - 0.3 * scale[0]);
    }
}

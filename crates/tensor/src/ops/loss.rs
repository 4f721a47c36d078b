//! Cross entropy, and the normalisation that goes with CLIP's.

use aquatint_kernels::loss;

use crate::Tensor;
use crate::pool::Buffer;

impl Tensor {
    /// The mean of `−log softmax(x)[target]` over the rows of x `[R, C]`.
    #[track_caller]
    pub fn cross_entropy(&self, targets: &[usize]) -> Tensor {
        let &[rows, cols] = self.shape() else { panic!("cross_entropy of {:?}", self.shape()) };
        assert_eq!(targets.len(), rows, "cross_entropy targets for x {:?}", self.shape());
        assert!(targets.iter().all(|&t| t < cols), "a target beyond x {:?}", self.shape());
        let mut probs = Buffer::stale(self.len());
        let value = loss::cross_entropy(self.data(), targets, &mut probs, [rows, cols]);
        let targets = targets.to_vec();
        Tensor::from_op([Some(self)], &[1], vec![value].into(), move |dy, _| {
            let mut dx = Buffer::stale(probs.len());
            loss::cross_entropy_grad(&probs, &targets, dy.item(), &mut dx, [rows, cols]);
            [Some(Tensor::from_buffer(dx, &[rows, cols]))]
        })
    }

    /// Each row of x `[.., C]` divided by its length.
    pub fn l2_normalize(&self) -> Tensor {
        let size = [self.rows(), self.channels()];
        let mut out = Buffer::stale(self.len());
        let mut norms = vec![0.0; size[0]];
        loss::l2_normalize(self.data(), &mut out, &mut norms, size);
        let out = Tensor::from_buffer(out, self.shape());
        let saved = out.clone();
        out.with_backward([Some(self)], move |dy, _| {
            let mut dx = Buffer::stale(saved.len());
            loss::l2_normalize_grad(saved.data(), &norms, dy.data(), &mut dx, size);
            [Some(Tensor::from_buffer(dx, saved.shape()))]
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::gradcheck::gradcheck;
    use crate::{Rng, Tensor};

    #[test]
    fn gradients() {
        let x = [Rng::new(11).randn(&[3, 5])];
        gradcheck(&x, 1e-3, |t| t[0].cross_entropy(&[4, 0, 2]));
        gradcheck(&x, 1e-3, |t| t[0].l2_normalize());
    }

    #[test]
    fn equal_logits_lose_log_of_their_number() {
        let loss = Tensor::zeros(&[2, 8]).cross_entropy(&[1, 7]).item();
        assert!((loss - 8f32.ln()).abs() < 1e-6);
    }
}

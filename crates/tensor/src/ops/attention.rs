//! Scaled dot-product attention over several heads.

use aquatint_kernels::attention::{self, AttentionShape};
use aquatint_kernels::{ActivationsMut, Precision};

use crate::Tensor;
use crate::pool::Buffer;
use crate::storage::Storage;

/// Which keys a query may look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// All of them.
    None,
    /// Those at its own position and before: text encoders.
    Causal,
}

impl Tensor {
    /// `softmax(q·kᵀ / √d) · v` in each of `heads` heads (Vaswani et al. 2017, equation 1).
    ///
    /// self is q `[B, Tq, C]`, k and v are `[B, Tk, C]`; heads lie side by side in the channels,
    /// d = C / heads. → `[B, Tq, C]`.
    ///
    /// Products are formed in the precision of q, which is that of the layer that made it. If
    /// gradients are wanted they are formed in f32, because the way back forms them again so, and
    /// relies on finding the same probabilities. If q is [rounded](crate::Epilogue::then_rounded),
    /// so may be the result, for the layer that follows.
    #[track_caller]
    pub fn attention(&self, k: &Tensor, v: &Tensor, heads: usize, mask: Mask) -> Tensor {
        self.attention_of(k, v, heads, mask, false)
    }

    /// [`Tensor::attention`] for inference in 8 bits: where that is faster, queries and keys are
    /// rounded to bytes. If gradients are wanted there is no difference.
    #[track_caller]
    pub fn attention_int8(&self, k: &Tensor, v: &Tensor, heads: usize, mask: Mask) -> Tensor {
        self.attention_of(k, v, heads, mask, true)
    }

    #[track_caller]
    fn attention_of(
        &self,
        k: &Tensor,
        v: &Tensor,
        heads: usize,
        mask: Mask,
        bytes: bool,
    ) -> Tensor {
        let (&[batch, tq, c], &[kb, tk, kc]) = (self.shape(), k.shape()) else {
            panic!("attention: q {:?}, k {:?}", self.shape(), k.shape())
        };
        assert!(
            batch == kb && c == kc && k.shape() == v.shape() && c % heads == 0,
            "attention with {heads} heads: q {:?}, k {:?}, v {:?}",
            self.shape(),
            k.shape(),
            v.shape()
        );
        let d = c / heads;
        let s = AttentionShape { batch, heads, tq, tk, d, causal: mask == Mask::Causal };
        let scale = 1.0 / (d as f32).sqrt();
        let tracked = [self, k, v].into_iter().any(Tensor::is_tracked);
        let precision = if tracked { Precision::F32 } else { self.precision() };
        let qkv = [self, k, v];
        // Pairs must not span heads, nor come to those who do not read them.
        let wide = qkv.map(|x| if Self::rounds(precision, d) { None } else { x.widened() });
        let [q, k, v] = std::array::from_fn(|i| wide[i].as_ref().unwrap_or(qkv[i]));
        let qkv = [q, k, v].map(Tensor::activations);
        if matches!(q.storage(), Storage::Rounded(_)) {
            let mut out = Buffer::stale(self.len() / 2);
            let to = ActivationsMut::Bf16(&mut out);
            if bytes {
                attention::attention_int8(&s, scale, qkv, to);
            } else {
                attention::attention_with(precision, &s, scale, qkv, to);
            }
            return Tensor::from_rounded(out, self.shape()).with_precision(precision);
        }
        let mut out = Buffer::stale(self.len());
        attention::attention_with(precision, &s, scale, qkv, ActivationsMut::F32(&mut out));
        let [q, k, v] = [q, k, v];
        let out = Tensor::from_buffer(out, self.shape());
        let saved = [q.detach(), k.detach(), v.detach(), out.clone()];
        out.with_backward([Some(q), Some(k), Some(v)], move |dy, needed| {
            let [q, k, v, out] = &saved;
            let [mut dq, mut dk, mut dv] = [q, k, v].map(|t| Buffer::stale(t.len()));
            attention::attention_grad(
                &s,
                scale,
                q.data(),
                k.data(),
                v.data(),
                out.data(),
                dy.data(),
                &mut dq,
                &mut dk,
                &mut dv,
            );
            let [a, b, c] = needed;
            [
                a.then(|| Tensor::from_buffer(dq, q.shape())),
                b.then(|| Tensor::from_buffer(dk, k.shape())),
                c.then(|| Tensor::from_buffer(dv, v.shape())),
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Mask;
    use crate::gradcheck::gradcheck;
    use crate::{Precision, Rng};

    #[test]
    fn gradients() {
        let mut rng = Rng::new(5);
        let inputs = [rng.randn(&[2, 5, 8]), rng.randn(&[2, 7, 8]), rng.randn(&[2, 7, 8])];
        gradcheck(&inputs, 3e-3, |t| t[0].attention(&t[1], &t[2], 2, Mask::None));
        let inputs = [rng.randn(&[2, 5, 8]), rng.randn(&[2, 5, 8]), rng.randn(&[2, 5, 8])];
        gradcheck(&inputs, 3e-3, |t| t[0].attention(&t[1], &t[2], 4, Mask::Causal));
    }

    #[test]
    fn precision_is_that_of_the_layer_unless_gradients_are_wanted() {
        let mut rng = Rng::new(6);
        let [x, k, v] = [(); 3].map(|()| rng.randn(&[1, 40, 16]));
        let weight = rng.randn(&[16, 16]);
        let q = x.linear(&weight, None);
        let exact = q.attention(&k, &v, 2, Mask::None).to_vec();
        let rounded = q.clone().with_precision(Precision::Bf16);
        let close = rounded.attention(&k, &v, 2, Mask::None).to_vec();
        assert_ne!(close, exact);
        assert!(close.iter().zip(&exact).all(|(a, b)| (a - b).abs() < 0.1));
        assert_eq!(rounded.attention(&k, &v.tracked(), 2, Mask::None).to_vec(), exact);

        let q = x.linear(&weight.with_precision(Precision::Bf16), None);
        assert_eq!(q.precision(), Precision::Bf16);
        assert_eq!(q.reshape(&[2, 20, 16]).precision(), Precision::Bf16);
    }
}

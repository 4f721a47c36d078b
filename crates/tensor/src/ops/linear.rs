//! `y = x · wᵀ + b`: the product at the heart of every layer.

use aquatint_kernels::{self as kernels, ActivationsMut, Nonlinearity, gemm, reduce};

use crate::Tensor;
use crate::pool::Buffer;
use crate::storage::Storage;

/// What follows a linear layer. With a prepared weight it is one pass, and nothing but the end result
/// comes into memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// The activation.
    pub nonlinearity: Nonlinearity,
    /// Added after it.
    pub residual: Option<&'a Tensor>,
    /// See [`Self::then_rounded`].
    pub rounded: bool,
}

impl<'a> Epilogue<'a> {
    /// An activation.
    pub fn activation(nonlinearity: Nonlinearity) -> Self {
        Self { nonlinearity, ..Self::default() }
    }

    /// `residual + y`.
    pub fn add(residual: &'a Tensor) -> Self {
        Self { residual: Some(residual), ..Self::default() }
    }

    /// Nothing but [rounding](Self::then_rounded).
    pub fn rounded() -> Self {
        Self::default().then_rounded()
    }

    /// Says that only products in the precision of this layer will read the result, by
    /// [`Tensor::linear`], [`Tensor::linear_with`] and [`Tensor::attention`]. It may then be rounded
    /// as they would round it, and take half the memory.
    pub fn then_rounded(self) -> Self {
        Self { rounded: true, ..self }
    }
}

impl Tensor {
    /// `x · weightᵀ + bias`: x `[.., in]`, weight `[out, in]`, bias `[out]` → `[.., out]`.
    ///
    /// Products are formed in the weight's precision, and the result keeps it for the attention it
    /// may go into. A weight of 16 bits is widened for the product and for its way back.
    #[track_caller]
    pub fn linear(&self, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
        if matches!(self.storage(), Storage::Rounded(_)) {
            return self.linear_with(weight, bias, &Epilogue::default());
        }
        let &[n, k] = weight.shape() else { panic!("linear weight of shape {:?}", weight.shape()) };
        assert_eq!(self.channels(), k, "linear: x {:?}, weight {:?}", self.shape(), weight.shape());
        if let Some(bias) = bias {
            assert_eq!(bias.shape(), [n], "linear bias for weight {:?}", weight.shape());
        }
        let size = [self.rows(), k, n];
        let precision = weight.precision();
        let mut out = Buffer::stale(size[0] * n);
        let mut shape = self.shape().to_vec();
        *shape.last_mut().expect("x has a last dimension") = n;
        let (x, b) = (self.data(), bias.map(Tensor::data));
        if let Storage::Prepared(weight) = weight.storage() {
            weight.apply_linear(x, b, &mut out, size[0]);
            let out = Tensor::without_backward([Some(self), bias], &shape, out);
            return out.with_precision(precision);
        }
        gemm::linear(precision, x, weight.clone().in_f32().data(), b, &mut out, size);
        let (x, w) = (self.detach(), weight.detach());
        let y = Tensor::from_buffer(out, &shape).with_precision(precision);
        y.with_backward([Some(self), Some(weight), bias], move |dy, [a, b, c]| {
            [
                a.then(|| {
                    let mut dx = Buffer::stale(x.len());
                    let w = w.clone().in_f32();
                    gemm::linear_input_grad(precision, dy.data(), w.data(), &mut dx, size);
                    Tensor::from_buffer(dx, x.shape())
                }),
                b.then(|| {
                    let mut dw = Buffer::stale(w.len());
                    gemm::linear_weight_grad(precision, x.data(), dy.data(), &mut dw, size);
                    Tensor::from_buffer(dw, w.shape())
                }),
                c.then(|| {
                    let mut db = Buffer::stale(n);
                    reduce::sum_rows(dy.data(), &mut db, [size[0], n]);
                    Tensor::from_buffer(db, &[n])
                }),
            ]
        })
    }

    /// What `epilogue` makes of [`Tensor::linear`]. The weight may also be that of a convolution of
    /// single pixels, `[out, in, 1, 1]`.
    #[track_caller]
    pub fn linear_with(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        epilogue: &Epilogue,
    ) -> Tensor {
        let &(&[rows, k] | &[rows, k, 1, 1]) = &weight.shape() else {
            panic!("linear weight of shape {:?}", weight.shape())
        };
        assert_eq!(self.channels(), k, "linear: x {:?}, weight {:?}", self.shape(), weight.shape());
        let Storage::Prepared(prepared) = weight.storage() else {
            let x = self.widened();
            return x.as_ref().unwrap_or(self).linear_then(weight, bias, epilogue);
        };
        let &Epilogue { nonlinearity, residual, rounded } = epilogue;
        let n = if nonlinearity == Nonlinearity::Geglu { rows / 2 } else { rows };
        let mut shape = self.shape().to_vec();
        *shape.last_mut().expect("x has a last dimension") = n;
        if let Some(residual) = residual {
            assert_eq!(residual.shape(), shape, "residual of x {:?}", self.shape());
        }
        let wide = if prepared.reads_pairs() { None } else { self.widened() };
        let x = wide.as_ref().unwrap_or(self).activations();
        let m = self.rows();
        let epilogue = kernels::Epilogue {
            bias: bias.map(Tensor::data),
            nonlinearity,
            residual: residual.map(Tensor::data),
        };
        let inputs = [Some(self), bias, residual];
        let precision = weight.precision();
        let out = if rounded && Self::rounds(precision, n) {
            let mut out = Buffer::stale(m * n / 2);
            prepared.apply(x, &epilogue, ActivationsMut::Bf16(&mut out), m);
            Self::from_rounded(out, &shape).without_track(inputs)
        } else {
            let mut out = Buffer::stale(m * n);
            prepared.apply(x, &epilogue, ActivationsMut::F32(&mut out), m);
            Self::without_backward(inputs, &shape, out)
        };
        out.with_precision(precision)
    }

    /// [`Tensor::linear_with`], one operation after the other.
    #[track_caller]
    fn linear_then(&self, weight: &Tensor, bias: Option<&Tensor>, epilogue: &Epilogue) -> Tensor {
        let y = match *weight.shape() {
            [n, k, 1, 1] => self.linear(&weight.reshape(&[n, k]), bias),
            _ => self.linear(weight, bias),
        };
        let y = match epilogue.nonlinearity {
            Nonlinearity::None => y,
            Nonlinearity::Silu => y.silu(),
            Nonlinearity::Gelu => y.gelu(),
            Nonlinearity::QuickGelu => y.quick_gelu(),
            Nonlinearity::Geglu => y.geglu(),
        };
        match epilogue.residual {
            Some(residual) => residual.add(&y),
            None => y,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Epilogue;
    use crate::gradcheck::gradcheck;
    use crate::{Mask, Nonlinearity, Precision, Rng, Use};

    /// Prepared or not, in one pass or in several, rounded early or late.
    #[test]
    fn an_epilogue_is_what_would_follow() {
        let mut rng = Rng::new(7);
        let (x, w, b) = (rng.randn(&[2, 9, 6]), rng.randn(&[8, 6]), rng.randn(&[8]));
        let residual = rng.randn(&[2, 9, 8]);
        for precision in [Precision::F32, Precision::Bf16] {
            let w = w.clone().with_precision(precision);
            let prepared = w.clone().prepared(Use::Linear);
            let y = x.linear(&w, Some(&b));
            let check = |epilogue: &Epilogue, expected: &crate::Tensor| {
                for w in [&w, &prepared, &w.reshape(&[8, 6, 1, 1])] {
                    let y = x.linear_with(w, Some(&b), epilogue);
                    assert_eq!(y.shape(), expected.shape());
                    assert_eq!(y.to_vec(), expected.to_vec(), "{epilogue:?}");
                }
            };
            check(&Epilogue::default(), &y);
            check(&Epilogue::add(&residual), &residual.add(&y));
            check(&Epilogue::activation(Nonlinearity::Silu), &y.silu());
            check(&Epilogue::activation(Nonlinearity::QuickGelu), &y.quick_gelu());
            let gated = w.clone().prepared(Use::LinearGeglu);
            let epilogue = Epilogue::activation(Nonlinearity::Geglu);
            let z = x.linear_with(&gated, Some(&b), &epilogue);
            assert_eq!(z.to_vec(), y.geglu().to_vec());

            // What only products read may be rounded before them.
            let next = rng.randn(&[4, 8]).with_precision(precision).prepared(Use::Linear);
            let early = x.linear_with(&prepared, Some(&b), &Epilogue::rounded());
            assert_eq!(early.linear(&next, None).to_vec(), y.linear(&next, None).to_vec());
            for heads in [1, 2, 8] {
                let early = early.attention(&early, &early, heads, Mask::None);
                let late = y.attention(&y, &y, heads, Mask::None);
                let [early, late] = [early, late].map(|y| y.linear(&next, None).to_vec());
                assert_eq!(early, late, "{heads} heads, {precision:?}");
            }
        }
    }

    #[test]
    fn gradients() {
        let mut rng = Rng::new(2);
        let inputs = [rng.randn(&[2, 3, 5]), rng.randn(&[4, 5]), rng.randn(&[4])];
        gradcheck(&inputs, 1e-3, |t| t[0].linear(&t[1], Some(&t[2])));
    }
}

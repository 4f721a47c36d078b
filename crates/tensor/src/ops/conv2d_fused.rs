//! A convolution together with what stands before and after it in a residual block.

use aquatint_kernels::conv2d::{Activation, Conv2dShape, Fusion};
use aquatint_kernels::group_norm::{self, GroupNormShape};

use super::{Conv2dOptions, GroupNormWeights};
use crate::Tensor;
use crate::pool::Buffer;
use crate::storage::Storage;

/// What happens to the input and to the output of a convolution on the way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conv2dFusion<'a> {
    /// The input is normalized, and SiLU applied to that, first.
    pub norm_silu: Option<GroupNormWeights<'a>>,
    /// Then it is doubled to this height and width, or one less than double, by repeating pixels.
    pub upsample: Option<[usize; 2]>,
    /// `[N, O]`, added to every pixel of a picture.
    pub per_picture: Option<&'a Tensor>,
    /// `[N, H', W', O]`, added last.
    pub residual: Option<&'a Tensor>,
}

impl Tensor {
    /// [`Tensor::conv2d`] of the normalized, activated and upsampled x, plus what is to be added:
    /// with a [prepared](Tensor::prepared) weight all at once, without a pass over memory for each;
    /// otherwise, and so wherever a gradient flows, one operation after the other.
    #[track_caller]
    pub fn conv2d_fused(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        options: Conv2dOptions,
        fusion: &Conv2dFusion,
    ) -> Tensor {
        if let Storage::Prepared(_) = weight.storage() {
            return self.conv2d_at_once(weight, bias, options, fusion);
        }
        let mut x = self.clone();
        if let Some(GroupNormWeights { groups, weight, bias, eps }) = fusion.norm_silu {
            x = x.group_norm_silu(groups, weight, bias, eps);
        }
        if let Some(size) = fusion.upsample {
            x = x.upsample_nearest2().crop(size);
        }
        let mut y = x.conv2d(weight, bias, options);
        if let Some(addend) = fusion.per_picture {
            y = y.add_per_picture(addend);
        }
        fusion.residual.map_or(y.clone(), |residual| y.add(residual))
    }

    #[track_caller]
    fn conv2d_at_once(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        Conv2dOptions { stride, padding }: Conv2dOptions,
        &Conv2dFusion { norm_silu, upsample, per_picture, residual }: &Conv2dFusion,
    ) -> Tensor {
        let (&[n, h, w, c], &[o, wc, kh, kw]) = (self.shape(), weight.shape()) else {
            panic!("conv2d: x {:?}, weight {:?}", self.shape(), weight.shape())
        };
        assert_eq!(c, wc, "conv2d: x {:?}, weight {:?}", self.shape(), weight.shape());
        let [height, width] = upsample.unwrap_or([h, w]);
        let enlarged = upsample.is_none() || [height.div_ceil(2), width.div_ceil(2)] == [h, w];
        assert!(enlarged, "upsampling x {:?} to {height}×{width}", self.shape());
        let s = Conv2dShape { n, h: height, w: width, c, o, kernel: [kh, kw], stride, padding };
        let [oh, ow] = s.output();
        let same_shape = |x: Option<&Tensor>, shape: &[usize], what: &str| {
            let got = x.map_or(shape, Tensor::shape);
            assert_eq!(got, shape, "{what} of a convolution of x {:?}", self.shape());
        };
        same_shape(bias, &[o], "bias");
        same_shape(per_picture, &[n, o], "addend of each picture");
        same_shape(residual, &[n, oh, ow, o], "residual");

        let affine = norm_silu.map(|GroupNormWeights { groups, weight, bias, eps }| {
            let s = GroupNormShape { n, pixels: h * w, c, groups, eps, silu: true };
            group_norm::group_norm_affine(&s, self.data(), weight.data(), bias.data())
        });
        let fusion = Fusion {
            activation: affine.as_ref().map(|affine| Activation {
                mean: &affine.mean,
                scale: &affine.scale,
                shift: &affine.shift,
            }),
            upsample: upsample.is_some(),
            bias: bias.map(Tensor::data),
            per_picture: per_picture.map(Tensor::data),
            residual: residual.map(Tensor::data),
        };
        let mut out = Buffer::stale(n * oh * ow * o);
        let Storage::Prepared(prepared) = weight.storage() else {
            unreachable!("only of prepared weights")
        };
        prepared.apply_conv2d_fused(&s, self.data(), &fusion, &mut out);
        let [scale, shift] = [norm_silu.map(|norm| norm.weight), norm_silu.map(|norm| norm.bias)];
        let inputs = [Some(self), bias, per_picture, residual, scale, shift];
        Tensor::without_backward(inputs, &[n, oh, ow, o], out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradcheck::gradcheck;
    use crate::{Precision, Rng, Use};

    /// Every weight form: direct, transformed, transformed anew.
    #[test]
    fn at_once_is_one_after_the_other() {
        let mut rng = Rng::new(5);
        for (c, o, kernel) in [(8, 6, 3), (64, 96, 3), (96, 64, 1)] {
            for upsample in [None, Some([10, 11])] {
                let x = rng.randn(&[2, 5, 6, c]);
                let w = rng.randn(&[o, c, kernel, kernel]).scale(0.1);
                let (bias, time) = (rng.randn(&[o]), rng.randn(&[2, o]));
                let (scale, shift) = (rng.randn(&[c]), rng.randn(&[c]));
                let [height, width] = upsample.unwrap_or([5, 6]);
                let residual = rng.randn(&[2, height, width, o]);
                let fusion = Conv2dFusion {
                    norm_silu: Some(GroupNormWeights {
                        groups: 4,
                        weight: &scale,
                        bias: &shift,
                        eps: 1e-5,
                    }),
                    upsample,
                    per_picture: Some(&time),
                    residual: Some(&residual),
                };
                let options = Conv2dOptions::same(kernel);
                let exact = x.conv2d_fused(&w, Some(&bias), options, &fusion);
                let used = if kernel == 3 { Use::Conv2dSame } else { Use::Conv2d };
                for (precision, tolerance) in [(Precision::F32, 1e-5), (Precision::Bf16, 2e-2)] {
                    let w = w.clone().with_precision(precision).prepared(used);
                    let y = x.conv2d_fused(&w, Some(&bias), options, &fusion);
                    assert_eq!(y.shape(), exact.shape());
                    let largest = exact.to_vec().iter().fold(0f32, |a, b| a.max(b.abs()));
                    for (y, exact) in y.to_vec().into_iter().zip(exact.to_vec()) {
                        assert!((y - exact).abs() < tolerance * largest, "{c} {o}: {y} {exact}");
                    }
                }
            }
        }
    }

    #[test]
    fn gradients() {
        let mut rng = Rng::new(6);
        let x = rng.randn(&[2, 2, 3, 4]);
        let inputs = [
            x,
            rng.randn(&[3, 4, 3, 3]),
            rng.randn(&[4]),
            rng.randn(&[4]),
            rng.randn(&[2, 3]),
            rng.randn(&[2, 4, 5, 3]),
        ];
        gradcheck(&inputs, 3e-3, |t| {
            let norm = GroupNormWeights { groups: 2, weight: &t[2], bias: &t[3], eps: 1e-5 };
            let fusion = Conv2dFusion {
                norm_silu: Some(norm),
                upsample: Some([4, 5]),
                per_picture: Some(&t[4]),
                residual: Some(&t[5]),
            };
            t[0].conv2d_fused(&t[1], None, Conv2dOptions::same(3), &fusion)
        });
    }

    #[test]
    #[should_panic(expected = "no gradient flows through a prepared weight")]
    fn no_gradient_flows_through_the_residual_either() {
        let w = Tensor::zeros(&[2, 2, 1, 1]).prepared(Use::Conv2d);
        let (x, residual) = (Tensor::zeros(&[1, 1, 1, 2]), Tensor::zeros(&[1, 1, 1, 2]).tracked());
        let fusion = Conv2dFusion { residual: Some(&residual), ..Conv2dFusion::default() };
        x.conv2d_fused(&w, None, Conv2dOptions::same(1), &fusion);
    }
}

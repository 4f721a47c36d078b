//! A change of a weight that is computed beside it: the weight stays as it is.

use aquatint_tensor::{
    Conv2dFusion, Conv2dOptions, Epilogue, GroupNormWeights, Nonlinearity, Precision, Tensor, Use,
};

use crate::Param;

/// What a layer adds to what its weight makes of the input.
#[derive(Clone, Debug)]
pub enum Beside {
    /// up · down (Hu et al. 2021, "LoRA", equation 3).
    LowRank {
        /// Of the weight's shape, but with r rows: `[r, in]` or `[r, in, kh, kw]`.
        down: Tensor,
        /// `[out, r]`, with all factors.
        up: Tensor,
    },
    /// A second weight, of the shape of the first.
    Whole(Tensor),
}

impl Beside {
    /// Whether it can stand beside a weight of this shape.
    pub(crate) fn fits(&self, shape: &[usize]) -> bool {
        match self {
            Self::LowRank { down, up } => {
                down.shape()[1..] == shape[1..] && up.shape() == [shape[0], down.dim(0)]
            }
            Self::Whole(weight) => weight.shape() == shape,
        }
    }

    /// The same made ready for products in `precision`, beside a weight that is `used` so.
    pub(crate) fn prepared(self, precision: Precision, used: Use) -> Self {
        let ready = |x: Tensor, used| x.with_precision(precision).prepared(used);
        match self {
            Self::LowRank { down, up } => {
                Self::LowRank { down: ready(down, used), up: ready(up, Use::Linear) }
            }
            Self::Whole(weight) => Self::Whole(ready(weight, used)),
        }
    }

    /// What it makes of x `[.., in]`, plus `residual`: `[.., out]`.
    #[track_caller]
    fn linear(&self, x: &Tensor, residual: Option<&Tensor>) -> Tensor {
        let last = residual.map_or(Epilogue::default(), Epilogue::add);
        match self {
            Self::LowRank { down, up } => {
                x.linear_with(down, None, &Epilogue::default()).linear_with(up, None, &last)
            }
            Self::Whole(weight) => x.linear_with(weight, None, &last),
        }
    }

    /// What it makes of x `[N, H, W, in]` after what `fusion` does to x, plus its residual.
    #[track_caller]
    fn conv2d(&self, x: &Tensor, options: Conv2dOptions, fusion: &Conv2dFusion) -> Tensor {
        let fusion = Conv2dFusion { per_picture: None, ..*fusion };
        match self {
            Self::LowRank { down, up } => {
                let only_before = Conv2dFusion { residual: None, ..fusion };
                let last = fusion.residual.map_or(Epilogue::default(), Epilogue::add);
                x.conv2d_fused(down, None, options, &only_before).linear_with(up, None, &last)
            }
            Self::Whole(weight) => x.conv2d_fused(weight, None, options, &fusion),
        }
    }
}

impl Param {
    /// What the parameter, as the weight of a linear layer, makes of x `[.., in]` with what stands
    /// beside it: what `epilogue` makes of `[.., out]`.
    #[track_caller]
    pub fn linear_with(&self, bias: Option<&Param>, x: &Tensor, epilogue: &Epilogue) -> Tensor {
        let (weight, bias) = (self.value(), bias.map(Param::value));
        let Some(beside) = self.beside() else { return x.linear_with(weight, bias, epilogue) };
        let &Epilogue { nonlinearity, residual, rounded } = epilogue;
        if nonlinearity == Nonlinearity::None {
            // The sum is the residual of the weight's own product.
            let residual = beside.linear(x, residual);
            let epilogue = Epilogue { nonlinearity, residual: Some(&residual), rounded };
            return x.linear_with(weight, bias, &epilogue);
        }
        let y = x.linear_with(weight, bias, &Epilogue::add(&beside.linear(x, None)));
        let y = match nonlinearity {
            Nonlinearity::None => y,
            Nonlinearity::Silu => y.silu(),
            Nonlinearity::Gelu => y.gelu(),
            Nonlinearity::QuickGelu => y.quick_gelu(),
            Nonlinearity::Geglu => y.geglu(),
        };
        residual.map_or(y.clone(), |residual| residual.add(&y))
    }

    /// What the parameter, as the kernels of a convolution, makes of x `[N, H, W, in]` with what
    /// stands beside it, before and after what is in `fusion`.
    #[track_caller]
    pub(crate) fn conv2d_fused(
        &self,
        bias: Option<&Param>,
        x: &Tensor,
        options: Conv2dOptions,
        fusion: &Conv2dFusion,
    ) -> Tensor {
        let (weight, bias) = (self.value(), bias.map(Param::value));
        let Some(beside) = self.beside() else {
            return x.conv2d_fused(weight, bias, options, fusion);
        };
        if weight.numbers().is_some() {
            // Nothing is fused then, so what stands before both is done, and saved, once.
            let mut x = x.clone();
            if let Some(GroupNormWeights { groups, weight, bias, eps }) = fusion.norm_silu {
                x = x.group_norm_silu(groups, weight, bias, eps);
            }
            if let Some(size) = fusion.upsample {
                x = x.upsample_nearest2().crop(size);
            }
            let after = Conv2dFusion { norm_silu: None, upsample: None, ..*fusion };
            let residual = beside.conv2d(&x, options, &after);
            let after = Conv2dFusion { residual: Some(&residual), ..after };
            return x.conv2d_fused(weight, bias, options, &after);
        }
        let residual = beside.conv2d(x, options, fusion);
        let fusion = Conv2dFusion { residual: Some(&residual), ..*fusion };
        x.conv2d_fused(weight, bias, options, &fusion)
    }
}

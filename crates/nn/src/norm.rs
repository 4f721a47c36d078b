//! Normalization layers.

use aquatint_tensor::{GroupMoments, GroupNormWeights, Precision, Tensor};

use crate::{Init, Module, Param};

/// Group normalization (Wu & He 2018): each picture's channels in groups, over all pixels.
#[derive(Clone, Debug, Module)]
pub struct GroupNorm {
    /// `[channels]`
    pub weight: Param,
    /// `[channels]`
    pub bias: Param,
    #[module(skip)]
    groups: usize,
    #[module(skip)]
    eps: f32,
}

impl GroupNorm {
    /// Normalizes `channels` in `groups`.
    ///
    /// # Panics
    /// If the channels cannot be divided evenly.
    #[track_caller]
    pub fn new(groups: usize, channels: usize, eps: f32) -> Self {
        assert!(
            groups > 0 && channels.is_multiple_of(groups),
            "{channels} channels in {groups} groups"
        );
        Self {
            weight: Param::new(&[channels], Init::Ones),
            bias: Param::new(&[channels], Init::Zeros),
            groups,
            eps,
        }
    }

    /// What it is, for a convolution that does it on the way.
    pub(crate) fn weights(&self) -> GroupNormWeights<'_> {
        let Self { weight, bias, groups, eps } = self;
        GroupNormWeights { groups: *groups, weight: weight.value(), bias: bias.value(), eps: *eps }
    }

    /// x `[N, .., C]` → the same shape.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.group_norm(self.groups, self.weight.value(), self.bias.value(), self.eps)
    }

    /// The normalization followed by SiLU, in one pass. x `[N, .., C]` → the same shape.
    #[track_caller]
    pub fn forward_silu(&self, x: &Tensor) -> Tensor {
        x.group_norm_silu(self.groups, self.weight.value(), self.bias.value(), self.eps)
    }
}

/// A picture that comes in bands of rows, top to bottom: its moments first, then the bands again.
impl GroupNorm {
    /// Adds the band x `[1, H, W, C]` to the picture's moments.
    #[track_caller]
    pub fn add_moments(&self, x: &Tensor, moments: &mut GroupMoments) {
        x.add_group_moments(self.groups, moments);
    }

    /// [`Self::forward_silu`] of the band x `[1, H, W, C]`, in inference.
    #[track_caller]
    pub fn forward_silu_band(&self, x: &Tensor, moments: &GroupMoments) -> Tensor {
        let (weight, bias) = (self.weight.value(), self.bias.value());
        x.group_norm_silu_band(self.groups, weight, bias, self.eps, moments)
    }
}

/// Layer normalization (Ba et al. 2016) over the last dimension.
#[derive(Clone, Debug, Module)]
pub struct LayerNorm {
    /// `[channels]`
    pub weight: Param,
    /// `[channels]`
    pub bias: Param,
    #[module(skip)]
    eps: f32,
}

impl LayerNorm {
    /// Normalizes rows of `channels`.
    pub fn new(channels: usize, eps: f32) -> Self {
        Self {
            weight: Param::new(&[channels], Init::Ones),
            bias: Param::new(&[channels], Init::Zeros),
            eps,
        }
    }

    /// x `[.., C]` → the same shape.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.layer_norm(self.weight.value(), self.bias.value(), self.eps)
    }

    /// [`Self::forward`], which only products in `precision` will read: it may be rounded as they
    /// would round it.
    #[track_caller]
    pub fn forward_rounded(&self, x: &Tensor, precision: Precision) -> Tensor {
        x.layer_norm_rounded(self.weight.value(), self.bias.value(), self.eps, precision)
    }
}

//! The transformer that CLIP's two towers share (Radford et al. 2021).

use aquatint_nn::{Bias, Init, LayerNorm, Linear, Module};
use aquatint_tensor::{Mask, Tensor};

use crate::config::{MOST_CHANNELS, MOST_LAYERS, check_divides, check_sizes};

/// What the layers of a tower are built from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub hidden: usize,
    pub intermediate: usize,
    pub layers: usize,
    pub heads: usize,
    pub eps: f32,
    /// transformers' `initializer_factor`.
    pub factor: f32,
    pub activation: Activation,
}

impl Size {
    pub(crate) fn validate(&self) -> Result<(), String> {
        check_sizes(
            MOST_CHANNELS,
            &[("hidden_size", self.hidden), ("intermediate_size", self.intermediate)],
        )?;
        check_sizes(MOST_LAYERS, &[("num_hidden_layers", self.layers)])?;
        check_divides("num_attention_heads", self.heads, self.hidden)
    }

    /// Standard deviation of the first layers of a residual branch.
    pub(crate) fn out_std(&self) -> f32 {
        self.factor / (self.hidden as f32).sqrt()
    }

    /// The same, smaller the more branches are added up.
    fn in_std(&self) -> f32 {
        self.out_std() / (2.0 * self.layers as f32).sqrt()
    }
}

/// What is between the two layers of an MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    QuickGelu,
    Gelu,
}

impl Activation {
    /// # Errors
    /// If we do not know `hidden_act`.
    pub(crate) fn parse(hidden_act: &str) -> Result<Self, String> {
        match hidden_act {
            "quick_gelu" => Ok(Self::QuickGelu),
            "gelu" => Ok(Self::Gelu),
            _ => Err(format!(
                "hidden_act = {hidden_act:?} is not supported, only quick_gelu and gelu"
            )),
        }
    }

    fn apply(self, x: &Tensor) -> Tensor {
        match self {
            Self::QuickGelu => x.quick_gelu(),
            Self::Gelu => x.gelu(),
        }
    }
}

#[derive(Clone, Debug, Module)]
struct ClipAttention {
    k_proj: Linear,
    v_proj: Linear,
    q_proj: Linear,
    out_proj: Linear,
    #[module(skip)]
    heads: usize,
}

impl ClipAttention {
    fn new(size: &Size) -> Self {
        let linear =
            |std| Linear::new(size.hidden, size.hidden, Bias::Yes).with_init(Init::Normal(std));
        Self {
            k_proj: linear(size.in_std()),
            v_proj: linear(size.in_std()),
            q_proj: linear(size.in_std()),
            out_proj: linear(size.out_std()),
            heads: size.heads,
        }
    }

    fn forward(&self, x: &Tensor, mask: Mask) -> Tensor {
        let (q, k, v) = (self.q_proj.forward(x), self.k_proj.forward(x), self.v_proj.forward(x));
        self.out_proj.forward(&q.attention(&k, &v, self.heads, mask))
    }
}

#[derive(Clone, Debug, Module)]
struct ClipMlp {
    fc1: Linear,
    fc2: Linear,
    #[module(skip)]
    activation: Activation,
}

impl ClipMlp {
    fn new(size: &Size) -> Self {
        let fc_std = size.factor / (2.0 * size.hidden as f32).sqrt();
        Self {
            fc1: Linear::new(size.hidden, size.intermediate, Bias::Yes)
                .with_init(Init::Normal(fc_std)),
            fc2: Linear::new(size.intermediate, size.hidden, Bias::Yes)
                .with_init(Init::Normal(size.in_std())),
            activation: size.activation,
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        self.fc2.forward(&self.activation.apply(&self.fc1.forward(x)))
    }
}

#[derive(Clone, Debug, Module)]
struct ClipEncoderLayer {
    self_attn: ClipAttention,
    layer_norm1: LayerNorm,
    mlp: ClipMlp,
    layer_norm2: LayerNorm,
}

/// A stack of transformer layers, normalization first.
#[derive(Clone, Debug, Module)]
pub(crate) struct ClipEncoder {
    layers: Vec<ClipEncoderLayer>,
}

impl ClipEncoder {
    pub(crate) fn new(size: &Size) -> Self {
        let layer = |_| ClipEncoderLayer {
            self_attn: ClipAttention::new(size),
            layer_norm1: LayerNorm::new(size.hidden, size.eps),
            mlp: ClipMlp::new(size),
            layer_norm2: LayerNorm::new(size.hidden, size.eps),
        };
        Self { layers: (0..size.layers).map(layer).collect() }
    }

    /// x `[B, T, D]` → `[B, T, D]`. Shows the output of each layer to `probe`.
    #[track_caller]
    pub(crate) fn forward(&self, x: &Tensor, mask: Mask, probe: &mut crate::Probe) -> Tensor {
        let mut x = x.clone();
        for (i, layer) in self.layers.iter().enumerate() {
            x = x.add(&layer.self_attn.forward(&layer.layer_norm1.forward(&x), mask));
            x = x.add(&layer.mlp.forward(&layer.layer_norm2.forward(&x)));
            probe(&format!("encoder.layers.{i}"), &x);
        }
        x
    }
}

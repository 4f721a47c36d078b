//! Fully connected layer.

use aquatint_tensor::{Epilogue, Precision, Tensor, Use};

use crate::{Init, Module, Param};

/// Whether a layer adds a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// With a bias.
    Yes,
    /// Without.
    No,
}

impl Bias {
    pub(crate) fn param(self, len: usize, init: Init) -> Option<Param> {
        (self == Self::Yes).then(|| Param::new(&[len], init))
    }
}

/// `y = x · weightᵀ + bias`.
#[derive(Clone, Debug, Module)]
pub struct Linear {
    /// `[out, in]`
    pub weight: Param,
    /// `[out]`
    pub bias: Option<Param>,
}

impl Linear {
    /// A layer from `inputs` to `outputs` channels.
    pub fn new(inputs: usize, outputs: usize, bias: Bias) -> Self {
        let init = Init::kaiming_uniform(inputs);
        let weight = Param::new(&[outputs, inputs], init).used_as(Use::Linear);
        Self { weight, bias: bias.param(outputs, init) }
    }

    /// The same layer whose weight begins as `init`, and whose bias begins at zero.
    pub fn with_init(mut self, init: Init) -> Self {
        self.weight.set_init(init);
        self.bias.iter_mut().for_each(|bias| bias.set_init(Init::Zeros));
        self
    }

    /// The same layer, whose result goes through a GEGLU: see [`Self::forward_with`].
    pub fn before_geglu(mut self) -> Self {
        self.weight = self.weight.used_as(Use::LinearGeglu);
        self
    }

    /// The precision of its products.
    pub fn precision(&self) -> Precision {
        self.weight.value().precision()
    }

    /// x `[.., in]` → what `epilogue` makes of `[.., out]`.
    #[track_caller]
    pub fn forward_with(&self, x: &Tensor, epilogue: &Epilogue) -> Tensor {
        self.weight.linear_with(self.bias.as_ref(), x, epilogue)
    }

    /// x `[.., in]` → `[.., out]`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        if self.weight.beside().is_some() {
            return self.forward_with(x, &Epilogue::default());
        }
        x.linear(self.weight.value(), self.bias.as_ref().map(Param::value))
    }
}

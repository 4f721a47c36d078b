//! What is done to the input and to the output of a convolution on the way.

use crate::conv2d::Conv2dShape;

/// `y = conv2d(activation(x), w) + bias + per_picture + residual`, each if there is one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fusion<'a> {
    /// Applied to the input, not to the zeros around it.
    pub activation: Option<Activation<'a>>,
    /// `[o]`.
    pub bias: Option<&'a [f32]>,
    /// `[n, o]`: added to every pixel of a picture, as the time embedding is.
    pub per_picture: Option<&'a [f32]>,
    /// `[n, h, w, o]`.
    pub residual: Option<&'a [f32]>,
}

/// `silu(x · scale + shift)`: SiLU of a group norm whose moments are known.
#[derive(Clone, Copy, Debug)]
pub struct Activation<'a> {
    /// `[n, c]`.
    pub scale: &'a [f32],
    /// `[n, c]`.
    pub shift: &'a [f32],
}

impl Fusion<'_> {
    /// Panics unless the slices have the lengths that fit to `s`.
    #[track_caller]
    pub(super) fn check(&self, s: &Conv2dShape) {
        let check = |what: &str, x: Option<&[f32]>, len: usize| {
            let got = x.map_or(len, <[f32]>::len);
            assert!(got == len, "{got} elements of the {what} for {s:?}, not {len}");
        };
        check("bias", self.bias, s.o);
        check("addend of each picture", self.per_picture, s.n * s.o);
        check("residual", self.residual, s.n * s.h * s.w * s.o);
        check("activation's scale", self.activation.map(|a| a.scale), s.n * s.c);
        check("activation's shift", self.activation.map(|a| a.shift), s.n * s.c);
    }
}

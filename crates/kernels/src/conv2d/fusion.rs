//! What is done to the input and to the output of a convolution on the way.

use super::Conv2dShape;
use crate::cpu::Isa;
use crate::math::{per_isa, silu};
use crate::parallel::{self, ELEMENTWISE_CHUNK};
use crate::scratch::{Lines, Scratch};

/// `y = conv2d(activation(upsample(x)), w) + bias + per_picture + residual`, each if there is one.
///
/// The shape of the convolution is that of the upsampled input.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fusion<'a> {
    /// Applied to the input, not to the zeros around it.
    pub activation: Option<Activation<'a>>,
    /// Whether x is `[n, ⌈h / 2⌉, ⌈w / 2⌉, c]`, and every pixel stands for two by two.
    pub upsample: bool,
    /// `[o]`.
    pub bias: Option<&'a [f32]>,
    /// `[n, o]`: added to every pixel of a picture, as the time embedding is.
    pub per_picture: Option<&'a [f32]>,
    /// `[n, oh, ow, o]`.
    pub residual: Option<&'a [f32]>,
}

/// `silu((x - mean) · scale + shift)`: SiLU of a group norm whose moments are known.
#[derive(Clone, Copy, Debug)]
pub struct Activation<'a> {
    /// `[n, c]`.
    pub mean: &'a [f32],
    /// `[n, c]`.
    pub scale: &'a [f32],
    /// `[n, c]`.
    pub shift: &'a [f32],
}

impl Activation<'_> {
    /// Activates pixels of picture `n`, whole ones.
    pub(super) fn apply(&self, isa: Isa, n: usize, c: usize, x: &[f32], out: &mut [f32]) {
        let [mean, scale, shift] =
            [self.mean, self.scale, self.shift].map(|row| &row[n * c..][..c]);
        activate(isa, x, mean, scale, shift, out);
    }
}

impl Fusion<'_> {
    /// Height and width of x.
    pub(super) fn input(&self, s: &Conv2dShape) -> [usize; 2] {
        if self.upsample { [s.h.div_ceil(2), s.w.div_ceil(2)] } else { [s.h, s.w] }
    }

    /// Panics unless x and y and the slices have the lengths that fit to `s`.
    #[track_caller]
    pub(super) fn check(&self, s: &Conv2dShape, x: &[f32], y: &[f32]) {
        let [_, _, y_len] = s.lengths();
        let [h, w] = self.input(s);
        let check = |what: &str, x: Option<&[f32]>, len: usize| {
            let got = x.map_or(len, <[f32]>::len);
            assert!(got == len, "{got} elements of the {what} for {s:?}, not {len}");
        };
        check("input", Some(x), s.n * h * w * s.c);
        check("output", Some(y), y_len);
        check("bias", self.bias, s.o);
        check("addend of each picture", self.per_picture, s.n * s.o);
        check("residual", self.residual, y_len);
        check("activation's mean", self.activation.map(|a| a.mean), s.n * s.c);
        check("activation's scale", self.activation.map(|a| a.scale), s.n * s.c);
        check("activation's shift", self.activation.map(|a| a.shift), s.n * s.c);
    }

    /// What the convolution sees, if that is not x as it is: upsampled and activated.
    fn seen(&self, isa: Isa, s: &Conv2dShape, x: &[f32]) -> Option<Scratch> {
        if self.activation.is_none() && !self.upsample {
            return None;
        }
        let (row, [h, w]) = (s.w * s.c, self.input(s));
        let mut seen = Scratch::take(s.n * s.h * row);
        let per_task = (ELEMENTWISE_CHUNK / row.max(1)).max(1);
        parallel::chunks(seen.floats_mut(), per_task * row, |task, out| {
            for (i, out) in out.chunks_exact_mut(row).enumerate() {
                let (n, y) = ((task * per_task + i) / s.h, (task * per_task + i) % s.h);
                let y = if self.upsample { y / 2 } else { y };
                let x = &x[(n * h + y) * w * s.c..][..w * s.c];
                if !self.upsample {
                    self.activation.iter().for_each(|a| a.apply(isa, n, s.c, x, out));
                    continue;
                }
                for (x, out) in x.chunks_exact(s.c).zip(out.chunks_mut(2 * s.c)) {
                    for out in out.chunks_exact_mut(s.c) {
                        match &self.activation {
                            Some(activation) => activation.apply(isa, n, s.c, x, out),
                            None => out.copy_from_slice(x),
                        }
                    }
                }
            }
        });
        Some(seen)
    }

    /// One operation after the other, around a `convolution` that adds the bias.
    ///
    /// # Panics
    /// If a slice has another length than its shape.
    #[track_caller]
    pub(crate) fn unfused(
        &self,
        isa: Isa,
        s: &Conv2dShape,
        x: &[f32],
        y: &mut [f32],
        convolution: impl FnOnce(&[f32], &mut [f32]),
    ) {
        self.check(s, x, y);
        let seen = self.seen(isa, s, x);
        convolution(seen.as_deref().map_or(x, Lines::floats), y);
        self.finish(s, y);
    }

    /// Adds to `y`, which has the bias already, what else is added.
    fn finish(&self, s: &Conv2dShape, y: &mut [f32]) {
        let pixels = y.len() / (s.n * s.o).max(1);
        let per_task = (ELEMENTWISE_CHUNK / s.o.max(1)).max(1);
        if self.per_picture.is_none() && self.residual.is_none() {
            return;
        }
        parallel::chunks(y, per_task * s.o, |task, y| {
            for (i, y) in y.chunks_exact_mut(s.o).enumerate() {
                let pixel = task * per_task + i;
                let rows = [(self.per_picture, pixel / pixels), (self.residual, pixel)];
                for (addend, row) in rows.into_iter().filter_map(|(x, row)| Some((x?, row))) {
                    y.iter_mut().zip(&addend[row * s.o..]).for_each(|(y, x)| *y += x);
                }
            }
        });
    }
}

per_isa! {
    fn activate(x: &[f32], mean: &[f32], scale: &[f32], shift: &[f32], out: &mut [f32]) {
        for (x, out) in x.chunks_exact(scale.len()).zip(out.chunks_exact_mut(scale.len())) {
            let rows = x.iter().zip(mean).zip(scale).zip(shift);
            for (out, (((&x, &mean), &scale), &shift)) in out.iter_mut().zip(rows) {
                *out = silu((x - mean) * scale + shift);
            }
        }
    }
}

//! The right operand of products with one weight, packed once for all of them.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use super::panels;
use super::rows::RightPanels;
use super::transpose::transpose;
use crate::Precision;
use crate::cpu::Isa;
use crate::microkernel::Kernels;
use crate::numbers::{Halves, Numbers};
use crate::parallel;
use crate::scratch::{Lines, Scratch, word_chunks};

/// A weight `[o, c, taps]` as panels `[taps, c, o]`, in no more bits than it came in.
pub(crate) struct Packed {
    panels: Panels,
    /// What the micro-kernels that read it are chosen by.
    pub isa: Isa,
    /// What the micro-kernels that read it are chosen by.
    pub precision: Precision,
    /// `[o, c, taps]`.
    pub shape: [usize; 3],
    /// Whether each panel has as many of the first half of the rows, then of the second.
    pub gated: bool,
}

enum Panels {
    /// As the micro-kernels read them.
    Ready(Lines),
    /// Of 16 bits, for micro-kernels that read f32: widened for each product, which is much less
    /// work than packing.
    Narrow(Halves),
}

impl Packed {
    /// Packs `w`, for products in `precision`.
    ///
    /// # Panics
    /// If `w` has another number of elements than its shape.
    #[track_caller]
    pub fn new(isa: Isa, precision: Precision, w: Numbers, shape: [usize; 3]) -> Self {
        Self::in_order(isa, precision, w, shape, false)
    }

    /// Packs the weight `[o, c]` of a linear layer before a GEGLU: what belongs together of both
    /// halves of the rows comes into one panel.
    ///
    /// # Panics
    /// If `w` has another number of elements than its shape, or an odd number of rows.
    #[track_caller]
    pub fn gated(isa: Isa, precision: Precision, w: Numbers, [o, c]: [usize; 2]) -> Self {
        assert!(o.is_multiple_of(2), "two halves of {o} rows");
        Self::in_order(isa, precision, w, [o, c, 1], true)
    }

    #[track_caller]
    fn in_order(
        isa: Isa,
        precision: Precision,
        w: Numbers,
        shape @ [o, c, taps]: [usize; 3],
        gated: bool,
    ) -> Self {
        assert_eq!(w.len(), o * c * taps, "elements of a weight {shape:?}");
        let kernels = Kernels::select(isa, precision);
        let (row, nr) = (c * taps, kernels.nr);
        let parts = if gated { 2 } else { 1 };
        let fill = |p: usize, panel: &mut [f32]| {
            let wide = nr / parts;
            let (first, cols) = (p * wide, wide.min(o / parts - p * wide));
            let mut rows = Scratch::take(cols * row);
            let rows = rows.floats_mut();
            // Columns beyond the last are never read as results, but should be numbers.
            if cols < wide {
                panel.fill(0.0);
            }
            // Division of 32 bits is much cheaper.
            let place = |l: usize| {
                let (l, taps) = (l as u32, taps as u32);
                (l % taps) as usize * c + (l / taps) as usize
            };
            for part in 0..parts {
                let first = part * (o / parts) + first;
                w.widen(first * row..(first + cols) * row, rows);
                // What is left of the panel begins with the part; of nothing there is no beginning.
                let panel = panel.get_mut(part * wide..).unwrap_or_default();
                transpose(isa, rows, row, [cols, row], panel, nr, place);
            }
        };
        let count = (o / parts).div_ceil(nr / parts);
        let narrow = match w {
            _ if kernels.pairs => false,
            Numbers::F32(_) => precision == Precision::Bf16,
            _ => true,
        };
        let panels = if narrow {
            let len = row * nr;
            let bf16 = precision == Precision::Bf16 || matches!(w, Numbers::Bf16(_));
            let mut halves = match bf16 {
                true => Halves::Bf16(vec![bf16::ZERO; count * len]),
                false => Halves::F16(vec![f16::ZERO; count * len]),
            };
            let plain = |p: usize| {
                let mut plain = Scratch::take(len);
                fill(p, plain.floats_mut());
                plain
            };
            match &mut halves {
                _ if len == 0 => {}
                Halves::Bf16(out) => parallel::chunks(out, len, |p, out| {
                    out.convert_from_f32_slice(plain(p).floats_mut());
                }),
                Halves::F16(out) => parallel::chunks(out, len, |p, out| {
                    out.convert_from_f32_slice(plain(p).floats_mut());
                }),
            }
            Panels::Narrow(halves)
        } else {
            let len = taps * kernels.words(c) * nr;
            let mut words = Lines::zeros(count * len);
            if len > 0 {
                word_chunks(words.words_mut(), len, |p, panel| {
                    panels::words(isa, precision, [taps, c, nr], panel, |plain| fill(p, plain));
                });
            }
            Panels::Ready(words)
        };
        Self { panels, isa, precision, shape, gated }
    }

    /// Columns of the product: those of whole panels if there are two halves of them.
    pub fn columns(&self) -> usize {
        let nr = Kernels::select(self.isa, self.precision).nr;
        let rows = self.shape[0];
        if self.gated { (rows / 2).div_ceil(nr / 2) * nr } else { rows }
    }

    /// Whether the words are pairs of bf16.
    pub fn is_pairs(&self) -> bool {
        Kernels::select(self.isa, self.precision).pairs
    }

    /// Bytes of memory that the panels take.
    pub fn bytes(&self) -> usize {
        match &self.panels {
            Panels::Ready(words) => 4 * words.words().len(),
            Panels::Narrow(halves) => 2 * halves.len(),
        }
    }
}

impl RightPanels for Packed {
    fn pack(&self, _: Isa, first: usize, _: usize, panel: &mut [f32], stride: usize) {
        let Panels::Narrow(halves) = &self.panels else { unreachable!("they are ready") };
        let start = first / stride * panel.len();
        halves.numbers().widen(start..start + panel.len(), panel);
    }

    fn ready(&self) -> Option<&[u32]> {
        match &self.panels {
            Panels::Ready(words) => Some(words.words()),
            Panels::Narrow(_) => None,
        }
    }
}

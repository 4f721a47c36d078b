//! Activations of one picture in bands of rows, for pictures whose activations are too large for
//! memory.
//!
//! Layers that look at a few rows are fed band by band from top to bottom, and hold the rows that
//! the next results need. What asks for all pixels, a group normalization, looks at all bands
//! first: where they are not held, they are made twice. So there are neither seams nor blending:
//! the numbers are those of the whole picture.

use aquatint_nn::Conv2d;
use aquatint_tensor::{Conv2dOptions, Tensor};

/// Results that a convolution computes together have this many rows or a divisor of it, so results
/// that begin at a multiple of it are the same bits in a band and in the whole.
const TILE: usize = 4;

/// An activation `[1, H, W, C]` as bands of its rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bands(Vec<Tensor>);

/// What is done to bands as they are handed out.
#[derive(Clone, Copy)]
pub(crate) enum First<'a> {
    Nothing,
    /// A convolution that keeps the size.
    Conv(&'a Conv2d),
    /// Doubling, and then a convolution that keeps the size.
    Upsample(&'a Conv2d),
}

/// Bands, and what is done to them whenever they are looked at.
pub(crate) struct Source<'a> {
    pub bands: Bands,
    pub first: First<'a>,
    /// Most elements of a band that is handed out.
    pub most: usize,
}

impl Bands {
    /// One band: a whole activation.
    pub fn whole(x: Tensor) -> Self {
        Self(vec![x])
    }

    /// Appends the next rows.
    pub fn push(&mut self, x: Tensor) {
        self.0.push(x);
    }

    /// All rows in one tensor. `[1, H, W, C]`
    pub fn join(mut self) -> Tensor {
        if self.0.len() == 1 {
            return self.0.remove(0);
        }
        let height = self.0.iter().map(|x| x.dim(1)).sum();
        let mut whole = Tensor::zeros(&[1, height, self.0[0].dim(2), self.0[0].channels()]);
        let mut row = 0;
        for band in self.0 {
            whole.set_rows_of_picture(row, &band);
            row += band.dim(1);
        }
        whole
    }
}

impl Source<'_> {
    /// Elements of the largest activation that the bands would be if they were whole.
    pub fn elements(&self) -> usize {
        let held: usize = self.bands.0.iter().map(Tensor::len).sum();
        match self.first {
            First::Nothing => held,
            First::Conv(conv) => held / self.bands.0[0].channels().max(1) * conv.weight.shape()[0],
            First::Upsample(_) => 4 * held,
        }
    }

    /// Shows every band to `f`, and whether it is the last.
    pub fn each(&self, f: impl FnMut(Tensor, bool)) {
        feed(self.bands.0.iter().cloned(), self.first, self.most, f);
    }

    /// [`Self::each`] that drops what it has shown.
    pub fn drain(self, f: impl FnMut(Tensor, bool)) {
        feed(self.bands.0.into_iter(), self.first, self.most, f);
    }

    /// Everything in one tensor.
    pub fn join(self) -> Tensor {
        let x = self.bands.join();
        match self.first {
            First::Nothing => x,
            First::Conv(conv) => conv.forward(&x),
            First::Upsample(conv) => {
                let doubled = x.upsample_nearest2();
                drop(x);
                conv.forward(&doubled)
            }
        }
    }
}

fn feed(
    bands: impl ExactSizeIterator<Item = Tensor>,
    first: First,
    most: usize,
    mut f: impl FnMut(Tensor, bool),
) {
    let mut rows = match first {
        First::Nothing => None,
        First::Conv(conv) | First::Upsample(conv) => Some(Rows::new(conv)),
    };
    let count = bands.len();
    for (i, band) in bands.enumerate() {
        let (height, width, channels) = (band.dim(1), band.dim(2), band.channels());
        let (scale, outputs) = match first {
            First::Nothing => (1, channels),
            First::Conv(conv) => (1, channels.max(conv.weight.shape()[0])),
            First::Upsample(_) => (2, 2 * channels),
        };
        let at_once = most / (scale * width * outputs).max(1);
        // So many rows that the results begin with a tile, and rather more work at a time than
        // is repeated.
        let at_once = (at_once / TILE * TILE).max(2 * TILE);
        for row in (0..height).step_by(at_once) {
            let piece = band.rows_of_picture(row, at_once.min(height - row));
            let last = i + 1 == count && row + at_once >= height;
            let piece = match (&first, &mut rows) {
                (First::Upsample(_), Some(conv)) => conv.push(piece.upsample_nearest2(), last),
                (_, Some(conv)) => conv.push(piece, last),
                (_, None) => Some(piece),
            };
            if let Some(piece) = piece {
                f(piece, last);
            }
        }
    }
}

/// A 3×3 convolution that keeps the size, fed with rows.
pub(crate) struct Rows<'a> {
    conv: &'a Conv2d,
    held: Option<Tensor>,
    /// Of the rows held, those whose results have been given out.
    done: usize,
}

impl<'a> Rows<'a> {
    pub fn new(conv: &'a Conv2d) -> Self {
        Self { conv, held: None, done: 0 }
    }

    /// The next rows x `[1, rows, W, C]` → the results that have all rows they look at, if there
    /// are any.
    pub fn push(&mut self, x: Tensor, last: bool) -> Option<Tensor> {
        let x = after(self.held.take(), x);
        let rows = x.dim(1);
        let ready = if last { rows } else { rows.saturating_sub(1) / TILE * TILE };
        if ready <= self.done {
            self.held = Some(x);
            return None;
        }
        let seen = x.rows_of_picture(0, (ready + 1).min(rows));
        if !last {
            self.held = Some(x.rows_of_picture(ready - TILE, rows + TILE - ready));
        }
        drop(x);
        let y = self.conv.forward(&seen);
        drop(seen);
        let y = y.rows_of_picture(self.done, ready - self.done);
        self.done = TILE;
        Some(y)
    }
}

/// Rows that wait for others.
#[derive(Default)]
pub(crate) struct Waiting(Option<Tensor>);

impl Waiting {
    pub fn push(&mut self, x: Tensor) {
        self.0 = Some(after(self.0.take(), x));
    }

    /// The first `rows`.
    pub fn take(&mut self, rows: usize) -> Tensor {
        let x = self.0.take().expect("as many were pushed");
        let rest = x.dim(1) - rows;
        if rest > 0 {
            self.0 = Some(x.rows_of_picture(rows, rest));
        }
        x.rows_of_picture(0, rows)
    }
}

/// A 3×3 convolution with step 2 and a border below and on the right only, of bands.
pub(crate) fn downsample(conv: &Conv2d, source: Source) -> Bands {
    let (weight, bias) = (conv.weight.value(), conv.bias.as_ref().map(|bias| bias.value()));
    let mut held = None;
    let mut out = Bands::default();
    source.drain(|x, last| {
        let x = after(held.take(), x);
        let rows = x.dim(1);
        // Results look at two rows of their own and at the next one.
        let ready = if last { rows / 2 } else { rows.saturating_sub(1) / 2 };
        if ready == 0 {
            held = Some(x);
            return;
        }
        let below = usize::from(last && rows.is_multiple_of(2));
        if !last {
            held = Some(x.rows_of_picture(2 * ready, rows - 2 * ready));
        }
        let x = x.rows_of_picture(0, 2 * ready + 1 - below);
        let options = Conv2dOptions { stride: 2, padding: [0, below, 0, 1] };
        out.push(x.conv2d(weight, bias, options));
    });
    out
}

/// `x` below what is held.
fn after(held: Option<Tensor>, x: Tensor) -> Tensor {
    let Some(held) = held else { return x };
    let mut bands = Bands::whole(held);
    bands.push(x);
    bands.join()
}

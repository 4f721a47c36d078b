//! Channels to pixels and back, channels-last: the sub-pixel convolution of Shi et al. (2016).

use crate::parallel::{self, ELEMENTWISE_CHUNK};
use crate::watch;

/// Which of the channels of a block of `s × s` pixels go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelOrder {
    /// Channel `e · s² + i · s + j` is channel e of the pixel in row i and column j: PyTorch's
    /// `PixelShuffle`.
    ByChannel,
    /// Channel `(i · s + j) · c + e`: TensorFlow's `depth_to_space`.
    ByPixel,
}

/// x `[n, h, w, s²·c]` to out `[n, s·h, s·w, c]`; `size` is that of a block: `[n, h, w, c]`.
#[track_caller]
pub fn depth_to_space(
    x: &[f32],
    out: &mut [f32],
    size @ [n, h, w, c]: [usize; 4],
    s: usize,
    order: ChannelOrder,
) {
    let all = n * h * w * c * s * s;
    assert_eq!([x.len(), out.len()], [all; 2], "depth_to_space of {size:?} by {s}");
    if all == 0 {
        return;
    }
    let _call = watch::elements("depth to space", [n, h, w, c], 2 * all);
    // The pixels of one row of x are s rows of out, which lie one after the other.
    let row = w * s * s * c;
    let run = (ELEMENTWISE_CHUNK / row).max(1) * row;
    parallel::chunks(out, run, |task, out| {
        let x = &x[task * run..][..out.len()];
        for (x, out) in x.chunks_exact(row).zip(out.chunks_exact_mut(row)) {
            each(w, s, c, order, |from, to| out[to] = x[from]);
        }
    });
}

/// The reverse, and the gradient: x `[n, s·h, s·w, c]` to out `[n, h, w, s²·c]`.
#[track_caller]
pub fn space_to_depth(
    x: &[f32],
    out: &mut [f32],
    size @ [n, h, w, c]: [usize; 4],
    s: usize,
    order: ChannelOrder,
) {
    let all = n * h * w * c * s * s;
    assert_eq!([x.len(), out.len()], [all; 2], "space_to_depth to {size:?} by {s}");
    if all == 0 {
        return;
    }
    let _call = watch::elements("space to depth", [n, h, w, c], 2 * all);
    let row = w * s * s * c;
    let run = (ELEMENTWISE_CHUNK / row).max(1) * row;
    parallel::chunks(out, run, |task, out| {
        let x = &x[task * run..][..out.len()];
        for (x, out) in x.chunks_exact(row).zip(out.chunks_exact_mut(row)) {
            each(w, s, c, order, |to, from| out[to] = x[from]);
        }
    });
}

/// Shows for each number of a row of `w` blocks where it is among the channels, and where among
/// the pixels.
#[inline(always)]
fn each(w: usize, s: usize, c: usize, order: ChannelOrder, mut f: impl FnMut(usize, usize)) {
    for i in 0..s {
        for column in 0..w {
            for j in 0..s {
                let (block, pixel) = (column * s * s * c, ((i * w + column) * s + j) * c);
                for e in 0..c {
                    let channel = match order {
                        ChannelOrder::ByChannel => e * s * s + i * s + j,
                        ChannelOrder::ByPixel => (i * s + j) * c + e,
                    };
                    f(block + channel, pixel + e);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random;

    #[test]
    fn every_number_goes_where_the_order_says_and_back() {
        for size @ [n, h, w, c] in [[1, 1, 1, 1], [2, 3, 5, 3], [1, 40, 70, 3], [0, 2, 2, 2]] {
            for s in 1..=4 {
                let x = random(1, n * h * w * c * s * s);
                let (mut out, mut back) = (vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]);
                for order in [ChannelOrder::ByChannel, ChannelOrder::ByPixel] {
                    depth_to_space(&x, &mut out, size, s, order);
                    for (at, &got) in out.iter().enumerate() {
                        let (e, x_, y_) = (at % c, at / c % (w * s), at / c / (w * s));
                        let (i, j) = (y_ % s, x_ % s);
                        let channel = match order {
                            ChannelOrder::ByChannel => (e * s + i) * s + j,
                            ChannelOrder::ByPixel => (i * s + j) * c + e,
                        };
                        let block = y_ / s * w + x_ / s;
                        assert_eq!(got, x[block * s * s * c + channel], "{size:?} {s} {order:?}");
                    }
                    space_to_depth(&out, &mut back, size, s, order);
                    assert_eq!(back, x, "{size:?} {s} {order:?}");
                }
            }
        }
    }
}

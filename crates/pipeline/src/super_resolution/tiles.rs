//! A picture in pieces that overlap.

use aquatint_tensor::Tensor;

use crate::Picture;

/// How a picture is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    size: [usize; 2],
    side: usize,
    overlap: usize,
    multiple: usize,
}

/// A piece of a picture: what is asked for, and what is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Begin and end in both directions.
    core: [[usize; 2]; 2],
    seen: [[usize; 2]; 2],
}

impl Tiles {
    /// Pieces of `side × side` pixels, or one if that is 0, each with `overlap` pixels around it as
    /// far as the picture goes. Where they begin, and how large they are with the overlap, are
    /// multiples of `multiple`; the picture is continued as in a mirror where that needs more.
    ///
    /// # Panics
    /// If `multiple` is 0.
    #[track_caller]
    pub fn new(size: [usize; 2], side: usize, overlap: usize, multiple: usize) -> Self {
        let round = |n: usize| n.next_multiple_of(multiple);
        Self { size, side: round(side), overlap: round(overlap), multiple }
    }

    /// How many pieces there are.
    pub fn count(&self) -> usize {
        self.pieces().len()
    }

    /// From the top left, row by row.
    pub(super) fn pieces(&self) -> Vec<Piece> {
        let [columns, rows] = self.size.map(|length| self.spans(length));
        let of_row = |y: &[[usize; 2]; 2]| {
            let y = *y;
            let piece = move |x: &[[usize; 2]; 2]| Piece { core: [x[0], y[0]], seen: [x[1], y[1]] };
            columns.iter().map(piece).collect::<Vec<_>>()
        };
        rows.iter().flat_map(of_row).collect()
    }

    /// What is asked for and what is looked at, along one side.
    fn spans(&self, length: usize) -> Vec<[[usize; 2]; 2]> {
        let side = if self.side == 0 { length.max(1) } else { self.side };
        let span = |start: usize| {
            let stop = (start + side).min(length);
            let whole = length.next_multiple_of(self.multiple);
            let first = start.saturating_sub(self.overlap);
            let last = (stop + self.overlap).next_multiple_of(self.multiple).min(whole);
            [[start, stop], [first, last]]
        };
        (0..length).step_by(side).map(span).collect()
    }
}

impl Piece {
    /// What is looked at, as `[1, h, w, 3]` in [0, 1].
    pub fn cut(&self, picture: &Picture) -> Tensor {
        let [[left, right], [top, bottom]] = self.seen;
        let column = |x| mirrored(x, picture.width);
        let mut numbers = Vec::with_capacity(3 * (right - left) * (bottom - top));
        for y in top..bottom {
            let row = &picture.rgb[3 * picture.width * mirrored(y, picture.height)..];
            for x in left..right {
                numbers.extend(row[3 * column(x)..][..3].iter().map(|&b| f32::from(b) / 255.0));
            }
        }
        Tensor::new(numbers, &[1, bottom - top, right - left, 3])
    }

    /// Writes what was asked for of `image`, which is what was looked at, `scale` times larger.
    pub fn paste(&self, image: &Tensor, scale: usize, whole: &mut Picture) {
        let [[left, right], [top, bottom]] = self.core;
        let [[seen_left, _], [seen_top, _]] = self.seen;
        let (width, numbers) = (image.dim(2), image.to_vec());
        let byte = |&x: &f32| (x.clamp(0.0, 1.0) * 255.0).round() as u8;
        for y in scale * top..scale * bottom {
            let from = 3 * ((y - scale * seen_top) * width + scale * (left - seen_left));
            let to = 3 * (y * whole.width + scale * left);
            let length = 3 * scale * (right - left);
            let row = numbers[from..][..length].iter().map(byte);
            whole.rgb[to..][..length].iter_mut().zip(row).for_each(|(out, byte)| *out = byte);
        }
    }
}

/// The pixel that is seen at `at` where a picture of `length` pixels is continued as in a mirror.
fn mirrored(at: usize, length: usize) -> usize {
    if at < length { at } else { (2 * (length - 1)).saturating_sub(at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_the_picture_once() {
        for (size, side, overlap, multiple) in
            [([7, 5], 3, 2, 1), ([8, 9], 4, 3, 2), ([5, 3], 0, 9, 4), ([1, 1], 16, 4, 2)]
        {
            let tiles = Tiles::new(size, side, overlap, multiple);
            let mut times = vec![0; size[0] * size[1]];
            for Piece { core: [[left, right], [top, bottom]], seen } in tiles.pieces() {
                for y in top..bottom {
                    (left..right).for_each(|x| times[y * size[0] + x] += 1);
                }
                for ([start, stop], length) in seen.into_iter().zip(size) {
                    assert!(
                        start.is_multiple_of(multiple) && (stop - start).is_multiple_of(multiple)
                    );
                    assert!(stop <= length.next_multiple_of(multiple));
                }
            }
            assert!(times.iter().all(|&n| n == 1), "{tiles:?}: {times:?}");
        }
    }

    #[test]
    fn a_piece_is_what_was_cut() {
        let rgb = (0..6 * 5 * 3).map(|i| i as u8).collect();
        let picture = Picture { width: 6, height: 5, rgb };
        for (side, overlap, multiple) in [(0, 0, 1), (2, 1, 1), (4, 3, 4)] {
            let mut whole = Picture::new(12, 10, [99; 3]);
            for piece in Tiles::new([6, 5], side, overlap, multiple).pieces() {
                piece.paste(&piece.cut(&picture).upsample_nearest2(), 2, &mut whole);
            }
            for (i, &byte) in whole.rgb.iter().enumerate() {
                let (e, x, y) = (i % 3, i / 3 % 12, i / 36);
                assert_eq!(byte, picture.rgb[3 * (y / 2 * 6 + x / 2) + e], "{side}, {x}, {y}");
            }
        }
    }

    #[test]
    fn a_mirror_at_the_edge() {
        assert_eq!([3, 4, 5].map(|at| mirrored(at, 4)), [3, 2, 1]);
        assert_eq!([0, 1, 3].map(|at| mirrored(at, 1)), [0; 3]);
    }
}

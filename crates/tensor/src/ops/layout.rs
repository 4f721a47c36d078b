//! Cutting and joining, and the passage between channels-last and channels-first.

use crate::Tensor;
use crate::pool::Buffer;

impl Tensor {
    /// Tensors side by side along the last dimension: how skip connections join.
    #[track_caller]
    pub fn cat<const N: usize>(parts: [&Tensor; N]) -> Tensor {
        let outer = &parts[0].shape()[..parts[0].shape().len() - 1];
        for part in parts {
            let other = &part.shape()[..part.shape().len() - 1];
            assert_eq!(outer, other, "cat along the last dimension");
        }
        let widths = parts.map(Tensor::channels);
        let total: usize = widths.iter().sum();
        let rows = parts[0].rows();
        let mut out = Buffer::stale(rows * total);
        let mut start = 0;
        for part in parts {
            let width = part.channels();
            for (row, from) in out.chunks_exact_mut(total).zip(part.data().chunks_exact(width)) {
                row[start..start + width].copy_from_slice(from);
            }
            start += width;
        }
        let mut shape = outer.to_vec();
        shape.push(total);
        Tensor::from_op(parts.map(Some), &shape, out, move |dy, needed| {
            let mut start = 0;
            let mut i = 0;
            needed.map(|wanted| {
                let part = (start, widths[i]);
                (start, i) = (start + widths[i], i + 1);
                wanted.then(|| dy.narrow(part.0, part.1))
            })
        })
    }

    /// `len` channels from `start` on: `[.., C]` → `[.., len]`.
    #[track_caller]
    pub fn narrow(&self, start: usize, len: usize) -> Tensor {
        let c = self.channels();
        assert!(start + len <= c, "channels {start}..{} of {:?}", start + len, self.shape());
        let mut out = Buffer::stale(self.rows() * len);
        for (to, row) in out.chunks_exact_mut(len).zip(self.data().chunks_exact(c)) {
            to.copy_from_slice(&row[start..start + len]);
        }
        let mut shape = self.shape().to_vec();
        *shape.last_mut().expect("x has a last dimension") = len;
        let full = self.shape().to_vec();
        Tensor::from_op([Some(self)], &shape, out, move |dy, _| {
            let mut dx = Buffer::zeros(full.iter().product());
            for (row, from) in dx.chunks_exact_mut(c).zip(dy.data().chunks_exact(len)) {
                row[start..start + len].copy_from_slice(from);
            }
            [Some(Tensor::from_buffer(dx, &full))]
        })
    }

    /// Tensors one after the other along the first dimension.
    #[track_caller]
    pub fn cat_rows<const N: usize>(parts: [&Tensor; N]) -> Tensor {
        let inner = &parts[0].shape()[1..];
        for part in parts {
            assert_eq!(inner, &part.shape()[1..], "cat along the first dimension");
        }
        let mut out = Buffer::stale(parts.iter().map(|p| p.len()).sum());
        let mut start = 0;
        for part in parts {
            out[start..start + part.len()].copy_from_slice(part.data());
            start += part.len();
        }
        let counts = parts.map(|p| p.dim(0));
        let mut shape = vec![counts.iter().sum()];
        shape.extend_from_slice(inner);
        Tensor::from_op(parts.map(Some), &shape, out, move |dy, needed| {
            let mut start = 0;
            let mut i = 0;
            needed.map(|wanted| {
                let part = (start, counts[i]);
                (start, i) = (start + counts[i], i + 1);
                wanted.then(|| dy.narrow_rows(part.0, part.1))
            })
        })
    }

    /// `len` entries of the first dimension from `start` on.
    #[track_caller]
    pub fn narrow_rows(&self, start: usize, len: usize) -> Tensor {
        let n = self.dim(0);
        assert!(start + len <= n, "entries {start}..{} of {:?}", start + len, self.shape());
        let inner = self.len() / n;
        let out = Buffer::copy_of(&self.data()[start * inner..(start + len) * inner]);
        let mut shape = self.shape().to_vec();
        shape[0] = len;
        let full = self.shape().to_vec();
        Tensor::from_op([Some(self)], &shape, out, move |dy, _| {
            let mut dx = Buffer::zeros(n * inner);
            dx[start * inner..(start + len) * inner].copy_from_slice(dy.data());
            [Some(Tensor::from_buffer(dx, &full))]
        })
    }

    /// `len` rows of one picture from row `start` on, `[1, H, W, C]` → `[1, len, W, C]`: the tensor
    /// itself if these are all. Not differentiable: the result is untracked.
    #[track_caller]
    pub fn rows_of_picture(&self, start: usize, len: usize) -> Tensor {
        let &[1, h, w, c] = self.shape() else { panic!("rows of a picture {:?}", self.shape()) };
        assert!(start + len <= h, "rows {start}..{} of {:?}", start + len, self.shape());
        if len == h {
            return self.detach();
        }
        let out = Buffer::copy_of(&self.data()[start * w * c..(start + len) * w * c]);
        Tensor::from_buffer(out, &[1, len, w, c])
    }

    /// Writes the rows x `[1, len, W, C]` over those of this picture `[1, H, W, C]` from row `start`
    /// on.
    #[track_caller]
    pub fn set_rows_of_picture(&mut self, start: usize, x: &Tensor) {
        let (&[1, h, w, c], &[1, len, xw, xc]) = (self.shape(), x.shape()) else {
            panic!("rows {:?} of a picture {:?}", x.shape(), self.shape())
        };
        assert!(start + len <= h && [xw, xc] == [w, c], "{:?} into {:?}", x.shape(), self.shape());
        self.data_mut()[start * w * c..(start + len) * w * c].copy_from_slice(x.data());
    }

    /// `[N, H, W, C]` → `[N, C, H, W]`, the field's layout for files and public values.
    /// Not differentiable: the result is untracked.
    #[track_caller]
    pub fn to_nchw(&self) -> Tensor {
        let &[n, h, w, c] = self.shape() else { panic!("to_nchw of {:?}", self.shape()) };
        self.swap_inner([n, h * w, c], &[n, c, h, w])
    }

    /// `[N, C, H, W]` → `[N, H, W, C]`. Not differentiable: the result is untracked.
    #[track_caller]
    pub fn from_nchw(&self) -> Tensor {
        let &[n, c, h, w] = self.shape() else { panic!("from_nchw of {:?}", self.shape()) };
        self.swap_inner([n, c, h * w], &[n, h, w, c])
    }

    fn swap_inner(&self, [n, rows, cols]: [usize; 3], shape: &[usize]) -> Tensor {
        let x = self.data();
        let mut out = Buffer::stale(x.len());
        for i in 0..n {
            for r in 0..rows {
                for c in 0..cols {
                    out[(i * cols + c) * rows + r] = x[(i * rows + r) * cols + c];
                }
            }
        }
        Tensor::from_buffer(out, shape)
    }
}

#[cfg(test)]
mod tests {
    use crate::gradcheck::gradcheck;
    use crate::{Rng, Tensor};

    #[test]
    fn gradients() {
        let mut rng = Rng::new(9);
        let wide = [rng.randn(&[2, 3, 2]), rng.randn(&[2, 3, 4])];
        gradcheck(&wide, 1e-3, |t| Tensor::cat([&t[0], &t[1]]));
        gradcheck(&wide[1..], 1e-3, |t| t[0].narrow(1, 2));
        let tall = [rng.randn(&[2, 3]), rng.randn(&[4, 3])];
        gradcheck(&tall, 1e-3, |t| Tensor::cat_rows([&t[0], &t[1]]));
        gradcheck(&tall[1..], 1e-3, |t| t[0].narrow_rows(1, 2));
    }

    #[test]
    fn layouts_come_back() {
        let x = Tensor::from_fn(&[2, 2, 3, 4], |i| i as f32);
        let y = x.to_nchw();
        assert_eq!(y.shape(), [2, 4, 2, 3]);
        assert_eq!(y.to_vec()[..3], [0.0, 4.0, 8.0]);
        assert_eq!(y.from_nchw().to_vec(), x.to_vec());
    }
}

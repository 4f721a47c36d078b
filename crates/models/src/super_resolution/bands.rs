//! Layers that look at a few rows, applied to bands of rows one after the other, so that what they
//! hold meanwhile is never as large as the picture.

use aquatint_tensor::Tensor;

/// Most numbers that a layer may hold at a time, about: 128 MiB.
const MOST: usize = 1 << 25;

/// `f(x)` for x `[N, H, W, C]` and an f that makes `scale` rows of each and looks at `halo` rows
/// beyond its own. `each` is how many numbers f holds for a pixel of x.
///
/// The numbers are those of `f(x)` but for the rounding of sums.
#[track_caller]
pub fn in_bands(
    x: &Tensor,
    halo: usize,
    scale: usize,
    each: usize,
    f: impl Fn(&Tensor) -> Tensor,
) -> Tensor {
    let &[n, height, width, _] = x.shape() else { panic!("bands of {:?}", x.shape()) };
    // Rather more work at a time than is repeated.
    let rows = (MOST / (width * each).max(1)).max(4 * halo).max(1);
    if n != 1 || height <= rows + halo || x.is_tracked() {
        return f(x);
    }
    let mut whole: Option<Tensor> = None;
    for start in (0..height).step_by(rows) {
        let stop = (start + rows).min(height);
        let (first, last) = (start.saturating_sub(halo), (stop + halo).min(height));
        let y = f(&x.rows_of_picture(first, last - first));
        let y = y.rows_of_picture(scale * (start - first), scale * (stop - start));
        let whole = whole
            .get_or_insert_with(|| Tensor::zeros(&[1, scale * height, y.dim(2), y.channels()]));
        whole.set_rows_of_picture(scale * start, &y);
    }
    whole.expect("a picture has rows")
}

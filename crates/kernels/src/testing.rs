//! What the tests of all kernels share.

pub mod fenced;

use std::cell::Cell;

use crate::cpu::{self, Isa};

/// `n` numbers in [-1, 1) that depend on `seed` and the position alone (SplitMix64).
pub fn random(seed: u64, n: usize) -> Vec<f32> {
    (0..n as u64)
        .map(|i| {
            let z = (seed << 32 | i).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// The same numbers as f64.
pub fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&v| f64::from(v)).collect()
}

/// Panics unless every element is within `tolerance · (1 + |want|)`.
#[track_caller]
pub fn assert_close(got: &[f32], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    for (i, (&g, &w)) in got.iter().zip(want).enumerate() {
        let error = (f64::from(g) - w).abs();
        // Written so that NaN fails.
        assert!(error <= tolerance * (1.0 + w.abs()), "element {i}: {g}, not {w}");
    }
}

/// Panics unless every element is within `tolerance` of the largest wanted one (or of 1, if that is
/// larger): for sums of very different length, whose small results are no more exact than the
/// large ones.
#[track_caller]
pub fn assert_close_together(got: &[f32], want: &[f32], tolerance: f32, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}: lengths");
    let size = want.iter().fold(1.0_f32, |size, x| size.max(x.abs()));
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tolerance * size, "{what}: element {i}: {g}, not {w}");
    }
}

/// Runs `f` on 1, 2 and 4 threads and panics unless every result is the same bits.
#[track_caller]
pub fn assert_same_on_any_number_of_threads(f: impl Fn() -> Vec<f32> + Sync) {
    let bits = |threads| -> Vec<u32> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(&f).into_iter().map(f32::to_bits).collect()
    };
    let one = bits(1);
    assert!(one == bits(2), "two threads differ from one");
    assert!(one == bits(4), "four threads differ from one");
}

/// Panics unless `gradient` is, at about 30 positions, the slope of `f` at `x` by central
/// differences in f64. `f` should be a plain reference.
#[track_caller]
pub fn assert_gradient(x: &[f64], gradient: &[f32], tolerance: f64, f: impl Fn(&[f64]) -> f64) {
    assert_eq!(x.len(), gradient.len());
    let mut moved = x.to_vec();
    for i in (0..x.len()).step_by(x.len().div_ceil(30).max(1)) {
        let h = 1e-4 * (1.0 + x[i].abs());
        moved[i] = x[i] + h;
        let above = f(&moved);
        moved[i] = x[i] - h;
        let below = f(&moved);
        moved[i] = x[i];
        let (got, want) = (f64::from(gradient[i]), (above - below) / (2.0 * h));
        assert!(
            (got - want).abs() <= tolerance * (1.0 + want.abs()),
            "slope {i}: {got}, not {want}"
        );
    }
}

thread_local! {
    static ISA: Cell<Option<Isa>> = const { Cell::new(None) };
}

/// The instruction set that [`crate::cpu::isa`] gives on this thread, if it is not the best.
pub fn isa_of_this_thread() -> Option<Isa> {
    ISA.get()
}

/// Calls `f` for every instruction set of this machine, on a thread that has no better one and does
/// all the work.
pub fn on_every_isa(f: impl Fn(Isa) + Sync) {
    for isa in cpu::available() {
        let start = move |_| ISA.set(Some(isa));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).start_handler(start).build();
        pool.unwrap().install(|| f(isa));
    }
}

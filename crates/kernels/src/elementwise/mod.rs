//! Loops that touch each element once.

mod arithmetic;
mod broadcast;
mod geglu;
mod rectify;
mod unary;

use crate::cpu::Isa;
use crate::math::per_isa;
use crate::parallel::{self, ELEMENTWISE_CHUNK};

pub use arithmetic::{add, add_assign, add_scalar, axpy, clamp, clamp_grad, mul, scale, sub};
pub use broadcast::{add_per_picture, add_rows, scale_per_picture};
pub use geglu::{geglu, geglu_grad};
pub use rectify::{leaky_relu, leaky_relu_grad, prelu};
pub use unary::{Unary, unary, unary_grad};

/// `out = f(x)`.
#[track_caller]
fn map(isa: Isa, x: &[f32], out: &mut [f32], f: impl Fn(f32) -> f32 + Sync) {
    assert_lengths("element-wise", [x.len()], [out.len()]);
    parallel::chunks(out, ELEMENTWISE_CHUNK, |i, out| {
        map_slice(isa, &x[i * ELEMENTWISE_CHUNK..][..out.len()], out, &f);
    });
}

/// `out = f(a, b)`.
#[track_caller]
fn map2(isa: Isa, a: &[f32], b: &[f32], out: &mut [f32], f: impl Fn(f32, f32) -> f32 + Sync) {
    assert_lengths("element-wise", [a.len(), b.len()], [out.len(); 2]);
    parallel::chunks(out, ELEMENTWISE_CHUNK, |i, out| {
        let start = i * ELEMENTWISE_CHUNK;
        let range = start..start + out.len();
        map2_slice(isa, &a[range.clone()], &b[range], out, &f);
    });
}

/// `acc = f(acc, x)`.
#[track_caller]
fn update(isa: Isa, acc: &mut [f32], x: &[f32], f: impl Fn(f32, f32) -> f32 + Sync) {
    assert_lengths("element-wise", [x.len()], [acc.len()]);
    parallel::chunks(acc, ELEMENTWISE_CHUNK, |i, acc| {
        update_slice(isa, acc, &x[i * ELEMENTWISE_CHUNK..][..acc.len()], &f);
    });
}

#[track_caller]
fn assert_lengths<const N: usize>(operation: &str, got: [usize; N], want: [usize; N]) {
    assert_eq!(got, want, "{operation}: lengths of the arguments, and what the sizes ask for");
}

per_isa! {
    fn map_slice<F: Fn(f32) -> f32>(x: &[f32], out: &mut [f32], f: F) {
        for (out, &x) in out.iter_mut().zip(x) {
            *out = f(x);
        }
    }

    fn map2_slice<F: Fn(f32, f32) -> f32>(a: &[f32], b: &[f32], out: &mut [f32], f: F) {
        for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *out = f(a, b);
        }
    }

    fn update_slice<F: Fn(f32, f32) -> f32>(acc: &mut [f32], x: &[f32], f: F) {
        for (acc, &x) in acc.iter_mut().zip(x) {
            *acc = f(*acc, x);
        }
    }
}

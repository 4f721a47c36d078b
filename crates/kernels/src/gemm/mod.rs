//! Matrix products: `linear` and its two gradients, and a strided product for attention.

use crate::Precision;
use crate::cpu::{self, Isa};
use crate::watch::{self, Call, Products, Work};

pub(crate) mod linear;
pub(crate) mod operand;
pub(crate) mod outer;
pub(crate) mod packed;
pub(crate) mod panels;
pub mod reference;
pub(crate) mod rows;
mod single;
pub(crate) mod transpose;

pub use single::{MatRef, matmul_single};

/// What a linear layer is called.
pub(crate) fn call(products: Products, [m, k, n]: [usize; 3]) -> Call {
    Call {
        kernel: "linear",
        sizes: format!("{m}, {k} to {n}"),
        work: Work::Operations(products, (2 * m * k * n) as u64),
    }
}

/// `out[m, n] = x[m, k] · w[n, k]ᵀ + bias[n]`.
///
/// # Panics
/// If a slice has another length than its shape.
#[track_caller]
pub fn linear(
    precision: Precision,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    out: &mut [f32],
    [m, k, n]: [usize; 3],
) {
    check("x", x.len(), [m, k]);
    check("w", w.len(), [n, k]);
    check("out", out.len(), [m, n]);
    if let Some(bias) = bias {
        check("bias", bias.len(), [1, n]);
    }
    let _call = watch::call(|| call(precision.into(), [m, k, n]));
    linear::forward(cpu::isa(), precision, x, w, bias, out, [m, k, n]);
}

/// `dx[m, k] = dy[m, n] · w[n, k]`.
///
/// # Panics
/// If a slice has another length than its shape.
#[track_caller]
pub fn linear_input_grad(
    precision: Precision,
    dy: &[f32],
    w: &[f32],
    dx: &mut [f32],
    [m, k, n]: [usize; 3],
) {
    check("dy", dy.len(), [m, n]);
    check("w", w.len(), [n, k]);
    check("dx", dx.len(), [m, k]);
    linear::input_grad(cpu::isa(), precision, dy, w, dx, [m, k, n]);
}

/// `dw[n, k] = dy[m, n]ᵀ · x[m, k]`.
///
/// # Panics
/// If a slice has another length than its shape.
#[track_caller]
pub fn linear_weight_grad(
    precision: Precision,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    [m, k, n]: [usize; 3],
) {
    check("x", x.len(), [m, k]);
    check("dy", dy.len(), [m, n]);
    check("dw", dw.len(), [n, k]);
    linear::weight_grad(cpu::isa(), precision, x, dy, dw, [m, k, n]);
}

/// Panics unless a slice of `len` is a matrix of `shape`.
#[track_caller]
fn check(name: &str, len: usize, shape: [usize; 2]) {
    // A product that wraps around would let a short slice pass.
    let wanted = shape[0].checked_mul(shape[1]);
    assert_eq!(Some(len), wanted, "{name} has {len} elements, not those of {shape:?}");
}

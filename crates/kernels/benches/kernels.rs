//! GFLOP/s of matrix products and convolutions at the shapes of Stable Diffusion and of training.
//!
//! `cargo bench -p aquatint-kernels [-- FILTER]`. Prints the best and the median of several calls,
//! because other load on the machine only ever slows a call down, and the share of the peak of as
//! many Zen 4 cores as there are threads (113 GFLOP/s each in f32, which AVX2 reaches too, twice that
//! in bf16). With `--avx2`, nothing better than that is used. Winograd
//! convolutions are credited with the operations of the direct sum, so they can exceed the peak.
#![allow(clippy::print_stdout)]

use aquatint_kernels::Precision;
use aquatint_kernels::conv2d::{
    self, Activation, Conv2dShape, Fusion, Tile, WinogradWeight, conv2d_winograd,
    conv2d_winograd_fused,
};
use aquatint_kernels::cpu::{self, Isa};
use aquatint_kernels::gemm;
use std::time::{Duration, Instant};

/// Peak of one core in f32, GFLOP/s.
const PEAK: f64 = 113.0;

/// How long each case runs.
const TIME: Duration = Duration::from_millis(400);

fn values(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i * 7919 % 1013) as f32 / 506.0 - 1.0).collect()
}

fn measure(name: &str, precision: Precision, flops: f64, mut call: impl FnMut()) {
    let filters: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let name = format!("{name} {precision:?}");
    if !filters.iter().all(|f| name.contains(f)) {
        return;
    }
    call();
    let start = Instant::now();
    let mut seconds = Vec::new();
    while start.elapsed() < TIME || seconds.len() < 3 {
        let start = Instant::now();
        call();
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let (best, median) = (flops / seconds[0] / 1e9, flops / seconds[seconds.len() / 2] / 1e9);
    let threads = rayon::current_num_threads() as f64;
    let peak = threads * if precision == Precision::Bf16 { 2.0 * PEAK } else { PEAK };
    println!(
        "{name:44} {best:7.1} best {median:7.1} median GFLOP/s {:5.1} % of peak {:9.3} ms",
        100.0 * best / peak,
        1e3 * seconds[0]
    );
}

fn linear(shape @ [m, k, n]: [usize; 3], precision: Precision) {
    let (x, w, dy) = (values(m * k), values(n * k), values(m * n));
    let (mut y, mut dx, mut dw) = (values(m * n), values(m * k), values(n * k));
    let flops = 2.0 * (m * k * n) as f64;
    let name = format!("linear {m}x{k} to {n}");
    measure(&format!("{name} forward"), precision, flops, || {
        gemm::linear(precision, &x, &w, None, &mut y, shape);
    });
    measure(&format!("{name} dx"), precision, flops, || {
        gemm::linear_input_grad(precision, &dy, &w, &mut dx, shape);
    });
    measure(&format!("{name} dw"), precision, flops, || {
        gemm::linear_weight_grad(precision, &x, &dy, &mut dw, shape);
    });
}

fn conv([n, size, c, o]: [usize; 4], gradients: bool, precision: Precision) {
    let s = Conv2dShape { n, h: size, w: size, c, o, kernel: [3, 3], stride: 1, padding: [1; 4] };
    let pixels = n * size * size;
    let (x, w, dy) = (values(pixels * c), values(o * c * 9), values(pixels * o));
    let (mut y, mut dx, mut dw) = (values(pixels * o), values(pixels * c), values(o * c * 9));
    let flops = 2.0 * (pixels * c * o * 9) as f64;
    let name = format!("conv3x3 {n}x{size}x{size} {c} to {o}");
    measure(&format!("{name} forward"), precision, flops, || {
        conv2d::conv2d(precision, &s, &x, &w, None, &mut y);
    });
    if gradients {
        measure(&format!("{name} dx"), precision, flops, || {
            conv2d::conv2d_input_grad(precision, &s, &dy, &w, &mut dx);
        });
        measure(&format!("{name} dw"), precision, flops, || {
            conv2d::conv2d_weight_grad(precision, &s, &x, &dy, &mut dw);
        });
    }
}

/// The direct sum and every Winograd tile, alone and with all that can be fused.
fn winograd([n, size, c, o]: [usize; 4]) {
    let s = Conv2dShape { n, h: size, w: size, c, o, kernel: [3, 3], stride: 1, padding: [1; 4] };
    let pixels = n * size * size;
    let (x, w, bias) = (values(pixels * c), values(o * c * 9), values(o));
    let (mut y, residual) = (values(pixels * o), values(pixels * o));
    let [mean, scale, shift] = [(); 3].map(|()| values(n * c));
    let fusion = Fusion {
        activation: Some(Activation { mean: &mean, scale: &scale, shift: &shift }),
        bias: Some(&bias),
        upsample: false,
        per_picture: None,
        residual: Some(&residual),
    };
    let flops = 2.0 * (pixels * c * o * 9) as f64;
    let name = format!("winograd {n}x{size}x{size} {c} to {o}");
    for precision in [Precision::F32, Precision::Bf16] {
        measure(&format!("{name} direct"), precision, flops, || {
            conv2d::conv2d(precision, &s, &x, &w, Some(&bias), &mut y);
        });
    }
    for tile in [Tile::F2, Tile::F4x2, Tile::F4] {
        let weight = WinogradWeight::new(tile, &w, o, c);
        measure(&format!("{name} {tile:?}"), tile.precision(), flops, || {
            conv2d_winograd(&weight, &s, &x, Some(&bias), &mut y);
        });
        measure(&format!("{name} {tile:?} fused"), tile.precision(), flops, || {
            conv2d_winograd_fused(&weight, &s, &x, &fusion, &mut y);
        });
    }
}

fn main() {
    let has = |flag: &str| std::env::args().any(|a| a == flag);
    if has("--avx2") && !cpu::limit(Isa::Avx2) {
        panic!("the limit comes too late");
    }
    for shape in [
        [1, 64, 320, 320],
        [2, 64, 640, 320],
        [1, 32, 640, 640],
        [2, 8, 1280, 1280],
        [2, 16, 1280, 1280],
        [2, 16, 2560, 1280],
        [1, 64, 512, 512],
        [1, 128, 512, 512],
        [1, 256, 512, 256],
        [1, 256, 256, 256],
        [1, 512, 256, 128],
        [1, 512, 128, 128],
    ] {
        winograd(shape);
    }
    if std::env::args().any(|a| a == "winograd") {
        return;
    }
    for precision in [Precision::F32, Precision::Bf16] {
        linear([4096, 320, 320], precision);
        linear([4096, 320, 2560], precision);
        linear([2048, 1024, 1024], precision);
        linear([1, 1280, 1280], precision);
        linear([32, 256, 1024], precision);
        if std::env::args().any(|a| a == "linear") {
            continue;
        }
        conv([1, 64, 320, 320], false, precision);
        conv([1, 32, 640, 640], false, precision);
        conv([1, 256, 128, 128], false, precision);
        conv([1, 32, 512, 512], false, precision);
        conv([32, 16, 64, 64], true, precision);
        conv([32, 8, 128, 128], true, precision);
        conv([32, 4, 256, 256], true, precision);
        conv([8, 128, 16, 16], true, precision);
        conv([8, 64, 32, 32], true, precision);
    }
}

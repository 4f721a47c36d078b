//! GOP/s of products in 8 bits, against the same in bf16, at the shapes of Stable Diffusion.
//!
//! `cargo bench -p aquatint-kernels --bench int8 [-- FILTER]`. Activations are quantized in every
//! call, weights before. Prints the best and the median of several calls, alternating with bf16,
//! because other load on the machine only ever slows a call down, and the share of the peak of as
//! many Zen 4 cores as there are threads (473 GOP/s each).
#![allow(clippy::print_stdout)]

use aquatint_kernels::conv2d::{self, Conv2dShape};
use aquatint_kernels::int8::{self, Int8Weight};
use aquatint_kernels::{Precision, cpu, gemm};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Peak of one core, GOP/s.
const PEAK: f64 = 473.0;

/// How long each case runs.
const TIME: Duration = Duration::from_millis(800);

fn values(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i * 7919 % 1013) as f32 / 506.0 - 1.0).collect()
}

fn measure(name: &str, operations: f64, mut int8: impl FnMut(), mut bf16: impl FnMut()) {
    let filters: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    if !filters.iter().all(|f| name.contains(f)) {
        return;
    }
    let (start, mut seconds) = (Instant::now(), [vec![], vec![]]);
    while start.elapsed() < TIME || seconds[0].len() < 3 {
        let calls: [&mut dyn FnMut(); 2] = [&mut int8, &mut bf16];
        for (call, seconds) in calls.into_iter().zip(&mut seconds) {
            let start = Instant::now();
            call();
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    seconds.iter_mut().for_each(|seconds| seconds.sort_by(f64::total_cmp));
    let best = seconds[0][0];
    let (rate, median) = (operations / best / 1e9, seconds[0][seconds[0].len() / 2]);
    println!(
        "{name:34} {rate:7.1} best {:7.1} median GOP/s {:5.1} % of peak {:8.3} ms, {:.2} x bf16",
        operations / median / 1e9,
        100.0 * rate / PEAK / rayon::current_num_threads() as f64,
        1e3 * best,
        seconds[1][0] / best,
    );
}

fn linear(shape @ [m, k, n]: [usize; 3]) {
    let (x, w, bias, mut y) = (values(m * k), values(n * k), values(n), vec![0.0; m * n]);
    let (weight, mut z) = (Int8Weight::linear(&w, [n, k]), vec![0.0; m * n]);
    measure(
        &format!("linear {m}x{k} to {n}"),
        2.0 * (m * k * n) as f64,
        || int8::linear(cpu::isa(), &weight, black_box(&x), Some(&bias), &mut y),
        || gemm::linear(Precision::Bf16, black_box(&x), &w, Some(&bias), &mut z, shape),
    );
}

fn conv([n, size, c, o]: [usize; 4], kernel: usize) {
    let pad = [kernel / 2; 4];
    let s = Conv2dShape { n, h: size, w: size, c, o, kernel: [kernel; 2], stride: 1, padding: pad };
    let (pixels, taps) = (n * size * size, kernel * kernel);
    let (x, w, mut y) = (values(pixels * c), values(o * c * taps), vec![0.0; pixels * o]);
    let weight = Int8Weight::conv2d(&w, [o, c, kernel, kernel]);
    let mut z = y.clone();
    measure(
        &format!("conv{kernel}x{kernel} {n}x{size}x{size} {c} to {o}"),
        2.0 * (pixels * c * o * taps) as f64,
        || int8::conv2d(cpu::isa(), &weight, &s, black_box(&x), None, &mut y),
        || conv2d::conv2d(Precision::Bf16, &s, black_box(&x), &w, None, &mut z),
    );
}

fn main() {
    linear([4096, 320, 320]);
    linear([4096, 320, 2560]);
    linear([4096, 1280, 320]);
    linear([2048, 1024, 1024]);
    linear([256, 1280, 1280]);
    linear([77, 768, 320]);
    linear([1, 1280, 1280]);
    conv([1, 64, 320, 320], 3);
    conv([1, 32, 640, 640], 3);
    conv([2, 16, 1280, 1280], 3);
    conv([1, 8, 1280, 1280], 3);
    conv([1, 64, 960, 320], 3);
    conv([1, 256, 128, 128], 3);
    conv([1, 32, 640, 640], 1);
}

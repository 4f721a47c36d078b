//! GOP/s of products in 8 bits, against the same in bf16 as layers do them, at the shapes of Stable Diffusion.
//!
//! `cargo bench -p aquatint-kernels --bench int8 [-- FILTER]`. Activations are quantized in every
//! call, weights before. Prints the best and the median of several calls, alternating with bf16,
//! because other load on the machine only ever slows a call down, and the share of the peak of as
//! many Zen 4 cores as there are threads (473 GOP/s each).
#![allow(clippy::print_stdout)]

use aquatint_kernels::conv2d::Conv2dShape;
use aquatint_kernels::int8::{self, Int8Weight};
use aquatint_kernels::{Numbers, Precision, Weight, cpu};
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

fn linear([m, k, n]: [usize; 3]) {
    let (x, w, bias, mut y) = (values(m * k), values(n * k), values(n), vec![0.0; m * n]);
    let (weight, mut z) = (Int8Weight::linear(Numbers::F32(&w), [n, k]), vec![0.0; m * n]);
    let bf16 = Weight::linear(Precision::Bf16, Numbers::F32(&w), [n, k]);
    measure(
        &format!("linear {m}x{k} to {n}"),
        2.0 * (m * k * n) as f64,
        || int8::linear(cpu::isa(), &weight, black_box(&x), Some(&bias), &mut y),
        || bf16.apply_linear(black_box(&x), Some(&bias), &mut z, m),
    );
}

fn conv([n, size, c, o]: [usize; 4], kernel: usize, stride: usize) {
    let padding = [kernel / 2; 4];
    let s = Conv2dShape { n, h: size, w: size, c, o, kernel: [kernel; 2], stride, padding };
    let (pixels, taps) = (n * size * size, kernel * kernel);
    let results = pixels / stride / stride;
    let (x, w, mut y) = (values(pixels * c), values(o * c * taps), vec![0.0; results * o]);
    let (numbers, shape) = (Numbers::F32(&w), [o, c, kernel, kernel]);
    let weight = Int8Weight::conv2d(numbers, shape);
    let bf16 = match stride {
        1 => Weight::conv2d_same(Precision::Bf16, numbers, shape),
        _ => Weight::conv2d(Precision::Bf16, numbers, shape),
    };
    let mut z = y.clone();
    measure(
        &format!("conv{kernel}x{kernel} {n}x{size}x{size} {c} to {o} by {stride}"),
        2.0 * (results * c * o * taps) as f64,
        || int8::conv2d(cpu::isa(), &weight, &s, black_box(&x), None, &mut y),
        || bf16.apply_conv2d(&s, black_box(&x), None, &mut z),
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
    for [size, c, o] in [
        [64, 320, 320],
        [64, 640, 320],
        [64, 960, 320],
        [64, 640, 640],
        [32, 320, 640],
        [32, 640, 640],
        [32, 960, 640],
        [32, 1280, 640],
        [32, 1920, 640],
        [32, 1280, 1280],
        [16, 640, 1280],
        [16, 1280, 1280],
        [16, 1920, 1280],
        [16, 2560, 1280],
        [8, 1280, 1280],
        [8, 2560, 1280],
    ] {
        conv([1, size, c, o], 3, 1);
    }
    conv([1, 64, 320, 320], 3, 2);
    conv([1, 32, 640, 640], 3, 2);
    conv([1, 16, 1280, 1280], 3, 2);
    conv([1, 32, 640, 640], 1, 1);
}

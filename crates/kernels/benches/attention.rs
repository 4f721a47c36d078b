//! GFLOP/s of attention at the shapes of Stable Diffusion.
//!
//! `cargo bench -p aquatint-kernels --bench attention [-- FILTER]`. Prints the best and the median of
//! several calls, because other load on the machine only ever slows a call down. Counted are the two
//! matrix products; softmax is not, though it takes a fifth of the time or more.
#![allow(clippy::print_stdout)]

use aquatint_kernels::attention::{AttentionShape, attention, attention_int8};
use aquatint_kernels::{Activations, ActivationsMut, Precision};
use std::time::{Duration, Instant};

/// How long each case runs.
const TIME: Duration = Duration::from_millis(400);

fn values(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|i| ((i + seed) * 7919 % 1013) as f32 / 506.0 - 1.0).collect()
}

/// Without a precision, in bytes.
fn measure(what: &str, s: &AttentionShape, precision: Option<Precision>) {
    let &AttentionShape { batch, heads, tq, tk, d, .. } = s;
    let products = precision.map_or("Int8".to_string(), |precision| format!("{precision:?}"));
    let name = format!("{what} {batch}x{tq} to {tk}, {heads} heads of {d} {products}");
    let filters: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    if !filters.iter().all(|f| name.contains(f)) {
        return;
    }
    let (of_queries, of_keys) = (batch * tq * heads * d, batch * tk * heads * d);
    let (q, k, v) = (values(of_queries, 1), values(of_keys, 5), values(of_keys, 9));
    let mut out = vec![0.0; of_queries];
    let scale = 1.0 / (d as f32).sqrt();
    let mut call = || match precision {
        Some(precision) => attention(precision, s, scale, &q, &k, &v, &mut out),
        None => {
            let qkv = [&q, &k, &v].map(|x| Activations::F32(x));
            attention_int8(s, scale, qkv, ActivationsMut::F32(&mut out));
        }
    };
    call();
    let start = Instant::now();
    let mut seconds = Vec::new();
    while start.elapsed() < TIME || seconds.len() < 3 {
        let start = Instant::now();
        call();
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let flops = 4.0 * (batch * heads * tq * tk * d) as f64;
    let (best, median) = (flops / seconds[0] / 1e9, flops / seconds[seconds.len() / 2] / 1e9);
    println!("{name:48} {best:7.1} best {median:7.1} median GFLOP/s {:9.3} ms", 1e3 * seconds[0]);
}

fn main() {
    for precision in [Some(Precision::F32), Some(Precision::Bf16), None] {
        let case = |what, [batch, heads, tq, tk, d]: [usize; 5], causal| {
            measure(what, &AttentionShape { batch, heads, tq, tk, d, causal }, precision);
        };
        for (t, d) in [(4096, 40), (1024, 80), (256, 160), (64, 160)] {
            case("self", [2, 8, t, t, d], false);
            case("cross", [2, 8, t, 77, d], false);
        }
        case("SDXL self", [2, 10, 4096, 4096, 64], false);
        case("SDXL self", [2, 20, 1024, 1024, 64], false);
        case("autoencoder", [1, 1, 4096, 4096, 512], false);
        case("CLIP", [2, 12, 77, 77, 64], true);
    }
}

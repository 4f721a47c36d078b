//! Every kernel that this machine can run against the plain one, one tile at a time.

use super::*;
use crate::testing::random;

/// The kernels of AVX-VNNI with the same instruction in its other encoding, that of AVX-512: so that
/// they are tested where there is no AVX-VNNI.
#[cfg(target_arch = "x86_64")]
mod twin {
    use super::avx2::{LANES, V, columns, fetch, finish, sum, zero};
    use std::arch::x86_64::*;

    vnni_kernels!("avx2,avx512vl,avx512vnni", _mm256_dpbusd_epi32);
}

/// All kernels of this machine, those too that it would not choose.
fn all() -> Vec<(&'static str, &'static Kernels)> {
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut))]
    let mut all = vec![("chosen", Kernels::select(cpu::isa()))];
    #[cfg(target_arch = "x86_64")]
    {
        if cpu::isa() >= Isa::Avx2 {
            all.push(("AVX2", &avx2::KERNELS));
        }
        if cpu::has_avx_vnni() {
            all.push(("AVX-VNNI", &avx_vnni::KERNELS));
        }
        if cpu::has_vnni() {
            all.push(("AVX-VNNI in the encoding of AVX-512", &twin::KERNELS));
        }
    }
    all
}

fn words(seed: u64, n: usize) -> Vec<u32> {
    random(seed, n).iter().map(|x| x.to_bits().wrapping_mul(0x9E37_79B9)).collect()
}

#[test]
fn every_tile_of_every_kernel_is_that_of_the_plain_one() {
    const SIZES: [[usize; 2]; 5] = [[1, 1], [2, 3], [1, 0], [3, 7], [1, 20]];
    // Miri sees one size, and every number of vectors.
    let (sizes, step) = if cfg!(miri) { (&SIZES[1..2], 7) } else { (&SIZES[..], 1) };
    let shapes = sizes.iter().flat_map(|&size| (1..=PANEL).step_by(step).map(move |c| (size, c)));
    for (name, kernels) in all() {
        for ([taps, k], cols) in shapes.clone() {
            let left = words(1, kernels.mr * taps * k);
            let (b, bias) = (words(2, taps * k * PANEL), random(3, cols));
            let scales = random(4, PANEL);
            let sums: Vec<i32> = words(5, PANEL).iter().map(|&word| word as i32 >> 8).collect();
            for mr in 1..=kernels.mr {
                let terms: Vec<RowTerms> = (0..mr)
                    .map(|i| {
                        let words = &left[i * taps * k..][..taps * k];
                        // SAFETY: so many words are readable.
                        let sum = unsafe { kernels.sum(words.as_ptr(), words.len()) };
                        RowTerms { scale: 0.01 * (i + 1) as f32, zero: i as i32 * 21 - 60, sum }
                    })
                    .collect();
                let run = |kernels: &Kernels, rows: std::ops::Range<usize>, y: &mut [f32]| {
                    let pointers: Vec<*const u32> = (0..taps)
                        .flat_map(|tap| rows.clone().map(move |i| (i * taps + tap) * k))
                        .map(|at| left[at..].as_ptr())
                        .collect();
                    let tile = Tile {
                        rows: pointers.as_ptr(),
                        taps,
                        k,
                        b: b.as_ptr(),
                        terms: terms[rows.start..].as_ptr(),
                        scales: scales.as_ptr(),
                        sums: sums.as_ptr(),
                        bias: bias.as_ptr(),
                        cols,
                        out: y[rows.start * cols..].as_mut_ptr(),
                        out_stride: cols,
                    };
                    // SAFETY: the vectors are as long as the tile says.
                    unsafe { kernels.rows(rows.len(), &tile) };
                };
                let [mut got, mut want] = [vec![7.0; mr * cols], vec![9.0; mr * cols]];
                run(kernels, 0..mr, &mut got);
                for row in 0..mr {
                    run(&portable::KERNELS, row..row + 1, &mut want);
                }
                assert_eq!(got, want, "{name}: {mr} rows, {cols} columns, {taps} × {k} words");
            }
        }
    }
}

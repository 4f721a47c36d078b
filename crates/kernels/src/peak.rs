//! The fastest that this machine can multiply and add: products of numbers that never leave their
//! registers, against which to measure the kernels.

use std::hint::black_box;

use crate::cpu::{self, Isa};
use crate::watch::Products;

/// Multiplies and adds on all threads, `rounds` times so many numbers as fill most registers, by
/// the best instruction there is for these products (those of f32 if there is none), and returns
/// how many operations that was.
pub fn multiply_add(products: Products, rounds: usize) -> u64 {
    let burn = burner(cpu::isa(), products);
    rayon::broadcast(|_| burn(rounds)).into_iter().sum()
}

/// On one thread.
fn burner(isa: Isa, products: Products) -> fn(usize) -> u64 {
    assert!(isa <= cpu::isa(), "this machine lacks {isa:?}");
    #[cfg(target_arch = "x86_64")]
    match (isa, products) {
        // SAFETY: `cpu` found the features of each.
        (Isa::Avx512Bf16, Products::Bf16) => return |rounds| unsafe { x86::bf16(rounds) },
        (Isa::Avx512Bf16 | Isa::Avx512, Products::Int8) if cpu::has_vnni() => {
            // SAFETY: as above.
            return |rounds| unsafe { x86::int8(rounds) };
        }
        // SAFETY: as above.
        (Isa::Avx512Bf16 | Isa::Avx512, _) => return |rounds| unsafe { x86::avx512(rounds) },
        // SAFETY: as above.
        (Isa::Avx2, _) => return |rounds| unsafe { x86::avx2(rounds) },
        (Isa::Portable, _) => {}
    }
    let _ = (isa, products);
    portable
}

fn portable(rounds: usize) -> u64 {
    let (a, b) = (black_box(0.5f32), black_box(0.25));
    let mut sums = [black_box(1.0f32); 32];
    for _ in 0..rounds {
        sums.iter_mut().for_each(|sum| *sum = *sum * a + b);
    }
    black_box(sums);
    (rounds * sums.len() * 2) as u64
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::hint::black_box;

    /// Sums whose additions hide each other's latency, in as many registers; the operations of one
    /// instruction.
    macro_rules! burn {
        ($sums:literal, $operations:literal, $start:expr, |$sum:ident| $next:expr, $rounds:ident) => {{
            let mut sums = [black_box($start); $sums];
            for _ in 0..$rounds {
                for sum in &mut sums {
                    let $sum = *sum;
                    *sum = $next;
                }
            }
            black_box(sums);
            ($rounds * $sums * $operations) as u64
        }};
    }

    #[target_feature(enable = "avx2,fma")]
    pub fn avx2(rounds: usize) -> u64 {
        let (a, b) = (black_box(_mm256_set1_ps(0.5)), black_box(_mm256_set1_ps(0.25)));
        burn!(12, 16, _mm256_set1_ps(1.0), |sum| _mm256_fmadd_ps(sum, a, b), rounds)
    }

    #[target_feature(enable = "avx512f")]
    pub fn avx512(rounds: usize) -> u64 {
        let (a, b) = (black_box(_mm512_set1_ps(0.5)), black_box(_mm512_set1_ps(0.25)));
        burn!(24, 32, _mm512_set1_ps(1.0), |sum| _mm512_fmadd_ps(sum, a, b), rounds)
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    pub fn bf16(rounds: usize) -> u64 {
        // Products of zeros: the sums stay what they are, and the time does not depend on it.
        // SAFETY: both are 512 bits, and every pattern is a vector of bf16.
        let a: __m512bh = unsafe { std::mem::transmute(black_box(_mm512_setzero_si512())) };
        burn!(24, 64, _mm512_set1_ps(1.0), |sum| _mm512_dpbf16_ps(sum, a, a), rounds)
    }

    #[target_feature(enable = "avx512f,avx512vnni")]
    pub fn int8(rounds: usize) -> u64 {
        let (a, b) = (black_box(_mm512_set1_epi8(3)), black_box(_mm512_set1_epi8(-2)));
        burn!(24, 128, _mm512_setzero_si512(), |sum| _mm512_dpbusd_epi32(sum, a, b), rounds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_counts_what_it_did() {
        for isa in cpu::available() {
            for products in [Products::F32, Products::Bf16, Products::Int8] {
                let burn = burner(isa, products);
                assert!(burn(1) > 0, "{isa:?} {products:?}");
                assert_eq!(burn(7), 7 * burn(1), "{isa:?} {products:?}");
            }
        }
    }
}

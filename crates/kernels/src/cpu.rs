//! What this machine can do, read once.

use std::sync::OnceLock;

/// An instruction set that kernels have a variant for, best last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Plain Rust, any machine.
    Portable,
    /// What every 64-bit Arm has.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// AVX2 with FMA (x86-64 since 2013).
    Avx2,
    /// AVX-512 F, BW, DQ, VL.
    Avx512,
    /// AVX-512 with `vdpbf16ps`.
    Avx512Bf16,
}

/// The instruction set that kernels use: the best of this machine, unless [`limit`] said otherwise.
pub fn isa() -> Isa {
    #[cfg(test)]
    if let Some(isa) = crate::testing::isa_of_this_thread() {
        return isa;
    }
    *ISA.get_or_init(detect)
}

/// Lets kernels use nothing better than `most`, to measure what a lesser machine would do. Whether
/// it had an effect: it has none once a kernel has run.
pub fn limit(most: Isa) -> bool {
    ISA.set(detect().min(most)).is_ok()
}

static ISA: OnceLock<Isa> = OnceLock::new();

/// Whether this machine has `vpdpbusd` on 512 bits (AVX-512 VNNI), products of bytes.
pub fn has_vnni() -> bool {
    #[cfg(target_arch = "x86_64")]
    return isa() >= Isa::Avx512 && is_x86_feature_detected!("avx512vnni");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Whether this machine, besides AVX-512 BF16, looks bytes up in tables (AVX-512 VBMI) and has
/// [`has_vnni`], as all but the first with BF16 do.
pub fn has_vbmi() -> bool {
    #[cfg(target_arch = "x86_64")]
    return has_vnni() && is_x86_feature_detected!("avx512vbmi");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Whether this machine has `vpdpbusd` on 256 bits without AVX-512 (AVX-VNNI).
pub fn has_avx_vnni() -> bool {
    #[cfg(target_arch = "x86_64")]
    return isa() >= Isa::Avx2 && is_x86_feature_detected!("avxvnni");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Whether this machine has `sdot`, the Arm product of bytes.
pub fn has_dotprod() -> bool {
    #[cfg(target_arch = "aarch64")]
    return isa() >= Isa::Neon && std::arch::is_aarch64_feature_detected!("dotprod");
    #[cfg(not(target_arch = "aarch64"))]
    false
}

/// Every instruction set this machine can run, for tests that compare all variants.
pub fn available() -> impl Iterator<Item = Isa> {
    [
        Isa::Portable,
        #[cfg(target_arch = "aarch64")]
        Isa::Neon,
        Isa::Avx2,
        Isa::Avx512,
        Isa::Avx512Bf16,
    ]
    .into_iter()
    .filter(|&i| i <= isa())
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Isa {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = avx2
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    match (avx2, avx512) {
        (_, true) if is_x86_feature_detected!("avx512bf16") => Isa::Avx512Bf16,
        (_, true) => Isa::Avx512,
        (true, _) => Isa::Avx2,
        _ => Isa::Portable,
    }
}

#[cfg(target_arch = "aarch64")]
fn detect() -> Isa {
    // Miri knows none of its instructions.
    if cfg!(miri) { Isa::Portable } else { Isa::Neon }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn detect() -> Isa {
    Isa::Portable
}

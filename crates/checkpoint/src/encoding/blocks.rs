//! ggml's blocks of 32 numbers: small integers with a common scale, and in the `_1` formats a
//! common minimum. Numbers j and j+16 share a byte. The layouts are those of `ggml-common.h`.

use half::f16;

pub(super) fn half(low: u8, high: u8) -> f32 {
    f16::from_le_bytes([low, high]).to_f32()
}

/// Scale, then 16 bytes of four bits each: d·(q − 8).
pub(super) fn q4_0(bytes: &[u8], out: &mut Vec<f32>) {
    for [d0, d1, q @ ..] in bytes.as_chunks::<18>().0 {
        let d = half(*d0, *d1);
        out.extend(q.iter().map(|q| f32::from((q & 15) as i8 - 8) * d));
        out.extend(q.iter().map(|q| f32::from((q >> 4) as i8 - 8) * d));
    }
}

/// Scale, minimum, then 16 bytes of four bits each: d·q + m.
pub(super) fn q4_1(bytes: &[u8], out: &mut Vec<f32>) {
    for [d0, d1, m0, m1, q @ ..] in bytes.as_chunks::<20>().0 {
        let (d, m) = (half(*d0, *d1), half(*m0, *m1));
        out.extend(q.iter().map(|q| f32::from(q & 15) * d + m));
        out.extend(q.iter().map(|q| f32::from(q >> 4) * d + m));
    }
}

/// Scale, the fifth bits of all, then 16 bytes of four bits each: d·(q − 16).
pub(super) fn q5_0(bytes: &[u8], out: &mut Vec<f32>) {
    for [d0, d1, h0, h1, h2, h3, q @ ..] in bytes.as_chunks::<22>().0 {
        let d = half(*d0, *d1);
        let high = u32::from_le_bytes([*h0, *h1, *h2, *h3]);
        five_bits(q, high, out, |q| f32::from(q as i8 - 16) * d);
    }
}

/// Scale, minimum, the fifth bits of all, then 16 bytes of four bits each: d·q + m.
pub(super) fn q5_1(bytes: &[u8], out: &mut Vec<f32>) {
    for [d0, d1, m0, m1, h0, h1, h2, h3, q @ ..] in bytes.as_chunks::<24>().0 {
        let (d, m) = (half(*d0, *d1), half(*m0, *m1));
        let high = u32::from_le_bytes([*h0, *h1, *h2, *h3]);
        five_bits(q, high, out, |q| f32::from(q) * d + m);
    }
}

fn five_bits(q: &[u8; 16], high: u32, out: &mut Vec<f32>, number: impl Fn(u8) -> f32) {
    let fifth = |j: usize| ((high >> j & 1) as u8) << 4;
    out.extend(q.iter().enumerate().map(|(j, q)| number(q & 15 | fifth(j))));
    out.extend(q.iter().enumerate().map(|(j, q)| number(q >> 4 | fifth(j + 16))));
}

/// Scale, then 32 signed bytes: d·q.
pub(super) fn q8_0(bytes: &[u8], out: &mut Vec<f32>) {
    for [d0, d1, q @ ..] in bytes.as_chunks::<34>().0 {
        let d = half(*d0, *d1);
        out.extend(q.iter().map(|&q| f32::from(q as i8) * d));
    }
}

//! ggml's blocks of 256 numbers, the k-quants: groups of 16 or 32 numbers have small integer scales
//! (and minima) of their own, which a pair of f16 scales in turn. The layouts are those of
//! `ggml-common.h`.

use super::blocks::half;

/// Scales and minima of 16 groups, four bits each; two bits a number.
pub(super) fn q2_k(bytes: &[u8], out: &mut Vec<f32>) {
    for block in bytes.as_chunks::<84>().0 {
        let (scales, q) = (&block[..16], &block[16..80]);
        let (d, m) = (half(block[80], block[81]), half(block[82], block[83]));
        for group in 0..16 {
            let scale = d * f32::from(scales[group] & 15);
            let min = m * f32::from(scales[group] >> 4);
            let (bytes, shift) = quarter(group);
            out.extend(q[bytes..][..16].iter().map(|q| scale * f32::from(q >> shift & 3) - min));
        }
    }
}

/// Third bits of all numbers, two bits a number, 16 scales of six bits in a packing of their own.
pub(super) fn q3_k(bytes: &[u8], out: &mut Vec<f32>) {
    for block in bytes.as_chunks::<110>().0 {
        let (high, q, scales) = (&block[..32], &block[32..96], &block[96..108]);
        let d = half(block[108], block[109]);
        for group in 0..16 {
            let low = if group < 8 { scales[group] & 15 } else { scales[group - 8] >> 4 };
            let upper = scales[8 + group % 4] >> (2 * (group / 4)) & 3;
            let scale = d * f32::from((low | upper << 4) as i8 - 32);
            let (bytes, shift) = quarter(group);
            // Bit k of the first 32 bytes belongs to the k-th 32 numbers.
            let third = |l: usize| high[bytes % 32 + l] >> (group / 2) & 1;
            let number = |(l, q): (usize, &u8)| (q >> shift & 3 | third(l) << 2) as i8 - 4;
            let numbers = q[bytes..][..16].iter().enumerate().map(number);
            out.extend(numbers.map(|number| scale * f32::from(number)));
        }
    }
}

/// Where the two bits of a group of 16 begin: each half of the bytes holds 128 numbers, each pair
/// of bits 32 of them.
fn quarter(group: usize) -> (usize, usize) {
    (group / 8 * 32 + group % 2 * 16, group % 8 / 2 * 2)
}

/// Scales and minima of eight groups, six bits each; four bits a number.
pub(super) fn q4_k(bytes: &[u8], out: &mut Vec<f32>) {
    for block in bytes.as_chunks::<144>().0 {
        let (d, m) = (half(block[0], block[1]), half(block[2], block[3]));
        for group in 0..8 {
            let (scale, min) = scale_and_min(&block[4..16], group, d, m);
            let q = &block[16 + group / 2 * 32..][..32];
            let shift = group % 2 * 4;
            out.extend(q.iter().map(|q| scale * f32::from(q >> shift & 15) - min));
        }
    }
}

/// As [`q4_k`], with the fifth bits of all numbers between.
pub(super) fn q5_k(bytes: &[u8], out: &mut Vec<f32>) {
    for block in bytes.as_chunks::<176>().0 {
        let (d, m) = (half(block[0], block[1]), half(block[2], block[3]));
        let high = &block[16..48];
        for group in 0..8 {
            let (scale, min) = scale_and_min(&block[4..16], group, d, m);
            let q = &block[48 + group / 2 * 32..][..32];
            let shift = group % 2 * 4;
            let number = |(q, h): (&u8, &u8)| q >> shift & 15 | (h >> group & 1) << 4;
            out.extend(q.iter().zip(high).map(number).map(|q| scale * f32::from(q) - min));
        }
    }
}

/// The first four groups have six bits of a byte each; the last four have four bits in the third
/// four bytes, and the two bits that the first four left over.
fn scale_and_min(packed: &[u8], group: usize, d: f32, m: f32) -> (f32, f32) {
    let (scale, min) = if group < 4 {
        (packed[group] & 63, packed[group + 4] & 63)
    } else {
        let scale = packed[group + 4] & 15 | packed[group - 4] >> 6 << 4;
        (scale, packed[group + 4] >> 4 | packed[group] >> 6 << 4)
    };
    (d * f32::from(scale), m * f32::from(min))
}

/// Four low bits of all numbers, two high ones, 16 scales of eight bits.
pub(super) fn q6_k(bytes: &[u8], out: &mut Vec<f32>) {
    for block in bytes.as_chunks::<210>().0 {
        let d = half(block[208], block[209]);
        for group in 0..8 {
            // Halves of 128 numbers; in each four groups of 32.
            let (upper, quarter) = (group / 4, group % 4);
            let low = &block[upper * 64 + quarter % 2 * 32..][..32];
            let high = &block[128 + upper * 32..][..32];
            let scales = &block[192 + group * 2..][..2];
            for l in 0..32 {
                let q = low[l] >> (quarter / 2 * 4) & 15 | (high[l] >> (quarter * 2) & 3) << 4;
                let scale = d * f32::from(scales[l / 16] as i8);
                out.push(scale * f32::from(q as i8 - 32));
            }
        }
    }
}

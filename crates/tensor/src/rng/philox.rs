//! Philox4x32-10 of Salmon, Moraes, Dror and Shaw, 2011 ("Parallel random numbers: as easy as
//! 1, 2, 3"): a keyed scrambling of a counter. There is no state, so any number of the stream can
//! be drawn first, which is why graphics processors like it.

const ROUNDS: usize = 10;
const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
/// What is added to the key between rounds: the golden ratio's and √3's fractions.
const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];

/// The 128 random bits that belong to this counter under this key.
pub fn block(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let [a, b, c, d] = counter;
        let (high0, low0) = product(a, MULTIPLIERS[0]);
        let (high1, low1) = product(c, MULTIPLIERS[1]);
        counter = [high1 ^ b ^ key[0], low1, high0 ^ d ^ key[1], low0];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// Both halves of a product, the higher one first.
fn product(a: u32, b: u32) -> (u32, u32) {
    let product = a as u64 * b as u64;
    ((product >> 32) as u32, product as u32)
}

#[cfg(test)]
mod tests {
    use super::block;

    /// The authors' known answers: the `philox4x32 10` lines of Random123's `kat_vectors`.
    #[test]
    fn known_answers() {
        assert_eq!(block([0; 4], [0; 2]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
        let ones = [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd];
        assert_eq!(block([u32::MAX; 4], [u32::MAX; 2]), ones);
        // The digits of π.
        let counter = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344];
        let expected = [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1];
        assert_eq!(block(counter, [0xa4093822, 0x299f31d0]), expected);
    }
}

//! The Mersenne Twister of Matsumoto and Nishimura, 1998: 32-bit numbers with period 2¹⁹⁹³⁷ − 1.

const N: usize = 624;
const M: usize = 397;

/// The generator's state: 624 words, and how many of them were given out.
#[derive(Clone)]
pub struct Mt19937 {
    state: [u32; N],
    used: usize,
}

impl Mt19937 {
    /// Seeded by one word (`init_genrand` of the authors, `torch.manual_seed`).
    pub fn new(seed: u32) -> Self {
        let mut state = [seed; N];
        for i in 1..N {
            let previous = state[i - 1] ^ (state[i - 1] >> 30);
            state[i] = previous.wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        Self { state, used: N }
    }

    /// Seeded by several words (`init_by_array` of the authors), so that different keys give
    /// different streams: one word alone can name only 2³² of them.
    pub fn from_key(key: &[u32]) -> Self {
        let mut state = Self::new(19_650_218).state;
        let mut i = 1;
        for k in 0..N.max(key.len()) {
            let j = k % key.len();
            state[i] = mixed(&state, i, 1_664_525).wrapping_add(key[j]).wrapping_add(j as u32);
            i = after(&mut state, i);
        }
        for _ in 1..N {
            state[i] = mixed(&state, i, 1_566_083_941).wrapping_sub(i as u32);
            i = after(&mut state, i);
        }
        state[0] = 1 << 31;
        Self { state, used: N }
    }

    /// The next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == N {
            self.twist();
        }
        let mut y = self.state[self.used];
        self.used += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// Makes 624 new words of the old ones.
    fn twist(&mut self) {
        for i in 0..N {
            let y = (self.state[i] & 1 << 31) | (self.state[(i + 1) % N] & !(1 << 31));
            let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + M) % N] ^ (y >> 1) ^ odd;
        }
        self.used = 0;
    }
}

/// Word `i` with the word before it folded in.
fn mixed(state: &[u32; N], i: usize, factor: u32) -> u32 {
    let previous = state[i - 1] ^ (state[i - 1] >> 30);
    state[i] ^ previous.wrapping_mul(factor)
}

/// The place after `i` while seeding. Word 0 only hands the last word on to word 1.
fn after(state: &mut [u32; N], i: usize) -> usize {
    if i + 1 < N {
        return i + 1;
    }
    state[0] = state[N - 1];
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ten thousandth number of the default seed, as C++ prescribes ([rand.predef]).
    #[test]
    fn ten_thousandth_number() {
        let mut mt = Mt19937::new(5489);
        let last = (0..10_000).map(|_| mt.next_u32()).last();
        assert_eq!(last, Some(4_123_659_995));
    }

    /// The first numbers in the authors' own `mt19937ar.out`.
    #[test]
    fn numbers_of_the_authors() {
        let mut mt = Mt19937::from_key(&[0x123, 0x234, 0x345, 0x456]);
        let first: Vec<u32> = (0..5).map(|_| mt.next_u32()).collect();
        assert_eq!(first, [1067595299, 955945823, 477289528, 4107218783, 4228976476]);
    }
}

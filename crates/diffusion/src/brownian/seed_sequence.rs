//! NumPy's `SeedSequence`: one seed and a place in a tree in, as many independent seeds out. The
//! mixing is M. E. O'Neill's `seed_seq_fe` (2015).

const INIT_A: u32 = 0x43b0_d7e5;
const MULT_A: u32 = 0x931e_8875;
const INIT_B: u32 = 0x8b51_f9dd;
const MULT_B: u32 = 0x58f3_8ded;
const MIX_MULT_L: u32 = 0xca01_f9dd;
const MIX_MULT_R: u32 = 0x4973_f715;

/// `SeedSequence(entropy, spawn_key=spawn_key, pool_size=P).generate_state(N)`.
pub(super) fn seeds<const P: usize, const N: usize>(entropy: u64, spawn_key: &[u64]) -> [u32; N] {
    let mut words = words_of(entropy);
    if !spawn_key.is_empty() {
        // So that a longer seed is not mistaken for a short one with a key.
        words.resize(words.len().max(P), 0);
        words.extend(spawn_key.iter().flat_map(|&key| words_of(key)));
    }
    let mut hash_const = INIT_A;
    let mut hash = |value: u32| hashed(value, &mut hash_const, MULT_A);
    let mut pool: [u32; P] =
        std::array::from_fn(|i| hash(words.get(i).copied().unwrap_or_default()));
    for from in 0..P {
        for to in (0..P).filter(|&to| to != from) {
            pool[to] = mixed(pool[to], hash(pool[from]));
        }
    }
    for &word in words.iter().skip(P) {
        for value in &mut pool {
            *value = mixed(*value, hash(word));
        }
    }
    let mut hash_const = INIT_B;
    std::array::from_fn(|i| hashed(pool[i % P], &mut hash_const, MULT_B))
}

/// The number in words of 32 bits, lowest first; at least one.
fn words_of(number: u64) -> Vec<u32> {
    let (low, high) = (number as u32, (number >> 32) as u32);
    if high == 0 { vec![low] } else { vec![low, high] }
}

fn hashed(value: u32, hash_const: &mut u32, multiplier: u32) -> u32 {
    let value = value ^ *hash_const;
    *hash_const = hash_const.wrapping_mul(multiplier);
    let value = value.wrapping_mul(*hash_const);
    value ^ (value >> 16)
}

fn mixed(x: u32, y: u32) -> u32 {
    let value = MIX_MULT_L.wrapping_mul(x).wrapping_sub(MIX_MULT_R.wrapping_mul(y));
    value ^ (value >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// np.random.SeedSequence(seed, spawn_key=key, pool_size=pool).generate_state(3).
    #[test]
    fn numpy() {
        assert_eq!(seeds::<4, 3>(42, &[]), [3444837047, 2669555309, 2046530742]);
        assert_eq!(seeds::<24, 3>((1 << 32) + 5, &[]), [3001752692, 252864033, 810806329]);
        assert_eq!(seeds::<24, 3>(42, &[5, 3]), [3084123560, 468215949, 242942938]);
    }
}

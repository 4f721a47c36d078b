//! Byte-pair encoding (Sennrich et al. 2016) of single words.

use std::collections::HashMap;

use super::alphabet::{END_OF_WORD, char_of};

/// Which two neighbouring tokens become one, and which of two such merges goes first.
#[derive(Clone, Debug, Default)]
pub struct Merges {
    ranks: HashMap<(u32, u32), (usize, u32)>,
}

impl Merges {
    /// Adds the merge of `left` and `right` into `merged`, after all others.
    pub fn push(&mut self, left: u32, right: u32, merged: u32) {
        let rank = self.ranks.len();
        self.ranks.entry((left, right)).or_insert((rank, merged));
    }

    /// Applies the merges to one word, the earliest first and each from left to right.
    pub fn apply(&self, word: &mut Vec<u32>) {
        while let Some((pair, merged)) = self.first(word) {
            merge(word, pair, merged);
        }
    }

    fn first(&self, word: &[u32]) -> Option<((u32, u32), u32)> {
        let pairs = word.windows(2).map(|pair| (pair[0], pair[1]));
        let known = pairs.filter_map(|pair| Some((pair, self.ranks.get(&pair)?)));
        let best = known.min_by_key(|(_, (rank, _))| *rank)?;
        Some((best.0, best.1.1))
    }
}

/// Replaces every `pair` in `word` by `merged`, from left to right.
pub fn merge(word: &mut Vec<u32>, pair: (u32, u32), merged: u32) {
    let mut kept = 0;
    let mut read = 0;
    while read < word.len() {
        if word.get(read..read + 2) == Some(&[pair.0, pair.1]) {
            word[kept] = merged;
            read += 2;
        } else {
            word[kept] = word[read];
            read += 1;
        }
        kept += 1;
    }
    word.truncate(kept);
}

/// The tokens that a word consists of before any merge: its bytes, the last one marked.
pub fn symbols(word: &str) -> impl Iterator<Item = String> {
    let last = word.len().saturating_sub(1);
    word.bytes().enumerate().map(move |(i, byte)| {
        let mut symbol = char_of(byte).to_string();
        if i == last {
            symbol.push_str(END_OF_WORD);
        }
        symbol
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_merge_goes_first() {
        let (a, b, c, ab, bc, abc) = (0, 1, 2, 3, 4, 5);
        let mut merges = Merges::default();
        merges.push(b, c, bc);
        merges.push(a, b, ab);
        merges.push(a, bc, abc);
        let mut word = vec![a, b, c, a, b, a, b];
        merges.apply(&mut word);
        assert_eq!(word, [abc, ab, ab]);
    }

    #[test]
    fn equal_neighbours_merge_from_the_left() {
        let mut word = vec![7, 7, 7];
        merge(&mut word, (7, 7), 8);
        assert_eq!(word, [8, 7]);
    }

    #[test]
    fn the_last_byte_is_marked() {
        assert_eq!(symbols("ok").collect::<Vec<_>>(), ["o", "k</w>"]);
        assert_eq!(symbols("é").collect::<Vec<_>>(), ["Ã", "©</w>"]);
    }
}

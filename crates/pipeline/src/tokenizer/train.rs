//! Learning the merges from captions. The crate's own trainer would not do: it numbers bytes at the
//! end of a word in the order in which a hash table of random seed happens to yield the words, and
//! a vocabulary must follow from its captions.

use std::collections::{BTreeMap, HashMap};

use super::clip::{END_OF_WORD, Words, base_tokens};

/// A word of the captions, as the tokens it consists of so far, and how often it occurs.
struct Word {
    tokens: Vec<u32>,
    count: u64,
}

/// The merges, one a line, of a vocabulary of at most `size` tokens (512 of them bytes, two
/// special), the most frequent first; of equally frequent pairs the one of the smaller ids. A pair
/// that occurs once is no merge, so a small corpus gives a smaller vocabulary. The result depends
/// on nothing but the captions and the size.
pub fn learn_merges<'a>(captions: impl IntoIterator<Item = &'a str>, size: usize) -> String {
    let mut names = base_tokens();
    let ids: HashMap<String, u32> = names.iter().cloned().zip(0..).collect();
    let mut corpus = count_words(captions, &ids);
    let mut pairs = BTreeMap::<(u32, u32), u64>::new();
    for word in &corpus {
        word.pairs().for_each(|pair| *pairs.entry(pair).or_default() += word.count);
    }

    let mut merges = String::new();
    while names.len() + 2 < size {
        // `max_by_key` takes the last of equals; seen from the end that is the smallest.
        let most = pairs.iter().rev().max_by_key(|(_, count)| **count);
        let Some((&pair, _)) = most.filter(|(_, count)| **count > 1) else { break };
        let (left, right) = (&names[pair.0 as usize], &names[pair.1 as usize]);
        merges.push_str(&format!("{left} {right}\n"));
        let (merged, name) = (names.len() as u32, format!("{left}{right}"));
        names.push(name);
        for word in corpus.iter_mut().filter(|word| word.pairs().any(|p| p == pair)) {
            word.pairs().for_each(|old| {
                if let Some(left) = pairs.get_mut(&old) {
                    *left -= word.count;
                }
            });
            merge(&mut word.tokens, pair, merged);
            word.pairs().for_each(|new| *pairs.entry(new).or_default() += word.count);
        }
        pairs.retain(|_, count| *count > 0);
    }
    merges
}

impl Word {
    fn pairs(&self) -> impl Iterator<Item = (u32, u32)> + use<'_> {
        self.tokens.windows(2).map(|pair| (pair[0], pair[1]))
    }
}

/// Replaces every `pair` in `word` by `merged`, from left to right.
fn merge(word: &mut Vec<u32>, pair: (u32, u32), merged: u32) {
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
fn symbols(word: &str) -> impl Iterator<Item = String> {
    let last = word.chars().count().saturating_sub(1);
    word.chars().enumerate().map(move |(i, byte)| match i == last {
        true => format!("{byte}{END_OF_WORD}"),
        false => byte.to_string(),
    })
}

fn count_words<'a>(
    captions: impl IntoIterator<Item = &'a str>,
    ids: &HashMap<String, u32>,
) -> Vec<Word> {
    let mut counts = BTreeMap::<String, u64>::new();
    let words = Words::new();
    for caption in captions {
        words.of(caption).into_iter().for_each(|word| *counts.entry(word).or_default() += 1);
    }
    let tokens = |word: &str| symbols(word).map(|symbol| ids[&symbol]).collect();
    counts.iter().map(|(word, &count)| Word { tokens: tokens(word), count }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_by_frequency() {
        let merges = learn_merges(["low low low lower", "lower newest"], 10_000);
        // "l o" occurs 5 times; then "w e" and "lo w</w>" 3 times, "w" being the smaller id; then
        // "lo we" and "we r</w>" twice; nothing else more than once.
        assert_eq!(merges, "l o\nw e\nlo w</w>\nlo we\nlowe r</w>\n");
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
        assert_eq!(symbols("Ã©").collect::<Vec<_>>(), ["Ã", "©</w>"]);
    }

    #[test]
    fn the_size_is_a_limit() {
        assert_eq!(learn_merges(["aaaa aaaa bbbb bbbb"], 516).lines().count(), 2);
        assert!(learn_merges(["aaaa aaaa"], 514).is_empty());
    }
}

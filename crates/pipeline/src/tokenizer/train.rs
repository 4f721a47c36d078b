//! Learning the merges from captions.

use std::collections::{BTreeMap, HashMap};

use super::alphabet::base_tokens;
use super::bpe::{merge, symbols};
use super::split::words;

/// A word of the captions, as the tokens it consists of so far, and how often it occurs.
struct Word {
    tokens: Vec<u32>,
    count: u64,
}

/// The merges of a vocabulary of at most `size` tokens (512 of them bytes, two special), the most
/// frequent first; of equally frequent pairs the one of the smaller ids. A pair that occurs once is
/// no merge, so a small corpus gives a smaller vocabulary. The result depends on nothing but the
/// captions and the size.
pub fn learn_merges<'a>(
    captions: impl IntoIterator<Item = &'a str>,
    size: usize,
) -> Vec<(String, String)> {
    let mut names = base_tokens();
    let ids: HashMap<String, u32> = names.iter().cloned().zip(0..).collect();
    let mut corpus = count_words(captions, &ids);
    let mut pairs = BTreeMap::<(u32, u32), u64>::new();
    for word in &corpus {
        word.pairs().for_each(|pair| *pairs.entry(pair).or_default() += word.count);
    }

    let mut merges = Vec::new();
    while names.len() + 2 < size {
        // `max_by_key` takes the last of equals; seen from the end that is the smallest.
        let most = pairs.iter().rev().max_by_key(|(_, count)| **count);
        let Some((&pair, _)) = most.filter(|(_, count)| **count > 1) else { break };
        let (left, right) = (names[pair.0 as usize].clone(), names[pair.1 as usize].clone());
        let merged = names.len() as u32;
        names.push(format!("{left}{right}"));
        merges.push((left, right));
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

fn count_words<'a>(
    captions: impl IntoIterator<Item = &'a str>,
    ids: &HashMap<String, u32>,
) -> Vec<Word> {
    let mut counts = BTreeMap::<String, u64>::new();
    for caption in captions {
        words(caption).into_iter().for_each(|word| *counts.entry(word).or_default() += 1);
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
        let merges: Vec<String> = merges.iter().map(|(l, r)| format!("{l} {r}")).collect();
        // "l o" occurs 5 times; then "w e" and "lo w</w>" 3 times, "w" being the smaller id; then
        // "lo we" and "we r</w>" twice; nothing else more than once.
        assert_eq!(merges, ["l o", "w e", "lo w</w>", "lo we", "lowe r</w>"]);
    }

    #[test]
    fn the_size_is_a_limit() {
        assert_eq!(learn_merges(["aaaa aaaa bbbb bbbb"], 516).len(), 2);
        assert!(learn_merges(["aaaa aaaa"], 514).is_empty());
    }
}

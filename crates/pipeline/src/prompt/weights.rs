//! Weights of words: `(word)`, `(word:1.2)`, `[word]` and `BREAK`, as Stable Diffusion web UI 1.10
//! reads them.
//!
//! Nothing is an error. Brackets without a partner are opened to the end of the prompt, or are
//! text; a colon that no bracket closes is text; a backslash makes a bracket, or a backslash, text
//! and vanishes before all else.

/// What one pair of round brackets multiplies the weight with; square ones divide by it.
const BRACKET: f64 = 1.1;

/// A piece of a prompt.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    /// Words of one weight; 1 is neutral.
    Words(String, f64),
    /// The rest is told to the text encoder in a call of its own.
    Break,
}

impl Piece {
    /// All of a text as it stands.
    pub(crate) fn literal(text: &str) -> Vec<Self> {
        vec![Self::Words(text.to_owned(), 1.0)]
    }
}

/// The keyword, which has this weight while a prompt is read. Brackets around it change that like
/// any other weight, and then it is a word with a negative weight: so it is in the web UI.
const BREAK: &str = "BREAK";
const BREAK_WEIGHT: f64 = -1.0;

/// The pieces of a prompt. Neighbours of equal weight are one piece.
pub(crate) fn parse_weights(text: &str) -> Vec<Piece> {
    let mut found: Vec<(String, f64)> = Vec::new();
    let (mut round, mut square) = (Vec::new(), Vec::new());
    let multiply = |found: &mut [(String, f64)], weight: f64| {
        found.iter_mut().for_each(|(_, old)| *old *= weight);
    };
    let mut rest = text;
    while let Some(token) = Token::first(rest) {
        rest = &rest[token.length(rest)..];
        match token {
            Token::Escaped(text) => found.push((text.into(), 1.0)),
            Token::Open('(') => round.push(found.len()),
            Token::Open(_) => square.push(found.len()),
            Token::Weight(text, weight) => match round.pop() {
                Some(start) => multiply(&mut found[start..], weight),
                None => words(text, &mut found),
            },
            Token::Close(text) => {
                let round_one = text == ")";
                let opened = if round_one { round.pop() } else { square.pop() };
                let weight = if round_one { BRACKET } else { 1.0 / BRACKET };
                match opened {
                    Some(start) => multiply(&mut found[start..], weight),
                    None => words(text, &mut found),
                }
            }
            Token::Words(text) => words(text, &mut found),
        }
    }
    round.into_iter().for_each(|start| multiply(&mut found[start..], BRACKET));
    square.into_iter().for_each(|start| multiply(&mut found[start..], 1.0 / BRACKET));
    merged(found)
}

/// Adds text, in which the keyword may stand.
fn words(text: &str, found: &mut Vec<(String, f64)>) {
    let mut rest = text;
    while let Some(at) = find_word(rest, BREAK) {
        found.push((rest[..at].trim_end().into(), 1.0));
        found.push((BREAK.into(), BREAK_WEIGHT));
        rest = rest[at + BREAK.len()..].trim_start();
    }
    found.push((rest.into(), 1.0));
}

fn merged(found: Vec<(String, f64)>) -> Vec<Piece> {
    let mut runs: Vec<(String, f64)> = Vec::with_capacity(found.len());
    for (text, weight) in found {
        match runs.last_mut() {
            Some((last, same)) if *same == weight => last.push_str(&text),
            _ => runs.push((text, weight)),
        }
    }
    let piece = |(text, weight): (String, f64)| match text == BREAK && weight == BREAK_WEIGHT {
        true => Piece::Break,
        false => Piece::Words(text, weight),
    };
    if runs.is_empty() { Piece::literal("") } else { runs.into_iter().map(piece).collect() }
}

/// What a prompt is made of, one after the other.
enum Token<'a> {
    /// What stood after a backslash, if that means something there, or nothing.
    Escaped(&'a str),
    Open(char),
    Close(&'a str),
    /// `:1.2)`, and the number.
    Weight(&'a str, f64),
    Words(&'a str),
}

impl<'a> Token<'a> {
    fn first(text: &'a str) -> Option<Self> {
        let first = text.chars().next()?;
        Some(match first {
            '\\' => match text[1..].starts_with(['(', ')', '[', ']', '\\']) {
                true => Self::Escaped(&text[1..2]),
                false => Self::Escaped(""),
            },
            '(' | '[' => Self::Open(first),
            ')' | ']' => Self::Close(&text[..1]),
            ':' => Self::weight(text).unwrap_or(Self::Words(&text[..1])),
            _ => Self::Words(text.split(['\\', '(', ')', '[', ']', ':']).next()?),
        })
    }

    /// A number between a colon and a closing bracket.
    fn weight(text: &'a str) -> Option<Self> {
        let number = text[1..].split(')').next()?;
        let end = 1 + number.len();
        let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
        let plain = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
        let weight = number.parse().ok().filter(|_| plain && end < text.len())?;
        Some(Self::Weight(&text[..=end], weight))
    }

    /// How many bytes of `text`, which it begins, it takes.
    fn length(&self, text: &str) -> usize {
        match self {
            Self::Escaped(text) => 1 + text.len(),
            Self::Open(_) => 1,
            Self::Close(token) | Self::Weight(token, _) | Self::Words(token) => {
                token.len().min(text.len())
            }
        }
    }
}

/// Where `word` stands in `text` as a word of its own.
pub(super) fn find_word(text: &str, word: &str) -> Option<usize> {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .map(|(at, _)| at)
        .find(|&at| !text[..at].ends_with(inside) && !text[at + word.len()..].starts_with(inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words_of(text: &str) -> Vec<(String, f64)> {
        let pair = |piece| match piece {
            Piece::Words(text, weight) => (text, (weight * 1e9_f64).round() / 1e9),
            Piece::Break => ("<break>".into(), 0.0),
        };
        parse_weights(text).into_iter().map(pair).collect()
    }

    #[test]
    fn as_the_web_ui_reads_them() {
        let cases: &[(&str, &[(&str, f64)])] = &[
            ("", &[("", 1.0)]),
            ("normal text", &[("normal text", 1.0)]),
            ("an (important) word", &[("an ", 1.0), ("important", 1.1), (" word", 1.0)]),
            ("(unbalanced", &[("unbalanced", 1.1)]),
            ("un)balanced]", &[("un)balanced]", 1.0)]),
            ("[a [b", &[("a ", 0.909090909), ("b", 0.826446281)]),
            (r"\(literal\]", &[("(literal]", 1.0)]),
            (r"(\(word\):1.5)", &[("(word)", 1.5)]),
            ("(unnecessary)(parens)", &[("unnecessaryparens", 1.1)]),
            ("((two)) [[less]]", &[("two", 1.21), (" ", 1.0), ("less", 0.826446281)]),
            ("((a:1.5) b:2)", &[("a", 3.0), (" b", 2.0)]),
            (
                "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
                &[
                    ("a ", 1.0),
                    ("house", 1.573),
                    (" ", 1.1),
                    ("on", 1.0),
                    (" a ", 1.1),
                    ("hill", 0.55),
                    (", sun, ", 1.1),
                    ("sky", 1.4641),
                    (".", 1.1),
                ],
            ),
            // Colons are text unless a number and a bracket follow, and a round one was opened.
            ("time 12:30, (a:b:1.2)", &[("time 12:30, ", 1.0), ("a:b", 1.2)]),
            ("a:1.2) b", &[("a:1.2) b", 1.0)]),
            ("(a: 1.2)", &[("a: 1.2", 1.1)]),
            ("(a:1.2.3)", &[("a:1.2.3", 1.1)]),
            ("(a:.5)(b:-1)(c:+2.)(d:0)", &[("a", 0.5), ("b", -1.0), ("c", 2.0), ("d", 0.0)]),
            ("[a:1.2)", &[("a:1.2)", 0.909090909)]),
            // A backslash vanishes, and so does one of two.
            (r"a\b \\ c\", &[("ab \\ c", 1.0)]),
            (r"(a\:1.2)", &[("a", 1.2)]),
            // Crossed brackets each have their own partner.
            ("(a [b) c]", &[("a ", 1.1), ("b", 1.0), (" c", 0.909090909)]),
            ("()", &[("", 1.0)]),
        ];
        for (text, expected) in cases {
            let expected: Vec<_> = expected.iter().map(|(t, w)| ((*t).to_owned(), *w)).collect();
            assert_eq!(words_of(text), expected, "{text:?}");
        }
    }

    #[test]
    fn breaks() {
        let cases: &[(&str, &[(&str, f64)])] = &[
            ("a BREAK b", &[("a", 1.0), ("<break>", 0.0), ("b", 1.0)]),
            ("BREAKa, break, xBREAK", &[("BREAKa, break, xBREAK", 1.0)]),
            ("BREAK", &[("", 1.0), ("<break>", 0.0), ("", 1.0)]),
            (
                "a BREAK BREAK (b)",
                &[("a", 1.0), ("<break>", 0.0), ("", 1.0), ("<break>", 0.0), ("", 1.0), ("b", 1.1)],
            ),
            // In brackets it has a weight like any word, and is one.
            ("(a BREAK b)", &[("a", 1.1), ("BREAK", -1.1), ("b", 1.1)]),
        ];
        for (text, expected) in cases {
            let expected: Vec<_> = expected.iter().map(|(t, w)| ((*t).to_owned(), *w)).collect();
            assert_eq!(words_of(text), expected, "{text:?}");
        }
    }
}

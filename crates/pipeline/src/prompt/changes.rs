//! Prompts that change on the way: `[from:to:when]` and `[this|that]`, as Stable Diffusion web UI
//! 1.10 reads them.
//!
//! | written | read |
//! |---|---|
//! | `[from:to:0.4]` | `from` for the first 0.4 of the steps, then `to` |
//! | `[from:to:8]` | `from` for the first 8 steps, then `to` |
//! | `[to:8]`, `[from::8]` | nothing before, nothing after |
//! | `[this|that|other]` | one after the other, a step each |
//!
//! They nest, and weights may stand inside and outside. Brackets that are none of these are left
//! for [`parse_weights`](super::weights::parse_weights). A prompt in which a `|` is outside of such
//! brackets, or that ends in a backslash, does not change at all.

/// Deeper brackets are text.
const DEEPEST: usize = 100;

/// What a prompt reads up to some step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stage {
    /// The last step, counted from 0, at which it reads so: of n steps up to n.
    pub last_step: usize,
    /// What it reads.
    pub text: String,
}

/// What `prompt` reads in the course of `steps` steps; the last stage reaches their end.
///
/// In the web UI the step that is counted from 0 is compared with the one that was counted from 1,
/// so each stage but the first is one step late. It is here too.
pub(crate) fn stages(prompt: &str, steps: usize) -> Vec<Stage> {
    let Some(nodes) = Parser { text: prompt }.start() else {
        return vec![Stage { last_step: steps, text: prompt.into() }];
    };
    let mut ends = vec![steps];
    collect_ends(&nodes, steps, &mut ends);
    ends.sort_unstable();
    ends.dedup();
    let stage = |last_step| {
        let mut text = String::with_capacity(prompt.len());
        read(&nodes, last_step, steps, &mut text);
        Stage { last_step, text }
    };
    ends.into_iter().map(stage).collect()
}

enum Node<'a> {
    Text(&'a str),
    /// From what, to what, and when as it is written.
    Change(Vec<Node<'a>>, Vec<Node<'a>>, &'a str),
    Turns(Vec<Vec<Node<'a>>>),
}

/// The last step of the first text. A number with a point is a fraction of all steps; what is
/// below the first step never was.
fn last_step(when: &str, steps: usize) -> usize {
    let number: f64 = when.parse().unwrap_or(0.0);
    let step = if when.contains('.') { number * steps as f64 } else { number };
    // Casting to an integer takes what is negative to 0.
    (step as usize).min(steps)
}

fn collect_ends(nodes: &[Node<'_>], steps: usize, ends: &mut Vec<usize>) {
    for node in nodes {
        match node {
            Node::Text(_) => {}
            Node::Change(from, to, when) => {
                let last = last_step(when, steps);
                ends.extend((last > 0).then_some(last));
                collect_ends(from, steps, ends);
                collect_ends(to, steps, ends);
            }
            Node::Turns(turns) => {
                ends.extend(1..=steps);
                turns.iter().for_each(|turn| collect_ends(turn, steps, ends));
            }
        }
    }
}

/// What the nodes read at a step that is counted from 1.
fn read(nodes: &[Node<'_>], step: usize, steps: usize, text: &mut String) {
    for node in nodes {
        match node {
            Node::Text(part) => text.push_str(part),
            Node::Change(from, to, when) => {
                read(if step <= last_step(when, steps) { from } else { to }, step, steps, text);
            }
            Node::Turns(turns) => read(&turns[(step - 1) % turns.len()], step, steps, text),
        }
    }
}

struct Parser<'a> {
    text: &'a str,
}

impl<'a> Parser<'a> {
    /// The whole prompt; `None` if something in it is not of the language.
    fn start(&self) -> Option<Vec<Node<'a>>> {
        let (mut nodes, mut at) = (Vec::new(), 0);
        while at < self.text.len() {
            let (more, end) = self.prompt(at, 0);
            nodes.extend(more);
            at = end;
            match self.text.as_bytes().get(at) {
                Some(b'[' | b']' | b'(' | b')' | b':') => {
                    nodes.push(Node::Text(&self.text[at..=at]));
                    at += 1;
                }
                Some(_) => return None,
                None => {}
            }
        }
        Some(nodes)
    }

    /// As much as hangs together from `at` on, and where it ends.
    fn prompt(&self, mut at: usize, depth: usize) -> (Vec<Node<'a>>, usize) {
        let mut nodes = Vec::new();
        loop {
            let end = self.plain(at);
            if end > at {
                nodes.push(Node::Text(&self.text[at..end]));
                at = end;
            }
            let brackets = match self.text.as_bytes().get(at) {
                Some(b'(') if depth < DEEPEST => self.round(at, depth),
                Some(b'[') if depth < DEEPEST => self.square(at, depth),
                _ => None,
            };
            let Some((more, end)) = brackets else { return (nodes, at) };
            nodes.extend(more);
            at = end;
        }
    }

    /// The end of what has no meaning here. A backslash takes the next character along.
    fn plain(&self, mut at: usize) -> usize {
        while let Some(c) = self.text[at..].chars().next() {
            at += match c {
                '[' | ']' | '(' | ')' | ':' | '|' => break,
                '\\' => match self.text[at + 1..].chars().next() {
                    None | Some('\n') => break,
                    Some(next) => 1 + next.len_utf8(),
                },
                _ => c.len_utf8(),
            };
        }
        at
    }

    /// `(…)` or `(…:…)`, brackets and all.
    fn round(&self, open: usize, depth: usize) -> Option<(Vec<Node<'a>>, usize)> {
        let mut nodes = vec![Node::Text("(")];
        let (inner, mut at) = self.prompt(open + 1, depth + 1);
        nodes.extend(inner);
        if self.is(at, b':') {
            let (weight, end) = self.prompt(at + 1, depth + 1);
            nodes.push(Node::Text(":"));
            nodes.extend(weight);
            at = end;
        }
        nodes.push(Node::Text(")"));
        self.is(at, b')').then_some((nodes, at + 1))
    }

    /// `[…]`, which is left as it is, and all that means something.
    fn square(&self, open: usize, depth: usize) -> Option<(Vec<Node<'a>>, usize)> {
        let (first, at) = self.prompt(open + 1, depth + 1);
        match self.text.as_bytes().get(at)? {
            b']' => {
                let mut nodes = vec![Node::Text("[")];
                nodes.extend(first);
                nodes.push(Node::Text("]"));
                Some((nodes, at + 1))
            }
            b'|' => {
                let (mut turns, mut at) = (vec![first], at);
                while self.is(at, b'|') {
                    let (turn, end) = self.prompt(at + 1, depth + 1);
                    turns.push(turn);
                    at = end;
                }
                self.is(at, b']').then(|| (vec![Node::Turns(turns)], at + 1))
            }
            b':' => {
                let (second, next) = self.prompt(at + 1, depth + 1);
                let (from, to, colon) = match self.is(next, b':') {
                    true => (first, second, next),
                    false => (Vec::new(), first, at),
                };
                let (when, end) = self.when(colon + 1)?;
                Some((vec![Node::Change(from, to, when)], end))
            }
            _ => None,
        }
    }

    /// A number up to the closing bracket, and the end of that.
    fn when(&self, at: usize) -> Option<(&'a str, usize)> {
        let text = self.text[at..].split(']').next()?;
        let when = text.trim();
        let end = at + text.len();
        // Rust's numbers may be names too.
        let number = when.parse::<f64>().is_ok()
            && !when.contains(|c: char| c.is_alphabetic() && c != 'e' && c != 'E');
        (number && self.is(end, b']')).then_some((when, end + 1))
    }

    fn is(&self, at: usize, byte: u8) -> bool {
        self.text.as_bytes().get(at) == Some(&byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(prompt: &str, steps: usize) -> Vec<(usize, String)> {
        stages(prompt, steps).into_iter().map(|stage| (stage.last_step, stage.text)).collect()
    }

    /// Agrees with the grammar of the web UI, as an Earley parser reads it.
    #[test]
    fn changes() {
        let cases: &[(&str, &[(usize, &str)])] = &[
            ("test", &[(10, "test")]),
            ("", &[(10, "")]),
            ("a [b:3]", &[(3, "a "), (10, "a b")]),
            ("a [b: 3 ]", &[(3, "a "), (10, "a b")]),
            ("a [[[b]]:2]", &[(2, "a "), (10, "a [[b]]")]),
            ("[(a:2):3]", &[(3, ""), (10, "(a:2)")]),
            ("a [b : c : 1] d", &[(1, "a b  d"), (10, "a  c  d")]),
            ("a[b:[c:d:2]:1]e", &[(1, "abe"), (2, "ace"), (10, "ade")]),
            ("a [b:.5] c", &[(5, "a  c"), (10, "a b c")]),
            ("a [b:c:1.5] d", &[(10, "a b d")]),
            ("[a:b:0]", &[(10, "b")]),
            ("[a:b:-1]", &[(10, "b")]),
            ("[a::5]", &[(5, "a"), (10, "")]),
            ("[:a:5]", &[(5, ""), (10, "a")]),
            ("[:3]", &[(3, ""), (10, "")]),
            ("[a:5:3]", &[(3, "a"), (10, "5")]),
            ("([a:b:3]:1.2)", &[(3, "(a:1.2)"), (10, "(b:1.2)")]),
            ("(a:[b:c:3])", &[(3, "(a:b)"), (10, "(a:c)")]),
            (r"[a\]b:c:3]", &[(3, r"a\]b"), (10, "c")]),
            // Not of the language, in part or as a whole.
            ("a [unbalanced", &[(10, "a [unbalanced")]),
            ("((a][:b:c [d:3]", &[(3, "((a][:b:c "), (10, "((a][:b:c d")]),
            ("[a:b:c:5]", &[(10, "[a:b:c:5]")]),
            ("[a:b:nan]", &[(10, "[a:b:nan]")]),
            ("[a(:b:3]", &[(10, "[a(:b:3]")]),
            ("a | b [c:3]", &[(10, "a | b [c:3]")]),
            ("a [b:3] \\", &[(10, "a [b:3] \\")]),
        ];
        for (prompt, expected) in cases {
            let expected: Vec<_> = expected.iter().map(|(n, t)| (*n, (*t).to_owned())).collect();
            assert_eq!(of(prompt, 10), expected, "{prompt:?}");
        }
    }

    #[test]
    fn turns() {
        let texts = |prompt: &str| of(prompt, 4).into_iter().map(|(_, t)| t).collect::<Vec<_>>();
        assert_eq!(texts("[a|(b:1.1)]"), ["a", "(b:1.1)", "a", "(b:1.1)"]);
        assert_eq!(texts("[fe|]male"), ["female", "male", "female", "male"]);
        assert_eq!(texts("[fe|||]male"), ["female", "male", "male", "male"]);
        assert_eq!(texts("[a:[b|c]:0.5]x"), ["ax", "ax", "bx", "cx"]);
        assert_eq!(texts("[a|b:5]"), ["[a|b:5]"]);
    }

    #[test]
    fn bottomless_brackets_are_text() {
        for open in ["[", "(", "[a:", "(b|"] {
            let prompt = open.repeat(3000);
            assert_eq!(of(&prompt, 9), [(9, prompt)]);
        }
    }
}

//! Several prompts in one: `a cat AND a dog :0.5` (Liu et al. 2022, arXiv:2206.01714, "composable
//! diffusion"), as Stable Diffusion web UI reads them.

use super::weights::find_word;

const AND: &str = "AND";

/// One of the prompts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    /// What it says.
    pub text: String,
    /// How much it counts; 1 if nothing is said.
    pub weight: f64,
}

/// The prompts that `AND` joins, at least one. A weight may stand after a colon at the end of each.
///
/// The web UI looks for a weight in a prompt without `AND` too, so that it draws "ratio 16:9" with
/// nine times the guidance. There is none of that here.
pub(crate) fn parts(prompt: &str) -> Vec<Part> {
    let (mut parts, mut rest) = (Vec::new(), prompt);
    while let Some(at) = find_word(rest, AND) {
        parts.push(weighted(&rest[..at]));
        rest = &rest[at + AND.len()..];
    }
    match parts.is_empty() {
        true => vec![Part { text: prompt.into(), weight: 1.0 }],
        false => {
            parts.push(weighted(rest));
            parts
        }
    }
}

fn weighted(text: &str) -> Part {
    let weight = text.rsplit_once(':').and_then(|(before, number)| {
        let number = number.trim();
        let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
        let plain = digits.chars().all(|c| c.is_ascii_digit() || c == '.');
        Some((before, number.parse::<f64>().ok().filter(|_| plain)?))
    });
    match weight {
        Some((before, weight)) => Part { text: before.trim_end().into(), weight },
        None => Part { text: text.trim_end().into(), weight: 1.0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_prompts() {
        let cases: &[(&str, &[(&str, f64)])] = &[
            ("a cat", &[("a cat", 1.0)]),
            ("", &[("", 1.0)]),
            ("a SAND castle, ANDes", &[("a SAND castle, ANDes", 1.0)]),
            ("ratio 16:9", &[("ratio 16:9", 1.0)]),
            ("a AND b", &[("a", 1.0), (" b", 1.0)]),
            ("a :1.5 AND b : -.5 ", &[("a", 1.5), (" b", -0.5)]),
            ("a:2.AND b:+3", &[("a", 2.0), (" b", 3.0)]),
            ("a:x AND (b:1.2)", &[("a:x", 1.0), (" (b:1.2)", 1.0)]),
            ("a:1:2 AND :3 AND", &[("a:1", 2.0), ("", 3.0), ("", 1.0)]),
            ("a:inf AND b:1.2.3", &[("a:inf", 1.0), (" b:1.2.3", 1.0)]),
        ];
        for (prompt, expected) in cases {
            let found: Vec<_> = parts(prompt).into_iter().map(|p| (p.text, p.weight)).collect();
            let expected: Vec<_> = expected.iter().map(|(t, w)| ((*t).to_owned(), *w)).collect();
            assert_eq!(found, expected, "{prompt:?}");
        }
    }
}

//! `shards-{000..003}.tar` and `{train,more}.tar`: names of several files in one.

/// More names than anybody means.
const MOST: usize = 100_000;

/// All names that a pattern stands for, in its order; one without braces stands for itself.
///
/// # Errors
/// A sentence about the pattern, for after it.
pub fn expand(pattern: &str) -> Result<Vec<String>, String> {
    let Some(open) = pattern.find('{') else { return Ok(vec![pattern.to_owned()]) };
    let close = pattern[open..].find('}').ok_or("has a { without a }")? + open;
    let inside = &pattern[open + 1..close];
    let choices = match inside.split_once("..") {
        Some((first, last)) => numbers(first, last)?,
        None => inside.split(',').map(str::to_owned).collect(),
    };
    let rests = expand(&pattern[close + 1..])?;
    if choices.len().saturating_mul(rests.len()) > MOST {
        return Err(format!("stands for more than {MOST} files"));
    }
    let all = choices.iter().flat_map(|choice| {
        rests.iter().map(move |rest| format!("{}{choice}{rest}", &pattern[..open]))
    });
    Ok(all.collect())
}

/// Numbers from `first` to `last`, with as many digits.
fn numbers(first: &str, last: &str) -> Result<Vec<String>, String> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let parsed = if digits { text.parse::<u64>().ok() } else { None };
        parsed.ok_or_else(|| format!("has {{{first}..{last}}}, where two numbers should be"))
    };
    let (from, to) = (number(first)?, number(last)?);
    if from > to || to - from >= MOST as u64 {
        return Err(format!("has {{{first}..{last}}}, which is no range of up to {MOST} numbers"));
    }
    let digits = first.len();
    Ok((from..=to).map(|n| format!("{n:0digits$}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_choices() {
        assert_eq!(expand("a.tar").unwrap(), ["a.tar"]);
        assert_eq!(expand("s-{008..010}.tar").unwrap(), ["s-008.tar", "s-009.tar", "s-010.tar"]);
        let both = ["a0.tar", "a1.tar", "b0.tar", "b1.tar"];
        assert_eq!(expand("{a,b}{0..1}.tar").unwrap(), both);
    }

    #[test]
    fn patterns_that_are_none() {
        for pattern in ["{0..", "{x..3}", "{3..1}", "{0..999999999999}", "{..}", "{-1..2}"] {
            assert!(expand(pattern).is_err(), "{pattern}");
        }
        assert!(expand("{0..999}{0..999}").unwrap_err().starts_with("stands for more than"));
    }
}

//! Which numbers of a configuration make sense, whatever is trained.

use std::ops::RangeInclusive;

use super::{OptimizerConfig, RunConfig};
use crate::data::DataConfig;

/// Pictures in a step.
const BATCH_SIZES: RangeInclusive<usize> = 1..=65_536;
/// Widths and heights, in pixels.
const SIZES: RangeInclusive<usize> = 8..=4096;
/// The most pixels of all pictures of a step together: 3 GiB of colours in single precision.
const PIXELS: usize = 1 << 28;

/// Says what is wrong with what every task has.
pub fn check(
    data: &DataConfig,
    run: &RunConfig,
    optimizer: &OptimizerConfig,
) -> Result<(), String> {
    for (key, value, range) in
        [("data.size", data.size, SIZES), ("run.batch_size", run.batch_size, BATCH_SIZES)]
    {
        if !range.contains(&value) {
            let (low, high) = range.into_inner();
            return Err(format!("`{key}` is {value}; it must be from {low} to {high}"));
        }
    }
    data.check()?;
    // Both are in their ranges, so the product does not overflow.
    if run.batch_size * data.size * data.size > PIXELS {
        return Err(format!(
            "`run.batch_size` is {}, which is too many pictures of {2}x{2} for one step; {} are \
             possible",
            run.batch_size,
            PIXELS / (data.size * data.size),
            data.size
        ));
    }
    for (key, value) in [
        ("run.steps", run.steps),
        ("run.accumulate", run.accumulate as u64),
        ("run.checkpoint_every", run.checkpoint_every),
        ("run.sample_every", run.sample_every),
        ("run.log_every", run.log_every),
    ] {
        if value == 0 {
            return Err(format!("`{key}` is 0; it must be at least 1"));
        }
    }
    let OptimizerConfig { learning_rate, cooldown, beta1, beta2, eps, weight_decay, .. } =
        *optimizer;
    let OptimizerConfig { max_grad_norm, ema_decay, .. } = *optimizer;
    let below_1 = |x: f64| (0.0..1.0).contains(&x);
    let positive = |x: f64| x.is_finite() && x > 0.0;
    for (key, value, possible, wanted) in [
        ("learning_rate", learning_rate, positive(learning_rate), "above 0"),
        ("cooldown", cooldown, (0.0..=1.0).contains(&cooldown), "from 0 to 1"),
        ("beta1", beta1, below_1(beta1), "from 0 to less than 1"),
        ("beta2", beta2, below_1(beta2), "from 0 to less than 1"),
        ("eps", eps, positive(eps), "above 0"),
        (
            "weight_decay",
            weight_decay,
            weight_decay.is_finite() && weight_decay >= 0.0,
            "0 or more",
        ),
        ("max_grad_norm", max_grad_norm, positive(max_grad_norm), "above 0"),
        ("ema_decay", ema_decay, below_1(ema_decay), "from 0 to less than 1"),
    ] {
        if !possible {
            return Err(format!("`optimizer.{key}` is {value}; it must be {wanted}"));
        }
    }
    Ok(())
}

/// TOML can spell `nan` and `inf`; no key of ours means anything by them.
pub fn check_finite(path: &str, value: &toml::Value) -> Result<(), String> {
    match value {
        toml::Value::Float(x) if !x.is_finite() => {
            Err(format!("`{path}` is {x}, which is no number"))
        }
        toml::Value::Array(values) => values.iter().try_for_each(|x| check_finite(path, x)),
        toml::Value::Table(fields) => {
            fields.iter().try_for_each(|(key, x)| check_finite(&format!("{path}.{key}"), x))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a good configuration in which one key has another value.
    fn with(key: &str, value: &str) -> Result<(), String> {
        let good = "data.folder = 'd'\nrun.folder = 'r'\nrun.export = 'm'\nrun.steps = 10\n\
                    run.batch_size = 4\n";
        let kept: Vec<&str> = good.lines().filter(|line| !line.starts_with(key)).collect();
        let text = format!("{}\n{key} = {value}\n", kept.join("\n"));
        let table: toml::Table = toml::from_str(&text).expect("TOML");
        let section = |name: &str| {
            let empty = toml::Value::Table(toml::Table::new());
            table.get(name).cloned().unwrap_or(empty)
        };
        check(
            &section("data").try_into().expect("a section"),
            &section("run").try_into().expect("a section"),
            &section("optimizer").try_into().expect("a section"),
        )
    }

    #[test]
    fn both_ends_of_every_range() {
        for (key, good, bad) in [
            ("data.size", &["8", "4096"][..], &["0", "7", "4097", "9223372036854775807"][..]),
            ("run.steps", &["1", "9000000000"], &["0"]),
            ("run.batch_size", &["1", "16384"], &["0", "16385", "65537", "9223372036854775807"]),
            ("run.accumulate", &["1", "4"], &["0"]),
            ("run.checkpoint_every", &["1"], &["0"]),
            ("run.sample_every", &["1"], &["0"]),
            ("run.log_every", &["1"], &["0"]),
            ("optimizer.learning_rate", &["1e-9", "10.0"], &["0.0", "-1e-3", "inf", "nan"]),
            ("optimizer.cooldown", &["0.0", "1.0"], &["-0.1", "1.1", "nan"]),
            ("optimizer.beta1", &["0.0", "0.999"], &["-0.1", "1.0", "nan"]),
            ("optimizer.beta2", &["0.0", "0.999"], &["-0.1", "1.0", "nan"]),
            ("optimizer.eps", &["1e-12"], &["0.0", "-1e-8", "inf", "nan"]),
            ("optimizer.weight_decay", &["0.0", "0.1"], &["-0.1", "inf", "nan"]),
            ("optimizer.max_grad_norm", &["0.1", "1e9"], &["0.0", "-1.0", "inf", "nan"]),
            ("optimizer.ema_decay", &["0.0", "0.9999"], &["-0.1", "1.0", "2.0", "nan"]),
        ] {
            for value in good {
                assert_eq!(with(key, value), Ok(()), "{key} = {value}");
            }
            for value in bad {
                let message = with(key, value).expect_err(&format!("{key} = {value}"));
                assert!(message.starts_with(&format!("`{key}` is ")), "{message}");
            }
        }
    }

    #[test]
    fn sentences() {
        let said = |key, value| with(key, value).unwrap_err();
        assert_eq!(said("data.size", "7"), "`data.size` is 7; it must be from 8 to 4096");
        assert_eq!(
            said("optimizer.beta1", "1.0"),
            "`optimizer.beta1` is 1; it must be from 0 to less than 1"
        );
        let many = "which is too many pictures of 128x128 for one step; 16384 are possible";
        assert!(said("run.batch_size", "16385").ends_with(many));
    }

    #[test]
    fn numbers_that_are_none_are_found_anywhere() {
        let find = |text: &str| {
            let table: toml::Table = toml::from_str(text).expect("TOML");
            table.iter().try_for_each(|(key, value)| check_finite(key, value))
        };
        assert_eq!(find("a.b = [1.0, 2.0]\nc = 'nan'"), Ok(()));
        assert_eq!(find("a.b.c = [1.0, -inf]").unwrap_err(), "`a.b.c` is -inf, which is no number");
        assert_eq!(find("a = nan").unwrap_err(), "`a` is NaN, which is no number");
    }
}

//! A guidance scale that changes from step to step, as it is written.

use std::f64::consts::PI;
use std::fmt;
use std::str::FromStr;

/// How the guidance scale goes in the course of a run.
///
/// ```
/// use aquatint_diffusion::GuidanceCurve;
///
/// let curve: GuidanceCurve = "7..3".parse()?;
/// assert_eq!(curve.scales(5), [7.0, 6.0, 5.0, 4.0, 3.0]);
/// let curve: GuidanceCurve = "cosine:7..3".parse()?;
/// assert_eq!(curve.scales(3), [7.0, 5.0, 3.0]);
/// let curve: GuidanceCurve = "1, 8, 2".parse()?;
/// assert_eq!(curve.scales(5), [1.0, 4.5, 8.0, 5.0, 2.0]);
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum GuidanceCurve {
    /// Through these at even distances, straight in between; at least one. As many as there are
    /// steps are the scales of the steps.
    Through(Vec<f64>),
    /// From the first to the second along half a cosine: slow, fast, slow.
    Cosine(f64, f64),
}

/// The most numbers.
const MOST: usize = 1000;

impl GuidanceCurve {
    /// The scale of each step.
    pub fn scales(&self, steps: usize) -> Vec<f64> {
        let last = steps.saturating_sub(1).max(1) as f64;
        (0..steps).map(|step| self.at(step as f64 / last)).collect()
    }

    /// The scale after a part of the run, 0 to 1.
    fn at(&self, part: f64) -> f64 {
        match self {
            Self::Cosine(from, to) => from + (to - from) * (0.5 - 0.5 * (PI * part).cos()),
            Self::Through(scales) => {
                let place = part * (scales.len() - 1) as f64;
                // Places that are all but whole are.
                let before = (place + 1e-9) as usize;
                let part = (place - before as f64).max(0.0);
                match scales.get(before + 1) {
                    Some(next) if part > 1e-9 => scales[before] + (next - scales[before]) * part,
                    _ => scales[before],
                }
            }
        }
    }
}

impl FromStr for GuidanceCurve {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            let number = text.trim().parse().ok().filter(|n: &f64| (-100.0..=100.0).contains(n));
            number.ok_or_else(|| {
                format!(
                    "`{text}` is no guidance scale: a curve is scales from -100 to 100 such as \
                     `7.5..3`, `cosine:7.5..3` or `2,7,7,4`"
                )
            })
        };
        let (shape, numbers) = text.split_once(':').unwrap_or(("linear", text));
        let ends = |numbers: &str| match numbers.split_once("..") {
            Some((from, to)) => Ok(Some((number(from)?, number(to)?))),
            None => Ok::<_, String>(None),
        };
        match (shape.trim(), ends(numbers)?) {
            ("cosine", Some((from, to))) => Ok(Self::Cosine(from, to)),
            ("linear", Some((from, to))) => Ok(Self::Through(vec![from, to])),
            ("linear", None) => {
                let scales: Vec<f64> = numbers.split(',').map(number).collect::<Result<_, _>>()?;
                match scales.len() <= MOST {
                    true => Ok(Self::Through(scales)),
                    false => Err(format!("a guidance curve has at most {MOST} numbers")),
                }
            }
            ("cosine", None) => {
                Err("a cosine goes from one scale to another: `cosine:7.5..3`".into())
            }
            (other, _) => Err(format!("no guidance curve is called `{other}`: linear or cosine")),
        }
    }
}

impl fmt::Display for GuidanceCurve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cosine(from, to) => write!(f, "cosine:{from}..{to}"),
            Self::Through(scales) => {
                let scales: Vec<String> = scales.iter().map(f64::to_string).collect();
                f.write_str(&scales.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_its_own() {
        for steps in [1, 2, 3, 7, 50, 999] {
            let scales: Vec<f64> = (0..steps).map(|i| (i * i % 90) as f64).collect();
            assert_eq!(GuidanceCurve::Through(scales.clone()).scales(steps), scales);
        }
        assert_eq!(GuidanceCurve::Through(vec![5.0]).scales(3), [5.0; 3]);
        assert_eq!(GuidanceCurve::Cosine(5.0, 1.0).scales(1), [5.0]);
    }

    #[test]
    fn written_and_read() {
        for text in ["7.5", "7,3", "cosine:7.5..-3", "1,2.5,0"] {
            assert_eq!(text.parse::<GuidanceCurve>().expect(text).to_string(), text);
        }
        for (text, said) in [
            ("", "`` is no guidance scale"),
            ("7..x", "`x` is no guidance scale"),
            ("7,NaN", "`NaN` is no guidance scale"),
            ("101", "-100 to 100"),
            ("cosine:7", "from one scale to another"),
            ("sine:7..3", "no guidance curve is called `sine`"),
        ] {
            let error = text.parse::<GuidanceCurve>().expect_err(text);
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}

//! Curves that are drawn by whoever shows the page.

use std::fmt::Write;

use super::plot::short;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 160.0;
/// So many points are seen; where there are more, each is the mean of some.
const POINTS: usize = 400;
/// Numbers over so many times the least are easier to read by their logarithms.
const WIDE: f64 = 20.0;

/// The curve through these steps and numbers. Nothing if none is finite.
pub(super) fn curve(points: &[(f64, f64)]) -> String {
    let finite = |(step, value): &(f64, f64)| step.is_finite() && value.is_finite();
    let points: Vec<(f64, f64)> = points.iter().copied().filter(finite).collect();
    let Some(&(last_step, newest)) = points.last() else { return String::new() };
    let mean = |some: &[(f64, f64)]| {
        let count = some.len() as f64;
        let sum = some.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        (sum.0 / count, sum.1 / count)
    };
    let points: Vec<_> = points.chunks(points.len().div_ceil(POINTS)).map(mean).collect();
    let least = points.iter().fold(f64::INFINITY, |least, point| least.min(point.1));
    let most = points.iter().fold(f64::NEG_INFINITY, |most, point| most.max(point.1));
    let logarithmic = least > 0.0 && most / least > WIDE;
    let scale = |value: f64| if logarithmic { value.ln() } else { value };
    let (low, high) = (scale(least), scale(most));
    let across = last_step.max(1.0);
    let path: String = points.iter().fold(String::new(), |mut path, &(step, value)| {
        let part = if high > low { (scale(value) - low) / (high - low) } else { 0.5 };
        // A String takes everything that is written to it.
        let _ = write!(path, "{:.1},{:.1} ", step / across * WIDTH, HEIGHT * (1.0 - part));
        path
    });
    let unit = if logarithmic { ", logarithmic" } else { "" };
    format!(
        "<svg viewBox=\"-2 -16 {} {}\" width=\"{WIDTH}\" role=\"img\"><rect width=\"{WIDTH}\" \
         height=\"{HEIGHT}\" fill=\"#f7f7f7\"/><polyline fill=\"none\" stroke=\"#1e5aaa\" \
         stroke-width=\"1.5\" points=\"{}\"/><g font-size=\"12\" fill=\"#333\"><text y=\"-4\">{}{unit}\
         </text><text y=\"{y}\">{}</text><text x=\"{}\" y=\"{y}\" text-anchor=\"middle\">newest {}\
         </text><text x=\"{WIDTH}\" y=\"{y}\" text-anchor=\"end\">step {last_step}</text></g></svg>",
        WIDTH + 4.0,
        HEIGHT + 36.0,
        path.trim_end(),
        short(most),
        short(least),
        WIDTH / 2.0,
        short(newest),
        y = HEIGHT + 14.0,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_goes_from_the_first_to_the_last_step() {
        let svg = curve(&[(0.0, 4.0), (50.0, 3.0), (100.0, 2.0)]);
        assert!(svg.contains("points=\"0.0,0.0 320.0,80.0 640.0,160.0\""), "{svg}");
        assert!(svg.contains("newest 2.00") && svg.contains("step 100") && !svg.contains("log"));
        // Numbers of many sizes: the root of 100 is in the middle of 1 and 100.
        let svg = curve(&[(0.0, 100.0), (50.0, 10.0), (100.0, 1.0)]);
        assert!(svg.contains("320.0,80.0") && svg.contains("logarithmic"), "{svg}");
    }

    #[test]
    fn what_is_no_number_has_no_place() {
        assert_eq!(curve(&[(1.0, f64::NAN)]), "");
        assert!(curve(&[(1.0, f64::NAN), (2.0, 0.0)]).contains("points=\"640.0,80.0\""));
        let many: Vec<_> = (1..=10_000).map(|i| (f64::from(i), 1.0)).collect();
        assert!(curve(&many).len() < 10_000);
    }
}

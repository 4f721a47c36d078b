//! Plots that are drawn by whoever shows the page.

use std::fmt::Write;

use super::shown;

const BARS: usize = 40;
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 160.0;

/// How often which of these numbers are. Nothing but a sentence if none is finite.
pub(super) fn histogram(values: &[f64]) -> String {
    let finite: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
    let low = finite.iter().copied().fold(f64::INFINITY, f64::min);
    let high = finite.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if finite.is_empty() {
        return "<p>No finite number.</p>".into();
    }
    let mut counts = [0usize; BARS];
    for x in &finite {
        let part = if high > low { (x - low) / (high - low) } else { 0.5 };
        counts[((part * BARS as f64) as usize).min(BARS - 1)] += 1;
    }
    let most = counts.into_iter().max().unwrap_or(1) as f64;
    let mean = finite.iter().sum::<f64>() / finite.len() as f64;
    let mut out =
        format!("<svg viewBox=\"0 0 {WIDTH} {}\" width=\"{WIDTH}\" role=\"img\">", HEIGHT + 20.0);
    let step = WIDTH / BARS as f64;
    for (i, count) in counts.into_iter().enumerate().filter(|(_, count)| *count > 0) {
        let (x, height) = (i as f64 * step, count as f64 / most * HEIGHT);
        let (y, width) = (HEIGHT - height, step - 1.0);
        // A String takes everything that is written to it.
        let _ = write!(
            out,
            "<rect x=\"{x}\" y=\"{y:.1}\" width=\"{width}\" height=\"{height:.1}\" fill=\"#1e5aaa\"/>"
        );
    }
    let y = HEIGHT + 16.0;
    let _ = write!(
        out,
        "<g font-size=\"12\" fill=\"#333\"><text x=\"0\" y=\"{y}\">{}</text>\
         <text x=\"{}\" y=\"{y}\" text-anchor=\"middle\">mean {}, {} pictures</text>\
         <text x=\"{WIDTH}\" y=\"{y}\" text-anchor=\"end\">{}</text></g></svg>",
        shown(low),
        WIDTH / 2.0,
        shown(mean),
        finite.len(),
        shown(high)
    );
    out
}

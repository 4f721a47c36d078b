//! Plots with axes, as SVG.

use std::fmt::Write;

use aquatint_pipeline::html::escaped;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 380.0;
/// Left, right, top, bottom of the frame.
const FRAME: [f64; 4] = [70.0, 500.0, 34.0, 326.0];

/// A line with marks.
pub struct Series {
    pub name: String,
    pub colour: &'static str,
    pub points: Vec<[f64; 2]>,
}

/// An axis.
pub struct Axis {
    pub title: String,
    pub logarithmic: bool,
}

impl Axis {
    pub fn linear(title: impl Into<String>) -> Self {
        Self { title: title.into(), logarithmic: false }
    }

    pub fn logarithmic(title: impl Into<String>) -> Self {
        Self { title: title.into(), logarithmic: true }
    }

    fn place(&self, value: f64) -> f64 {
        if self.logarithmic { value.log10() } else { value }
    }

    /// Where lines with numbers are, from `low` to `high` of [`place`](Self::place).
    fn ticks(&self, low: f64, high: f64) -> Vec<f64> {
        let steps: &[f64] = if high - low > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        if self.logarithmic {
            let decades = low.floor() as i32..=high.ceil() as i32;
            let all = decades.flat_map(|ten| steps.iter().map(move |s| s * 10f64.powi(ten)));
            return all.filter(|x| (low..=high).contains(&x.log10())).collect();
        }
        let rough = (high - low) / 5.0;
        let ten = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|s| s * ten).into_iter().find(|s| *s >= rough);
        let step = step.unwrap_or(10.0 * ten);
        let first = (low / step).ceil() as i64;
        (first..).map(|i| i as f64 * step).take_while(|x| *x <= high).take(20).collect()
    }
}

/// The plot. What has no place on its axes is left out.
pub fn plot(title: &str, x: &Axis, y: &Axis, series: &[Series]) -> String {
    let placed: Vec<(&Series, Vec<[f64; 2]>)> = series
        .iter()
        .map(|one| {
            let points = one.points.iter().map(|p| [x.place(p[0]), y.place(p[1])]);
            (one, points.filter(|p| p.iter().all(|v| v.is_finite())).collect())
        })
        .collect();
    let all: Vec<[f64; 2]> = placed.iter().flat_map(|(_, points)| points.clone()).collect();
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
         font-family=\"sans-serif\" font-size=\"12\" role=\"img\"><rect width=\"{WIDTH}\" \
         height=\"{HEIGHT}\" fill=\"#fff\"/><text x=\"{}\" y=\"20\" font-size=\"14\">{}</text>",
        FRAME[0],
        escaped(title)
    );
    let [left, right, top, bottom] = FRAME;
    let ranges = [0, 1].map(|i| {
        let low = all.iter().map(|p| p[i]).fold(f64::INFINITY, f64::min);
        let high = all.iter().map(|p| p[i]).fold(f64::NEG_INFINITY, f64::max);
        let margin = ((high - low) * 0.05).max(1e-3 * high.abs()).max(1e-9);
        (low - margin, high + margin)
    });
    let at_x = |v: f64| left + (v - ranges[0].0) / (ranges[0].1 - ranges[0].0) * (right - left);
    let at_y = |v: f64| bottom - (v - ranges[1].0) / (ranges[1].1 - ranges[1].0) * (bottom - top);
    // A String takes everything that is written to it.
    if all.is_empty() {
        let _ = write!(out, "<text x=\"{left}\" y=\"{}\">nothing yet</text>", (top + bottom) / 2.0);
    } else {
        for tick in x.ticks(ranges[0].0, ranges[0].1) {
            let (at, low) = (at_x(x.place(tick)), bottom + 16.0);
            let _ = write!(
                out,
                "<path d=\"M{at:.1} {top}V{bottom}\" stroke=\"#e4e4e4\"/><text x=\"{at:.1}\" y=\"{low}\" \
                 text-anchor=\"middle\">{}</text>",
                number(tick)
            );
        }
        for tick in y.ticks(ranges[1].0, ranges[1].1) {
            let at = at_y(y.place(tick));
            let _ = write!(
                out,
                "<path d=\"M{left} {at:.1}H{right}\" stroke=\"#e4e4e4\"/><text x=\"{}\" y=\"{:.1}\" \
                 text-anchor=\"end\">{}</text>",
                left - 6.0,
                at + 4.0,
                number(tick)
            );
        }
    }
    let middle = (top + bottom) / 2.0;
    let _ = write!(
        out,
        "<rect x=\"{left}\" y=\"{top}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"#888\"/><text \
         x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text><text transform=\"translate(16 {middle}) \
         rotate(-90)\" text-anchor=\"middle\">{}</text>",
        right - left,
        bottom - top,
        (left + right) / 2.0,
        bottom + 38.0,
        escaped(&x.title),
        escaped(&y.title)
    );
    for (i, (one, points)) in placed.iter().enumerate() {
        let colour = one.colour;
        let path: String =
            points.iter().map(|p| format!("{:.1},{:.1} ", at_x(p[0]), at_y(p[1]))).collect();
        let _ = write!(
            out,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>",
            path.trim_end()
        );
        for p in points {
            let (cx, cy) = (at_x(p[0]), at_y(p[1]));
            let _ =
                write!(out, "<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"3.5\" fill=\"{colour}\"/>");
        }
        let y = top + 14.0 + 18.0 * i as f64;
        let _ = write!(
            out,
            "<path d=\"M{} {}h18\" stroke=\"{colour}\" stroke-width=\"3\"/><text x=\"{}\" y=\"{y}\">{}\
             </text>",
            right + 12.0,
            y - 4.0,
            right + 36.0,
            escaped(&one.name)
        );
    }
    out + "</svg>"
}

/// A number as short as it can be.
fn number(value: f64) -> String {
    let rounded = (value * 1e6).round() / 1e6;
    if rounded.abs() >= 1e5 { format!("{rounded:.0e}") } else { format!("{rounded}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_its_axes_and_lines() {
        let line = |name: &str, points| Series { name: name.into(), colour: "#123456", points };
        let series = [
            line("LDM-<4>", vec![[1.0, 10.0], [10.0, 20.0], [100.0, 30.0], [-1.0, 5.0]]),
            line("none", vec![]),
        ];
        let svg = plot("a & b", &Axis::logarithmic("steps"), &Axis::linear("FD"), &series);
        assert_eq!((svg.matches("<circle").count(), svg.matches("<polyline").count()), (3, 2));
        for part in
            ["LDM-&lt;4&gt;", "a &amp; b", ">steps<", ">FD<", ">10</text>", ">100</text>", ">20<"]
        {
            assert!(svg.contains(part), "{part} is not in {svg}");
        }
        assert!(plot("", &Axis::linear("x"), &Axis::linear("y"), &[]).contains("nothing yet"));
        let one = [line("one", vec![[0.0, 0.0]])];
        assert!(!plot("", &Axis::linear("x"), &Axis::linear("y"), &one).contains("NaN"));
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(Axis::linear("").ticks(0.3, 9.7), [2.0, 4.0, 6.0, 8.0]);
        assert_eq!(Axis::logarithmic("").ticks(0.9, 2.1), [10.0, 20.0, 50.0, 100.0]);
        assert_eq!(number(0.30000000000000004), "0.3");
    }
}

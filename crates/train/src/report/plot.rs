//! The loss curve of a run, as a picture.

use std::path::Path;

use crate::error::TrainError;
use crate::metrics;
use crate::report::canvas::Canvas;

const WIDTH: usize = 960;
const HEIGHT: usize = 480;
/// Left, right, top and bottom of the curve's frame.
const FRAME: [f64; 4] = [80.0, 940.0, 30.0, 440.0];
const GRAY: [u8; 3] = [225, 225, 225];
const BLACK: [u8; 3] = [60, 60, 60];
const PALE: [u8; 3] = [175, 205, 235];
const BLUE: [u8; 3] = [30, 90, 170];

/// The name of the picture.
pub const LOSS_CURVE: &str = "loss-curve.png";

/// Draws `loss-curve.png` from `metrics.jsonl`, both in the run's folder: every logged loss pale,
/// their running average dark, over a logarithmic scale.
pub fn loss_curve(folder: &Path) -> Result<(), TrainError> {
    let points: Vec<(f64, f64)> = metrics::lines(&folder.join("metrics.jsonl"))?
        .iter()
        .filter_map(|line| Some((line["step"].as_f64()?, line["loss"].as_f64()?)))
        .collect();
    match draw(points) {
        Some(canvas) => canvas.write(&folder.join(LOSS_CURVE)),
        None => Ok(()),
    }
}

/// The curve through these steps and losses; what has no place on a logarithmic scale is left out.
/// Nothing if nothing is left.
fn draw(mut points: Vec<(f64, f64)>) -> Option<Canvas> {
    points.retain(|(step, loss)| step.is_finite() && loss.is_finite() && *loss > 0.0);
    if points.is_empty() {
        return None;
    }
    let mut canvas = Canvas::new(WIDTH, HEIGHT);
    let [left, right, top, bottom] = FRAME;
    let last_step = points.iter().fold(1.0, |last: f64, (step, _)| last.max(*step));
    // The first losses of random weights may be far above the rest: they may leave the frame.
    let mut sorted: Vec<f64> = points.iter().map(|(_, loss)| loss.ln()).collect();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted[0], sorted[sorted.len() * 99 / 100]);
    let margin = (0.05 * (high - low)).max(0.01);
    let (low, high) = (low - margin, high + margin);
    let x = |step: f64| left + (right - left) * step / last_step;
    let y = |log: f64| (bottom - (bottom - top) * (log - low) / (high - low)).max(top);

    for i in 0..=5 {
        let part = f64::from(i) / 5.0;
        let log = low + part * (high - low);
        canvas.line((left, y(log)), (right, y(log)), 1, GRAY);
        let label = short(log.exp());
        let at = (left as usize).saturating_sub(8 + Canvas::text_width(&label, 2));
        canvas.text(&label, at, (y(log) as usize).saturating_sub(5), 2, BLACK);

        let step = part * last_step;
        canvas.line((x(step), top), (x(step), bottom), 1, GRAY);
        let label = if last_step >= 10_000.0 {
            format!("{}k", short(step / 1000.0))
        } else {
            format!("{step:.0}")
        };
        let at = (x(step) as usize).saturating_sub(Canvas::text_width(&label, 2) / 2);
        canvas.text(&label, at, bottom as usize + 10, 2, BLACK);
    }
    canvas.text("loss", 8, 8, 2, BLACK);
    canvas.text("step", 900, 464, 2, BLACK);

    let place = |(step, log): (f64, f64)| (x(step), y(log));
    let logs: Vec<(f64, f64)> = points.iter().map(|(step, loss)| (*step, loss.ln())).collect();
    for pair in logs.windows(2) {
        canvas.line(place(pair[0]), place(pair[1]), 1, PALE);
    }
    for pair in smooth(&logs).windows(2) {
        canvas.line(place(pair[0]), place(pair[1]), 2, BLUE);
    }
    Some(canvas)
}

/// A running average over about a fiftieth of the points.
fn smooth(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let keep = 1.0 - 1.0 / (points.len() as f64 / 50.0).max(1.0);
    let mut average = points[0].1;
    points
        .iter()
        .enumerate()
        .map(|(i, &(step, value))| {
            // Shorter at the beginning, as the average of weights is.
            let keep = keep.min(i as f64 / (i as f64 + 1.0));
            average = keep * average + (1.0 - keep) * value;
            (step, average)
        })
        .collect()
}

/// Three digits.
pub(super) fn short(value: f64) -> String {
    match value {
        0.0 => "0".into(),
        _ if value >= 1e5 => format!("{value:.1e}"),
        _ if value >= 100.0 => format!("{value:.0}"),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ if value >= 1.0 => format!("{value:.2}"),
        _ if value >= 0.01 => format!("{value:.3}"),
        _ => format!("{value:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_drawn_from_the_metrics() {
        let folder = tempfile::tempdir().unwrap();
        let lines: String = (1..200)
            .map(|i| format!("{{\"step\":{},\"loss\":{}}}\n", i * 10, 1.0 / f64::from(i)))
            .collect();
        let lines = lines + "{\"step\":1990,\"validation\":{\"psnr\":30.0}}\n";
        std::fs::write(folder.path().join("metrics.jsonl"), lines).unwrap();
        loss_curve(folder.path()).unwrap();
        let picture = image::open(folder.path().join("loss-curve.png")).unwrap().into_rgb8();
        assert_eq!(picture.dimensions(), (WIDTH as u32, HEIGHT as u32));
        let dark_blue = |x| picture.enumerate_pixels().any(|(px, _, p)| px == x && p.0 == BLUE);
        assert!(dark_blue(300) && dark_blue(900) && !dark_blue(40));
    }

    #[test]
    fn a_single_point_and_none() {
        let folder = tempfile::tempdir().unwrap();
        loss_curve(folder.path()).unwrap();
        assert!(!folder.path().join("loss-curve.png").exists());
        assert!(draw(vec![(1.0, 0.5)]).is_some());
    }

    #[test]
    fn losses_of_any_size() {
        let sizes = [1e300, f64::MAX, 5e-324, 1e7, 0.5];
        for loss in sizes {
            assert!(draw(vec![(1.0, loss)]).is_some());
            assert!(draw(vec![(1.0, loss), (2.0, 1.0), (1e18, loss)]).is_some());
        }
        assert!(draw(sizes.iter().map(|&loss| (1.0, loss)).collect()).is_some());
        // A step that goes back must not lead off the sheet.
        assert!(draw(vec![(1e300, 1.0), (1.0, 1.0)]).is_some());
        for loss in [f64::NAN, f64::INFINITY, 0.0, -1.0] {
            assert!(draw(vec![(1.0, loss)]).is_none(), "{loss} has a place");
            assert!(draw(vec![(1.0, loss), (2.0, 1.0)]).is_some());
        }
    }

    #[test]
    fn labels() {
        let labels = [0.0, 1.23e17, 123.4, 12.34, 1.234, 0.1234, 0.001_234].map(short);
        assert_eq!(labels, ["0", "1.2e17", "123", "12.3", "1.23", "0.123", "1.2e-3"]);
    }
}

//! What came out of a measurement: numbers, pictures, and how they are told.

mod html;
mod svg;

use aquatint_pipeline::{Picture, contact_sheet};
use serde_json::{Map, Value, json};

use crate::Skipped;

/// A number.
#[derive(Clone, Debug)]
pub struct Figure {
    /// In JSON: `kid_std`.
    pub key: String,
    /// For people: "standard deviation of KID".
    pub title: String,
    /// It. What is not finite is `null` in JSON.
    pub value: f64,
}

impl Figure {
    pub(crate) fn new(key: &str, title: impl Into<String>, value: f64) -> Self {
        Self { key: key.into(), title: title.into(), value }
    }

    /// The number with as many digits as are of use.
    pub fn text(&self) -> String {
        shown(self.value)
    }
}

/// A set that was measured.
#[derive(Clone, Debug)]
pub struct SetReport {
    /// Where it is.
    pub path: String,
    /// Pictures that were looked at; unknown of statistics.
    pub pictures: Option<usize>,
    /// Those that could not be read.
    pub skipped: Skipped,
}

/// Pictures side by side.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// What they are.
    pub title: String,
    /// Pictures in a row.
    pub columns: usize,
    /// They.
    pub pictures: Vec<Picture>,
}

/// A number of each picture.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// What it is: "PSNR (dB)".
    pub title: String,
    /// The numbers; those that are not finite are not drawn.
    pub values: Vec<f64>,
}

/// What came out.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was measured: `fid`.
    pub metric: &'static str,
    /// The network that looked, if one did.
    pub network: Option<String>,
    /// The numbers, the most important one first.
    pub figures: Vec<Figure>,
    /// The sets, in the order they were given in.
    pub sets: Vec<SetReport>,
    /// What a reader of the numbers should know.
    pub notes: Vec<String>,
    /// Pictures to look at.
    pub sheets: Vec<Sheet>,
    /// Numbers of single pictures.
    pub histograms: Vec<Histogram>,
}

impl Report {
    /// The numbers, the sets and the notes.
    pub fn json(&self) -> Value {
        let figures = self.figures.iter().map(|figure| (figure.key.clone(), json!(figure.value)));
        let set = |set: &SetReport| {
            json!({
                "path": set.path,
                "pictures": set.pictures,
                "skipped": set.skipped.count,
                "skipped_first": set.skipped.first,
            })
        };
        json!({
            "metric": self.metric,
            "network": self.network,
            "figures": figures.collect::<Map<_, _>>(),
            "sets": self.sets.iter().map(set).collect::<Vec<_>>(),
            "notes": self.notes,
        })
    }

    /// A page that needs nothing but itself.
    pub fn html(&self, version: &str) -> String {
        html::page(self, version)
    }

    /// Its sheets, one below the other. `None` if there is none.
    pub fn picture(&self) -> Option<Picture> {
        let sheets = self.sheets.iter().filter(|sheet| !sheet.pictures.is_empty());
        let sheets: Vec<Picture> =
            sheets.map(|sheet| contact_sheet(&sheet.pictures, sheet.columns)).collect();
        let width = sheets.iter().map(|sheet| sheet.width).max()?;
        let height = sheets.iter().map(|sheet| sheet.height).sum();
        let mut whole = Picture::new(width, height, [255; 3]);
        let mut top = 0;
        for sheet in sheets {
            for (y, row) in sheet.rgb.chunks_exact(3 * sheet.width).enumerate() {
                whole.rgb[3 * (top + y) * width..][..row.len()].copy_from_slice(row);
            }
            top += sheet.height;
        }
        Some(whole)
    }
}

/// A number with as many digits as are of use.
pub(crate) fn shown(value: f64) -> String {
    match value.abs() {
        _ if !value.is_finite() => format!("{value}"),
        x if x == 0.0 || x >= 1000.0 => format!("{value:.1}"),
        x if x >= 10.0 => format!("{value:.3}"),
        x if x >= 0.001 => format!("{value:.5}"),
        _ => format!("{value:.3e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_in_every_form() {
        let sheet = |title: &str, count: usize, shade: u8| Sheet {
            title: title.into(),
            columns: 2,
            pictures: vec![Picture::new(3, 3, [shade; 3]); count],
        };
        let report = Report {
            metric: "fid",
            figures: vec![Figure::new("fid", "FID", 1.5), Figure::new("x", "<x>", f64::INFINITY)],
            sets: vec![SetReport {
                path: "a&b".into(),
                pictures: Some(2),
                skipped: Skipped { count: 1, first: vec!["torn.png: it ends".into()] },
            }],
            sheets: vec![sheet("A", 3, 10), sheet("none", 0, 0), sheet("B", 1, 20)],
            histograms: vec![Histogram { title: "d".into(), values: vec![1.0, 2.0, f64::NAN] }],
            ..Default::default()
        };
        let json = report.json();
        assert_eq!((&json["figures"]["fid"], &json["figures"]["x"]), (&json!(1.5), &Value::Null));
        assert_eq!(json["sets"][0]["skipped"], 1);
        let html = report.html("1.0");
        for part in
            ["a&amp;b", "&lt;x&gt;", "torn.png", "data:image/png;base64,", "<svg", "1.50000"]
        {
            assert!(html.contains(part), "{part}");
        }
        assert!(!html.contains("http"), "a page that asks nobody");
        let picture = report.picture().unwrap();
        assert_eq!((picture.width, picture.height), (12, 12 + 7));
        assert!(Report::default().picture().is_none());
    }

    #[test]
    fn digits() {
        let texts = [0.0, 12345.67, 12.3456, 0.123_456_7, 1.234e-6, f64::INFINITY].map(shown);
        assert_eq!(texts, ["0.0", "12345.7", "12.346", "0.12346", "1.234e-6", "inf"]);
    }
}

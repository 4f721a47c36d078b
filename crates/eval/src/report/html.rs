//! A report as one file: styles, pictures and plots are in it.

use std::fmt::Write;

use aquatint_pipeline::contact_sheet;
use aquatint_pipeline::html::{self, escaped};

use super::{Report, shown, svg};

/// The page.
pub(super) fn page(report: &Report, version: &str) -> String {
    let mut out = String::new();
    // A String takes everything that is written to it.
    if let Some(network) = &report.network {
        let _ = write!(out, "<p>Features: {}.</p>", escaped(network));
    }
    out.push_str("<table>");
    for figure in &report.figures {
        let (title, value) = (escaped(&figure.title), shown(figure.value));
        let _ = write!(out, "<tr><th>{title}<td class=\"n\">{value}</tr>");
    }
    out.push_str("</table><h2>Sets</h2><table><tr><th>path<th>pictures<th>skipped</tr>");
    for set in &report.sets {
        let pictures = set.pictures.map_or("?".to_owned(), |count| count.to_string());
        let (path, skipped) = (escaped(&set.path), set.skipped.count);
        let _ =
            write!(out, "<tr><td>{path}<td class=\"n\">{pictures}<td class=\"n\">{skipped}</tr>");
    }
    out.push_str("</table>");
    let skipped = report.sets.iter().flat_map(|set| &set.skipped.first);
    let notes = report.notes.iter().map(|note| escaped(note));
    list(&mut out, notes.chain(skipped.map(|name| format!("Skipped: {}", escaped(name)))));
    for histogram in &report.histograms {
        let _ = write!(
            out,
            "<h2>{}</h2>{}",
            escaped(&histogram.title),
            svg::histogram(&histogram.values)
        );
    }
    for sheet in report.sheets.iter().filter(|sheet| !sheet.pictures.is_empty()) {
        let picture = contact_sheet(&sheet.pictures, sheet.columns);
        let shown = html::picture(&sheet.title, &picture);
        let _ = write!(out, "<h2>{}</h2>{shown}", escaped(&sheet.title));
    }
    html::page(&format!("aquatint eval {}", report.metric), &out, version)
}

fn list(out: &mut String, items: impl Iterator<Item = String>) {
    let items: String = items.map(|item| format!("<li>{item}")).collect();
    if !items.is_empty() {
        let _ = write!(out, "<ul>{items}</ul>");
    }
}

//! A report as one file: styles, pictures and plots are in it.

use std::fmt::Write;

use aquatint_pipeline::{Encoding, contact_sheet, encode_picture};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Report, shown, svg};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
color:#222;background:#fff}table{border-collapse:collapse}td,th{padding:.2rem 1rem .2rem 0;text-align:left;\
border-bottom:1px solid #ddd}td.n{font-variant-numeric:tabular-nums;text-align:right}img,svg{max-width:100%;\
height:auto}h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}footer{margin-top:3rem;color:#777}";

/// The page.
pub(super) fn page(report: &Report, version: &str) -> String {
    let mut out = String::new();
    let title = format!("aquatint eval {}", report.metric);
    // A String takes everything that is written to it.
    let _ = write!(
        out,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style><h1>{title}</h1>"
    );
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
        // Pictures that are in memory can be written there as PNG.
        let png = encode_picture(&picture, &Default::default(), Encoding::default());
        let Ok(png) = png else { continue };
        let (title, width) = (escaped(&sheet.title), picture.width);
        let data = STANDARD.encode(png);
        let _ = write!(
            out,
            "<h2>{title}</h2><img width=\"{width}\" alt=\"{title}\" src=\"data:image/png;base64,{data}\">"
        );
    }
    let _ = write!(out, "<footer>aquatint {}</footer></html>", escaped(version));
    out
}

fn list(out: &mut String, items: impl Iterator<Item = String>) {
    let items: String = items.map(|item| format!("<li>{item}")).collect();
    if !items.is_empty() {
        let _ = write!(out, "<ul>{items}</ul>");
    }
}

/// Text that is no markup.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

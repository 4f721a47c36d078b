//! A report that is told twice: as Markdown beside its pictures, and as a page that has them in it.

use std::fs;
use std::path::{Path, PathBuf};

use aquatint_pipeline::html::{self, escaped};

use super::write;
use crate::failure::Failure;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A part of a report.
pub enum Part {
    Heading(String),
    Text(String),
    List(Vec<String>),
    /// The first row names the columns.
    Table(Vec<Vec<String>>),
    /// A plot: the name of its file, its text.
    Plot(&'static str, String),
    /// A picture below the folder of the report, and what it is.
    Picture(PathBuf, String),
}

/// Writes `report.md`, `report.html` and the plots.
///
/// # Errors
/// If a file cannot be written.
pub fn publish(folder: &Path, title: &str, parts: &[Part]) -> Result<(), Failure> {
    let mut markdown = format!("# {title}\n");
    let mut page = String::new();
    for part in parts {
        match part {
            Part::Heading(text) => {
                markdown += &format!("\n## {text}\n");
                page += &format!("<h2>{}</h2>", escaped(text));
            }
            Part::Text(text) => {
                markdown += &format!("\n{text}\n");
                page += &format!("<p>{}</p>", escaped(text));
            }
            Part::List(items) => {
                markdown += "\n";
                items.iter().for_each(|item| markdown += &format!("- {item}\n"));
                let items: String =
                    items.iter().map(|item| format!("<li>{}", escaped(item))).collect();
                page += &format!("<ul>{items}</ul>");
            }
            Part::Table(rows) => table(rows, &mut markdown, &mut page),
            Part::Plot(name, svg) => {
                write(&folder.join(name), svg.as_bytes())?;
                markdown += &format!("\n![{name}]({name})\n");
                page += &format!("<figure>{svg}</figure>");
            }
            Part::Picture(path, what) => {
                // Samples are for people, who may throw some away at any time.
                let Ok(png) = fs::read(folder.join(path)) else { continue };
                markdown += &format!("\n{what}:\n\n![{what}]({})\n", path.display());
                let picture = html::picture_file(what, 640, &png);
                let what = escaped(what);
                page += &format!("<figure>{picture}<figcaption>{what}</figcaption></figure>");
            }
        }
    }
    write(&folder.join("report.md"), markdown.as_bytes())?;
    write(&folder.join("report.html"), html::page(title, &page, VERSION).as_bytes())
}

fn table(rows: &[Vec<String>], markdown: &mut String, page: &mut String) {
    *markdown += "\n";
    *page += "<table>";
    for (i, row) in rows.iter().enumerate() {
        *markdown += &format!("| {} |\n", row.join(" | "));
        if i == 0 {
            *markdown += &format!("|{}\n", "---|".repeat(row.len()));
        }
        let cell = |text: &String| match i {
            0 => format!("<th>{}", escaped(text)),
            _ => format!("<td class=\"n\">{}", escaped(text)),
        };
        *page += &format!("<tr>{}</tr>", row.iter().map(cell).collect::<String>());
    }
    *page += "</table>";
}

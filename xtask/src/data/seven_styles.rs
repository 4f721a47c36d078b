//! `cargo xtask data seven-styles DIR`: the recipe.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rayon::prelude::*;

use super::drawings::{Drawing, Drawings};
use super::manifest::{self, Row, SPLITS};
use super::packages::{self, Npm};
use super::progress::Progress;
use super::style::{STYLES, Source};
use super::{archive, contact_sheet, files, metadata, render};

/// How many missing images are listed by name before the rest are only counted.
const LISTED: usize = 50;

/// Arguments of `cargo xtask data seven-styles`.
#[derive(clap::Args)]
pub struct Args {
    /// Folder for the images, `metadata.jsonl` and `contact-sheet.png`.
    dir: PathBuf,
    /// Side of the square images, in pixels.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(8..=1024))]
    size: u32,
    /// Threads that render (all cores unless given).
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Folder for the fetched packages (DIR/.packages unless given).
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Succeed even when some images of the manifest could not be made.
    #[arg(long)]
    allow_missing: bool,
}

/// Builds the data set; images that are there already stay as they are.
pub fn run(args: &Args) -> Result<()> {
    let rows = manifest::parse(manifest::SEVEN_STYLES)?;
    let cache = args.cache.clone().unwrap_or_else(|| args.dir.join(".packages"));
    let tarballs = obtain_all(&cache)?;
    check_captions(&rows, &tarballs)?;
    let drawings = Drawings::read(|style| tarballs[STYLES[style].package.name].clone())?;

    let mut missing = Vec::new();
    let mut resolved: Vec<(&Row<'_>, Drawing<'_>)> = Vec::with_capacity(rows.len());
    for row in &rows {
        match drawings.find(row) {
            Ok(drawing) => resolved.push((row, drawing)),
            Err(tried) => missing.push(format!("{}: looked for {}", title(row), tried.join(", "))),
        }
    }
    refuse_shared_drawings(&resolved)?;

    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.jobs.unwrap_or(0)).build()?;
    let failed = pool.install(|| render_all(&resolved, &args.dir, args.size))?;
    missing.extend(failed.iter().map(|(row, why)| format!("{}: {why}", title(row))));
    let made: Vec<Row<'_>> = resolved
        .iter()
        .filter(|(row, _)| !failed.iter().any(|(bad, _)| std::ptr::eq(*bad, *row)))
        .map(|(row, _)| (*row).clone())
        .collect();

    report_missing(&missing);
    if !missing.is_empty() && !args.allow_missing {
        bail!(
            "{} of {} images are missing (--allow-missing accepts that)",
            missing.len(),
            rows.len()
        );
    }
    let sheet = contact_sheet::draw(&made, &args.dir, args.size)?;
    let sheet_path = args.dir.join("contact-sheet.png");
    files::write_atomically(&sheet_path, &render::png(&sheet)?, false)?;
    // Last, so that its presence says that every image it names is there.
    files::write_atomically(&metadata_path(&args.dir), metadata::lines(&made)?.as_bytes(), true)?;
    print_counts(&made);
    println!("look at {}", sheet_path.display());
    Ok(())
}

fn metadata_path(dir: &Path) -> PathBuf {
    dir.join("metadata.jsonl")
}

fn title(row: &Row<'_>) -> String {
    format!("{} {} ({})", STYLES[row.style].name, row.hexcode, row.label)
}

/// Fetches what is not cached; gives tarballs by package name.
fn obtain_all(cache: &Path) -> Result<HashMap<&'static str, PathBuf>> {
    fs::create_dir_all(cache).with_context(|| format!("could not create {}", cache.display()))?;
    let npm = Npm::default();
    packages::SEVEN_STYLES
        .iter()
        .map(|package| Ok((package.name, packages::obtain(package, cache, &npm)?)))
        .collect()
}

/// The manifest's words must be those of the pinned Emojibase.
fn check_captions(rows: &[Row<'_>], tarballs: &HashMap<&str, PathBuf>) -> Result<()> {
    let data = "en/data.json";
    let mut found = archive::read(&tarballs[packages::EMOJIBASE.name], |name| name == data)?;
    let json = found.remove(data).with_context(|| format!("emojibase-data has no {data}"))?;
    metadata::check_against_emojibase(rows, &json)
}

/// Two rows of one style that lead to the same icon mean that a name was bridged wrongly.
fn refuse_shared_drawings(resolved: &[(&Row<'_>, Drawing<'_>)]) -> Result<()> {
    let mut owners: HashMap<(usize, &str), &Row<'_>> = HashMap::new();
    for (row, drawing) in resolved {
        if STYLES[row.style].source == Source::Webp {
            continue;
        }
        let Drawing::Icon(_, name) = drawing else { continue };
        if let Some(other) = owners.insert((row.style, name), row) {
            bail!("{} and {} lead to the same drawing {name:?}", title(other), title(row));
        }
    }
    Ok(())
}

/// Renders what is not there yet. Gives the rows that could not be rendered, with the reason.
fn render_all<'a>(
    resolved: &[(&'a Row<'a>, Drawing<'_>)],
    dir: &Path,
    size: u32,
) -> Result<Vec<(&'a Row<'a>, String)>> {
    for style in &STYLES {
        let folder = dir.join(style.name);
        fs::create_dir_all(&folder)
            .with_context(|| format!("could not create {}", folder.display()))?;
    }
    let path_of = |row: &Row<'_>| dir.join(metadata::file_name(row));
    let todo: Vec<_> =
        resolved.par_iter().filter(|(row, _)| !files::is_whole_png(&path_of(row), size)).collect();
    eprintln!("{} images are there, {} to render", resolved.len() - todo.len(), todo.len());
    if !todo.is_empty() {
        // The data set is not whole from here on until its metadata is written again.
        let old = metadata_path(dir);
        if old.exists() {
            fs::remove_file(&old).with_context(|| format!("could not remove {}", old.display()))?;
        }
    }
    let progress = Progress::new(todo.len() as u64);
    let failed: Result<Vec<Option<_>>> = todo
        .par_iter()
        .map(|(row, drawing)| {
            let outcome = match render::render(*drawing, size) {
                Ok(image) => {
                    files::write_atomically(&path_of(row), &render::png(&image)?, false)?;
                    None
                }
                Err(error) => Some((*row, format!("{error:#}"))),
            };
            progress.tick();
            Ok(outcome)
        })
        .collect();
    progress.finish();
    Ok(failed?.into_iter().flatten().collect())
}

fn report_missing(missing: &[String]) {
    for line in missing.iter().take(LISTED) {
        eprintln!("missing: {line}");
    }
    if missing.len() > LISTED {
        eprintln!("missing: and {} more", missing.len() - LISTED);
    }
}

/// Prints images per style and split.
fn print_counts(rows: &[Row<'_>]) {
    let count = |style: Option<usize>, split: Option<&str>| {
        let wanted = |row: &&Row<'_>| {
            style.is_none_or(|style| row.style == style)
                && split.is_none_or(|split| row.split == split)
        };
        rows.iter().filter(wanted).count()
    };
    let line = |name: &str, style: Option<usize>| {
        let parts: String =
            SPLITS.iter().map(|split| format!("{:>12}", count(style, Some(split)))).collect();
        println!("{name:<14}{parts}{:>12}", count(style, None));
    };
    let heads: String = SPLITS.iter().map(|split| format!("{split:>12}")).collect();
    println!("{:<14}{heads}{:>12}", "style", "all");
    for (index, style) in STYLES.iter().enumerate() {
        line(style.name, Some(index));
    }
    line("all", None);
}

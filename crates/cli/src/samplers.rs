//! `aquatint samplers`.

use aquatint_diffusion::{SAMPLERS, SPACINGS, SamplerInfo, SpacingInfo};
use serde_json::{Value, json};

use crate::console;
use crate::failure::Failure;

/// Show the samplers and schedules, by all their names.
///
/// Every name shown is one for --sampler or --schedule of `generate`; capitals, spaces and signs do
/// not count. Calls are how often the U-Net is asked in a step, the order is how fast the error
/// falls with more steps.
#[derive(Debug, clap::Args)]
pub struct SamplersArgs {
    /// Print one line of JSON instead, with what each is in a sentence
    #[arg(long)]
    pub json: bool,
}

pub fn run(args: &SamplersArgs) -> Result<(), Failure> {
    if args.json {
        let samplers: Vec<Value> = SAMPLERS.iter().map(sampler).collect();
        let schedules: Vec<Value> = SPACINGS.iter().map(schedule).collect();
        let all = json!({"samplers": samplers, "schedules": schedules});
        console::result(&all.to_string());
        return Ok(());
    }
    let heads = ["sampler", "order", "calls", "noise", "web UI", "diffusers", "paper"];
    table(&[heads].into_iter().chain(SAMPLERS.iter().map(sampler_row)).collect::<Vec<_>>());
    console::result("");
    let heads = ["schedule", "web UI", "diffusers", "paper"];
    table(&[heads].into_iter().chain(SPACINGS.iter().map(schedule_row)).collect::<Vec<_>>());
    Ok(())
}

fn sampler(info: &SamplerInfo) -> Value {
    json!({
        "name": info.name,
        "web_ui": info.web_ui,
        "diffusers": info.diffusers,
        "aliases": info.aliases,
        "order": info.order,
        "calls": info.calls,
        "noise": info.stochastic,
        "default_eta": info.default_eta,
        "paper": info.paper,
        "what": info.one_line,
    })
}

fn schedule(info: &SpacingInfo) -> Value {
    json!({
        "name": info.name,
        "web_ui": info.web_ui,
        "diffusers": info.diffusers,
        "aliases": info.aliases,
        "paper": info.paper,
        "what": info.one_line,
    })
}

fn sampler_row(info: &SamplerInfo) -> [&'static str; 7] {
    const DIGITS: [&str; 5] = ["0", "1", "2", "3", "4"];
    let order = info.order.map_or("-", |order| DIGITS[order]);
    let noise = match (info.stochastic, info.default_eta) {
        (true, Some(_)) => "eta",
        (true, None) => "yes",
        (false, Some(_)) => "if eta",
        (false, None) => "no",
    };
    let [web_ui, diffusers] = [info.web_ui, info.diffusers].map(|name| name.unwrap_or("-"));
    [info.name, order, DIGITS[info.calls], noise, web_ui, diffusers, info.paper]
}

fn schedule_row(info: &SpacingInfo) -> [&'static str; 4] {
    let [web_ui, diffusers] = [info.web_ui, info.diffusers].map(|name| name.unwrap_or("-"));
    [info.name, web_ui, diffusers, info.paper]
}

/// Prints rows with the columns below each other.
fn table<const N: usize>(rows: &[[&str; N]]) {
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    });
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        console::result(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

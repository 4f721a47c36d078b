//! `aquatint model inspect` of a file that changes a model.

use aquatint_checkpoint::lora::{LoraFile, LoraSummary};
use serde_json::{Value, json};

/// What there is to say about the file besides what is said about every file.
pub fn lines(file: &LoraFile) -> Vec<String> {
    let LoraSummary { kinds, parts, ranks, scales, dora, base, ignored } = file.summary();
    let counted = |counts: &std::collections::BTreeMap<&str, usize>| {
        let each: Vec<String> = counts.iter().map(|(what, n)| format!("{n} {what}")).collect();
        each.join(", ")
    };
    let mut lines = vec![format!(
        "changes    {}{}",
        counted(&kinds),
        if dora { ", with lengths of their own (DoRA)" } else { "" }
    )];
    if let Some(base) = base {
        lines.push(format!("made for   {base}"));
    }
    lines.push(format!("layers     {}: {}", file.layers(), counted(&parts)));
    if let (Some(least), Some(most)) = (ranks.first(), ranks.last()) {
        lines.push(format!("rank       {}", span(least, most)));
        let [least, most] = scales;
        lines.push(format!("alpha/rank {}", span(&least, &most)));
    }
    if let Some((name, reason)) = ignored.first() {
        lines.push(format!("ignored    {}, such as {name}: {reason}", ignored.len()));
    }
    lines
}

/// The same for programs.
pub fn json(file: &LoraFile) -> Value {
    let LoraSummary { kinds, parts, ranks, scales, dora, base, .. } = file.summary();
    json!({
        "changes": kinds,
        "made_for": base,
        "layers": parts,
        "ranks": ranks,
        "scales": scales,
        "dora": dora,
    })
}

fn span<T: PartialEq + std::fmt::Display>(least: &T, most: &T) -> String {
    if least == most { least.to_string() } else { format!("{least} to {most}") }
}

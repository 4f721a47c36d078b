//! `aquatint info`.

use std::path::PathBuf;

use aquatint_pipeline::metadata::{Description, Made};
use serde_json::{Map, Value, json};

use crate::console;
use crate::failure::Failure;

/// Show what pictures say about how they were made.
///
/// Read are PNG, JPEG and WebP files of this program, of Stable Diffusion web UI and all that write
/// as it does, of ComfyUI, InvokeAI and NovelAI. `aquatint generate --from` makes such a picture
/// again.
#[derive(Debug, clap::Args)]
pub struct InfoArgs {
    /// Picture files
    #[arg(required = true, value_name = "PICTURE")]
    pub pictures: Vec<PathBuf>,

    /// Print one line of JSON for each, with every text in the file
    #[arg(long)]
    pub json: bool,
}

/// Tells of all that can be read, and ends with the first that cannot.
pub fn run(args: &InfoArgs) -> Result<(), Failure> {
    let mut failure = None;
    for (i, path) in args.pictures.iter().enumerate() {
        let description = match Description::open(path) {
            Ok(description) => description,
            Err(error) => {
                failure.get_or_insert_with(|| Failure::new(error.to_string()));
                continue;
            }
        };
        let file = path.display().to_string();
        if args.json {
            console::result(&as_json(&file, &description).to_string());
            continue;
        }
        if i > 0 {
            console::result("");
        }
        lines(&file, &description).iter().for_each(|line| console::result(line));
    }
    failure.map_or(Ok(()), Err)
}

fn as_json(file: &str, description: &Description) -> Value {
    let Description { format, width, height, texts, made } = description;
    let mut all = json!({
        "file": file,
        "format": format.to_string(),
        "width": width,
        "height": height,
        "texts": texts,
    });
    if let Some(Made { by, model, dtype, request, beside, rest }) = made {
        let rest: Map<String, Value> =
            rest.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        all["made_by"] = by.as_str().into();
        all["model"] = json!(model);
        all["dtype"] = json!(dtype);
        all["request"] = request.clone().into();
        all["beside"] = beside.clone().into();
        all["not_used"] = rest.into();
    }
    all
}

/// What is told first, and the names for people.
const FIRST: [(&str, &str); 2] = [("prompt", "prompt"), ("negative_prompt", "negative prompt")];

/// The table for people: a name and a value a line.
fn lines(file: &str, description: &Description) -> Vec<String> {
    let Description { format, width, height, texts, made } = description;
    let mut rows = vec![("picture".to_owned(), format!("{format}, {width}x{height}"))];
    match made {
        Some(made) => rows.extend(told(made)),
        None => {
            let known: Vec<&str> = texts.keys().map(String::as_str).collect();
            let known = match known.is_empty() {
                true => "does not say".into(),
                false => format!("does not say; texts: {}", known.join(", ")),
            };
            rows.push(("made by".into(), known));
        }
    }
    let widest = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let row = |(name, value): &(String, String)| {
        let indent = format!("\n{:1$}", "", widest + 4);
        format!("  {name:widest$}  {}", printable(value).replace('\n', &indent))
    };
    [format!("{}:", printable(file))].into_iter().chain(rows.iter().map(row)).collect()
}

fn told(made: &Made) -> Vec<(String, String)> {
    let Made { by, model, dtype, request, beside, rest } = made;
    let mut rows = vec![("made by".to_owned(), by.clone())];
    let mut row = |name: &str, value: &str| rows.push((name.replace('_', " "), value.to_owned()));
    for (name, value) in [("model", model), ("dtype", dtype)] {
        if let Some(value) = value {
            row(name, value);
        }
    }
    for (key, name) in FIRST {
        if let Some(text) = request.get(key).and_then(Value::as_str).filter(|t| !t.is_empty()) {
            row(name, text);
        }
    }
    let others = request.iter().filter(|(key, _)| FIRST.iter().all(|(first, _)| first != key));
    for (key, value) in others.filter(|(_, value)| !value.is_null()) {
        match value {
            Value::String(text) => row(key, text),
            value => row(key, &value.to_string()),
        }
    }
    for (name, value) in beside {
        row(name, &value.to_string());
    }
    for (name, value) in rest {
        row(&format!("({name})"), value);
    }
    if !rest.is_empty() {
        row("", "what is in parentheses is not used by --from");
    }
    rows
}

/// Without what would do something to the terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|&c| c == '\n' || !c.is_control()).collect()
}

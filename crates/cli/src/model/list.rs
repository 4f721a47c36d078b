//! `aquatint model list`.

use aquatint_hub::{Cache, CachedModel};
use aquatint_pipeline::ModelSource;
use serde_json::{Value, json};

use super::human;
use crate::failure::Failure;
use crate::{console, embedded};

/// Show the models that are on this machine.
///
/// They are the built-in one and those in the cache that the Python tools share.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Print one line of JSON instead
    #[arg(long)]
    pub json: bool,
}

pub fn run(args: &ListArgs) -> Result<(), Failure> {
    let cached = Cache::from_environment(|name| std::env::var_os(name))?.models()?;
    let built_in: Option<&[(&str, &[u8])]> = match embedded::model() {
        Ok(ModelSource::Embedded(files)) => Some(files),
        _ => None,
    };
    if args.json {
        let built_in = built_in.map(|files| {
            let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
            json!({"name": embedded::NAME, "built_in": true, "files": names, "bytes": bytes(files)})
        });
        let models: Vec<Value> = built_in.into_iter().chain(cached.iter().map(report)).collect();
        console::result(&json!({"models": models}).to_string());
        return Ok(());
    }
    let mut rows = Vec::new();
    if let Some(files) = built_in {
        let size = human(bytes(files));
        rows.push([
            embedded::NAME.into(),
            "built in".into(),
            size,
            files.len().to_string(),
            "-".into(),
        ]);
    }
    rows.extend(cached.iter().map(row));
    table(&rows).iter().for_each(|line| console::result(line));
    Ok(())
}

fn bytes(files: &[(&str, &[u8])]) -> u64 {
    files.iter().map(|(_, content)| content.len() as u64).sum()
}

fn report(model: &CachedModel) -> Value {
    json!({
        "name": model.repo.to_string(),
        "built_in": false,
        "revision": model.commit,
        "refs": model.revisions,
        "files": model.files,
        "bytes": model.bytes,
        "path": model.path,
    })
}

fn row(model: &CachedModel) -> [String; 5] {
    // As git shortens it; the path has the rest.
    let short = &model.commit[..model.commit.len().min(10)];
    let revision = match model.revisions.join(", ") {
        names if names.is_empty() => short.into(),
        names => format!("{names} ({short})"),
    };
    let files = model.files.len().to_string();
    [model.repo.to_string(), revision, human(model.bytes), files, model.path.display().to_string()]
}

/// Lines with the columns below each other; sizes and numbers end below each other.
fn table(rows: &[[String; 5]]) -> Vec<String> {
    let heads = ["name", "revision", "size", "files", "path"].map(str::to_owned);
    let rows: Vec<&[String; 5]> = std::iter::once(&heads).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let [a, b, c, d, _] = [0, 1, 2, 3, 4].map(|column| width(column).unwrap_or(0));
    let line = |[name, revision, size, files, path]: &[String; 5]| {
        format!("{name:a$}  {revision:b$}  {size:>c$}  {files:>d$}  {path}")
    };
    rows.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use aquatint_hub::RepoId;

    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let model = |name: &str, revisions: &[&str], bytes| CachedModel {
            repo: RepoId::parse(name).expect("a name"),
            commit: "0123456789abcdef0123456789abcdef01234567".into(),
            revisions: revisions.iter().map(|&name| name.to_owned()).collect(),
            files: vec!["a".into()],
            bytes,
            path: PathBuf::from("/c"),
        };
        let rows = [row(&model("o/name", &["main"], 5)), row(&model("o/n", &[], 1_200_000))];
        expect_test::expect![[r#"
            name    revision             size  files  path
            o/name  main (0123456789)     5 B      1  /c
            o/n     0123456789         1.2 MB      1  /c"#]]
        .assert_eq(&table(&rows).join("\n"));
    }
}

//! `aquatint model pull`.

use aquatint_hub::{Choice, ModelName, Pattern, Request, Settings, pull};
use serde_json::json;

use super::progress::Shown;
use crate::console;
use crate::failure::Failure;
use crate::stop;

/// Fetch a model from a hub.
///
/// It comes into the cache that the Python tools share, and the path that is printed can be given
/// to -m. Of a model in diffusers' layout, what diffusers would load is fetched; of other
/// repositories, name the file.
///
/// HF_ENDPOINT names another hub than huggingface.co, HF_TOKEN opens models that ask for a licence
/// to be accepted, HF_HOME or HF_HUB_CACHE move the cache, SSL_CERT_FILE holds the certificates of a
/// company's own authority.
#[derive(Debug, clap::Args)]
pub struct PullArgs {
    /// Which model; the revision is a branch, a tag or a commit
    #[arg(value_name = "OWNER/NAME[@REVISION]")]
    pub name: String,

    /// Only these files, by their paths in the repository
    #[arg(value_name = "FILE", conflicts_with_all = ["include", "exclude", "variant"])]
    pub files: Vec<String>,

    /// Only files that this fits, such as '*.safetensors'; can be given several times
    #[arg(long, value_name = "GLOB")]
    pub include: Vec<Pattern>,

    /// No files that this fits, such as 'safety_checker/*'; can be given several times
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<Pattern>,

    /// Weights to prefer where a part has several, such as fp16
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,

    /// Only look whether it is in the cache (HF_HUB_OFFLINE does the same)
    #[arg(long)]
    pub offline: bool,

    /// Print one line of JSON instead of the path
    #[arg(long)]
    pub json: bool,
}

pub fn run(args: &PullArgs) -> Result<(), Failure> {
    stop::listen();
    let request = Request {
        model: ModelName::parse(&args.name)?,
        files: args.files.clone(),
        choice: Choice {
            include: args.include.clone(),
            exclude: args.exclude.clone(),
            variant: args.variant.clone(),
        },
    };
    let mut settings = Settings::from_environment(|name| std::env::var_os(name))?;
    settings.offline |= args.offline;
    let mut shown = Shown::new();
    let pulled = pull(&settings, &request, &mut shown);
    shown.finish();
    let pulled = pulled?;
    if args.json {
        let report = json!({
            "name": request.model.repo.to_string(),
            "revision": pulled.commit,
            "files": pulled.files,
            "path": pulled.path,
        });
        console::result(&report.to_string());
    } else {
        console::result(&pulled.path.display().to_string());
    }
    Ok(())
}

//! `aquatint model`: models on this machine and on hubs.
//!
//! Adding a command: one file with an `Args` struct and a `run` function, one variant of
//! [`ModelCommand`], one arm in [`run`].

mod convert;
mod inspect;
mod inspect_lora;
mod list;
mod progress;
mod pull;

use aquatint_hub::HubError;
use clap::Subcommand;

use crate::failure::Failure;

#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub struct ModelArgs {
    #[command(subcommand)]
    command: ModelCommand,
}

#[derive(Debug, Subcommand)]
enum ModelCommand {
    Convert(Box<convert::ConvertArgs>),
    Inspect(inspect::InspectArgs),
    List(list::ListArgs),
    Pull(Box<pull::PullArgs>),
}

pub fn run(args: &ModelArgs) -> Result<(), Failure> {
    match &args.command {
        ModelCommand::Convert(args) => convert::run(args),
        ModelCommand::Inspect(args) => inspect::run(args),
        ModelCommand::List(args) => list::run(args),
        ModelCommand::Pull(args) => pull::run(args),
    }
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        match error {
            HubError::Stopped => Self::interrupted(),
            error => Self::new(error.to_string()),
        }
    }
}

/// "1.5 GB".
fn human(bytes: u64) -> String {
    let units = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    match units.into_iter().find(|&(unit, _)| bytes as f64 >= unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / unit),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people() {
        let sizes = [0, 999, 1000, 1_540_000, 6_938_000_000].map(human);
        assert_eq!(sizes, ["0 B", "999 B", "1.0 kB", "1.5 MB", "6.9 GB"]);
    }
}

//! `cargo xtask check`: every gate, cheapest first.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::tidy;

/// Options of `cargo xtask check`.
#[derive(clap::Args)]
pub struct Args {
    /// Only the checks that take seconds: formatting, the arrows between crates, file sizes.
    #[arg(long)]
    quick: bool,
}

/// Runs the checks; the first that fails ends them.
pub fn run(args: Args) -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    tidy::check_all()?;
    eprintln!("tidy: arrows, file lengths, test data");
    if args.quick {
        return Ok(());
    }
    if Command::new("cargo-deny").arg("--version").output().is_ok_and(|o| o.status.success()) {
        cargo(&["deny", "--offline", "check", "licenses", "bans", "sources"])?;
    } else {
        eprintln!("cargo-deny is not installed: skipped (cargo install cargo-deny)");
    }
    cargo(&["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    cargo(&["test", "--release", "--workspace"])
}

fn cargo(args: &[&str]) -> Result<()> {
    eprintln!("cargo {}", args.join(" "));
    let status = Command::new(env!("CARGO"))
        .args(args)
        .current_dir(tidy::root())
        .status()
        .context("cargo could not be started")?;
    ensure!(status.success(), "cargo {} failed", args.join(" "));
    Ok(())
}

//! The program: arguments in, files and lines out. Everything else is in the libraries.

mod args;
mod console;
mod embedded;
mod failure;
mod generate;
mod machine;
mod model;
mod names;
mod preview;
mod samplers;
mod stop;
mod train;
mod upscale;

use std::process::ExitCode;

use args::{Args, Command};
use clap::Parser;

fn main() -> ExitCode {
    let outcome = match Args::parse().command {
        Command::Generate(args) => generate::run(&args),
        Command::Model(args) => model::run(&args),
        Command::Sample(args) => generate::run(&args.generate()),
        Command::Samplers(args) => samplers::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Upscale(args) => upscale::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

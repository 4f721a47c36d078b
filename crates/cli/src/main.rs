//! The program: arguments in, files and lines out. Everything else is in the libraries.

mod args;
mod console;
mod embedded;
mod eval;
mod failure;
mod generate;
mod info;
mod machine;
mod model;
mod names;
mod preview;
mod prompts;
mod ranks;
mod report;
mod reproduce;
mod sample;
mod samplers;
mod serve;
mod show;
mod stop;
mod train;
mod travel;
mod upscale;

use std::process::ExitCode;

use args::{Args, Command, Typed};
use clap::{CommandFactory, FromArgMatches};

fn main() -> ExitCode {
    let matches = Args::command().get_matches();
    let typed = Typed::of(&matches);
    let args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let outcome = match args.command {
        Command::Eval(args) => eval::run(&args),
        Command::Generate(args) => generate::run(*args, &typed),
        Command::Info(args) => info::run(&args),
        Command::Model(args) => model::run(&args),
        Command::Reproduce(args) => reproduce::run(&args),
        Command::Sample(args) => sample::run(&args),
        Command::Samplers(args) => samplers::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Travel(args) => travel::run(&args),
        Command::Upscale(args) => upscale::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

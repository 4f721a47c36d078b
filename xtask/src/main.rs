//! Chores of the repository, run as `cargo xtask TASK`.
//!
//! Adding a task: one module with an `Args` struct and a `run` function, one variant of [`Task`],
//! one arm in [`main`].
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod check;
mod check_model;
mod data;
mod dtype;
mod elsewhere;
mod fidelity;
mod gallery;
mod kernels;
mod less_work;
mod speed;
mod tidy;
mod web_ui;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chores of the Aquatint repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run every gate, cheapest first.
    Check(check::Args),
    /// Measure whether a model draws what it was asked for.
    CheckModel(check_model::Args),
    /// Build a data set from pinned packages.
    Data(data::Args),
    /// Test the kernels under Miri, or for another chip in an emulator.
    Elsewhere(elsewhere::Args),
    /// Compare a full-size model with what diffusers says of it.
    Fidelity(fidelity::Args),
    /// Draw the pictures of docs/gallery again.
    Gallery(gallery::Args),
    /// Measure what each way to do less work costs and saves.
    LessWork(less_work::Args),
    /// Write the table of how fast each layer of Stable Diffusion 1.5 is.
    Kernels(kernels::Args),
    /// Time passes of a full-size model, one for each line read: for tools/bench/peers.py.
    Speed(speed::Args),
    /// Compare a full-size model with what Stable Diffusion web UI draws with it.
    WebUi(web_ui::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Check(args) => check::run(args),
        Task::CheckModel(args) => check_model::run(args),
        Task::Data(args) => data::run(args),
        Task::Elsewhere(args) => elsewhere::run(args),
        Task::Fidelity(args) => fidelity::run(args),
        Task::Gallery(args) => gallery::run(args),
        Task::LessWork(args) => less_work::run(args),
        Task::Kernels(args) => kernels::run(args),
        Task::Speed(args) => speed::run(args),
        Task::WebUi(args) => web_ui::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

//! The command line as it is typed: one file for each group of options.

mod adapters;
mod draw;
mod dtype;
mod eval;
mod from;
mod generate;
mod guidance;
mod less_work;
mod machine;
mod output;
mod parts;
mod pictures;
mod prompt;
mod sample;
mod sampling;
mod serve;
mod travel;
mod upscale;

use clap::{Parser, Subcommand};

pub use self::adapters::AdapterArgs;
pub use self::draw::{DrawArgs, WishArgs};
pub use self::dtype::{Dtype, VaeTiling};
pub use self::eval::{EvalArgs, Like, Metric, SingleArgs};
pub use self::from::{Repeated, Typed};
pub use self::generate::GenerateArgs;
pub use self::guidance::GuidanceArgs;
pub use self::less_work::LessWorkArgs;
pub use self::machine::MachineArgs;
pub use self::output::OutputArgs;
pub use self::parts::PartArgs;
pub use self::pictures::{HiresArgs, PictureArgs};
pub use self::prompt::PromptArgs;
pub use self::sample::SampleArgs;
pub use self::sampling::{SamplingArgs, VariationArgs};
pub use self::serve::{AccessArgs, ServeArgs};
pub use self::travel::TravelArgs;
pub use self::upscale::UpscaleArgs;

/// Text to pictures by latent diffusion.
#[derive(Debug, Parser)]
#[command(name = "aquatint", version, arg_required_else_help = true)]
#[command(args_override_self = true)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Eval(Box<EvalArgs>),
    Generate(Box<GenerateArgs>),
    Info(crate::info::InfoArgs),
    /// Fetch models and show which are there
    Model(crate::model::ModelArgs),
    Reproduce(crate::reproduce::ReproduceArgs),
    Sample(Box<SampleArgs>),
    Samplers(crate::samplers::SamplersArgs),
    Serve(Box<ServeArgs>),
    /// Train one part of a model
    Train(crate::train::TrainArgs),
    Travel(Box<TravelArgs>),
    Upscale(Box<UpscaleArgs>),
}

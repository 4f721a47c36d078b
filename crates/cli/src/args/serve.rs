//! `aquatint serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use aquatint_server::Limits;

use super::MachineArgs;

/// Make pictures for programs and for people with a browser.
///
/// Requests wait in a queue that survives restarts, and pictures are kept in a gallery. Ctrl-C, or
/// SIGTERM, lets what waits be finished first; a second one ends at once. /openapi.json describes
/// what programs may ask for.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// Model: a folder in diffusers' layout, a single file, or a network that enlarges; may be given
    /// again, and the first is the default [default: the built-in model]
    #[arg(short, long, value_name = "FOLDER|FILE", help_heading = "Models")]
    pub model: Vec<PathBuf>,

    /// Weights in memory at once, in GB; what was not used for longest makes room [default: half of
    /// the machine's memory]
    #[arg(long, value_name = "GB", help_heading = "Models")]
    pub memory: Option<f64>,

    /// Let prompts name the LoRAs in this folder, as <lora:name:0.8>; may be given again
    #[arg(long, value_name = "FOLDER", help_heading = "Models")]
    pub lora_folder: Vec<PathBuf>,

    /// Keep jobs and pictures here [default: aquatint/ where the user's data is]
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,

    /// Seconds in which what waits is finished at the end; what is left is done at the next start
    #[arg(long, value_name = "N", default_value_t = 600)]
    pub drain_seconds: u64,

    #[command(flatten)]
    pub access: AccessArgs,

    #[command(flatten)]
    pub limits: LimitArgs,

    #[command(flatten)]
    pub machine: MachineArgs,
}

/// Who may ask.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Access")]
pub struct AccessArgs {
    /// Address and port; other machines reach it only under an address of this one, such as 0.0.0.0
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7860")]
    pub listen: SocketAddr,

    /// What everybody must say who asks; other users of this machine can see it
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    pub token: Option<String>,

    /// The same, on the first line of this file
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Let everybody ask who can reach the address
    #[arg(long, conflicts_with_all = ["token", "token_file"])]
    pub insecure: bool,

    /// Another name under which the server is reached; may be given again
    #[arg(long, value_name = "NAME")]
    pub allow_host: Vec<String>,
}

/// How much may be asked for.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Requests that wait; others are told to come later
    #[arg(long, value_name = "N", default_value_t = Limits::default().queue)]
    pub queue: usize,

    /// Pixels of one picture
    #[arg(long, value_name = "N", default_value_t = Limits::default().pixels)]
    pub max_pixels: usize,

    /// Sampling steps
    #[arg(long, value_name = "N", default_value_t = Limits::default().steps)]
    pub max_steps: usize,

    /// Pictures of one request
    #[arg(long, value_name = "N", default_value_t = Limits::default().count)]
    pub max_count: usize,

    /// Megabytes of one request
    #[arg(long, value_name = "MB", default_value_t = Limits::default().body_bytes >> 20)]
    pub max_body: usize,

    /// Pixels of a picture that is sent along
    #[arg(long, value_name = "N", default_value_t = Limits::default().input_pixels)]
    pub max_input_pixels: usize,
}

impl LimitArgs {
    /// What is meant by it.
    pub fn limits(&self) -> Limits {
        let usual = Limits::default();
        // Four of the largest pictures with as many steps as three of them may have.
        let cost = self.max_pixels as u64 * (8 * self.max_steps as u64 / 3).max(100);
        let body_bytes = self.max_body.clamp(1, 1024) << 20;
        Limits {
            pixels: self.max_pixels,
            steps: self.max_steps,
            count: self.max_count,
            cost,
            queue: self.queue.max(1),
            queue_cost: cost.saturating_mul(4),
            body_bytes,
            all_bodies: usual.all_bodies.max(body_bytes),
            input_pixels: self.max_input_pixels,
            ..usual
        }
    }
}

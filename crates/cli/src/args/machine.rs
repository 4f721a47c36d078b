//! What the work is done with: it changes how long it takes, and pictures only by rounding.

use super::{Dtype, VaeTiling};

/// Threads, numbers and memory.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Machine")]
pub struct MachineArgs {
    /// Threads to compute with; the picture is the same for any number [default: physical cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,

    /// Type in which products are formed [with --fast: bf16]
    #[arg(long, value_enum, default_value_t = Dtype::F32)]
    #[arg(default_value_if("fast", "true", "bf16"))]
    pub dtype: Dtype,

    /// Whether to decode pictures in bands, which takes less memory, more time, and makes no seams
    #[arg(long, value_enum, default_value_t = VaeTiling::Auto)]
    pub vae_tiling: VaeTiling,
}

//! `aquatint sample`.

use crate::args::{AdapterArgs, SampleArgs};
use crate::failure::Failure;
use crate::generate::{Errand, Place};
use crate::{machine, stop};

/// Makes the pictures, as `aquatint generate` would without words.
pub fn run(args: &SampleArgs) -> Result<(), Failure> {
    stop::listen();
    let SampleArgs { output, preview, draw, written, machine, .. } = args;
    let request = args.request(draw.sampling.seed.unwrap_or_else(machine::random_seed));
    let place = Place { output: output.as_deref(), preview: preview.as_deref(), written };
    Errand { request, draw, adapters: &AdapterArgs::default(), machine }.run(place)
}

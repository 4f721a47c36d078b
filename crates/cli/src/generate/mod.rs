//! `aquatint generate`, and what other commands that draw do as it does.

mod drawing;
mod errand;
mod load;
mod texts;

use crate::args::{GenerateArgs, Repeated, Typed};
use crate::console;
use crate::failure::Failure;
use crate::{machine, prompts, stop};

pub use self::drawing::{Drawing, Shown};
pub use self::errand::{Errand, Job, Place, inputs, shown};
pub use self::load::{Loading, keep_model, note_loras, source};
pub use self::texts::{Origin, check_room, write};

pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Makes the pictures. Everything that can be wrong is looked at before anything takes time.
pub fn run(mut args: GenerateArgs, typed: &Typed) -> Result<(), Failure> {
    stop::listen();
    if let Some(file) = &args.prompts {
        return prompts::run(&args, file);
    }
    let seed = args.draw.sampling.seed.unwrap_or_else(machine::random_seed);
    let mut request = args.request(seed);
    if let Some(path) = &args.from {
        let again = Repeated::open(path, &request, typed)?;
        let dtype = again.dtype().filter(|_| !typed.has("dtype"));
        args.machine.dtype = dtype.unwrap_or(args.machine.dtype);
        let model = args.draw.model.as_deref();
        let missing = again.attach(&mut args.wish.adapters, model, typed);
        again.not_used(&texts::model_name(model)).iter().for_each(|note| console::note(note));
        missing.iter().for_each(|note| console::note(note));
        request = again.request;
    }
    let GenerateArgs { output, preview, draw, wish, written, machine, .. } = &args;
    let (output, preview) = (output.as_deref(), preview.as_deref());
    let place = Place { output, preview, written };
    Errand { request, draw, adapters: &wish.adapters, machine }.run(place)
}

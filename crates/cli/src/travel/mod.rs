//! `aquatint travel`.

mod keep;

use aquatint_diffusion::samplers;
use aquatint_pipeline::{GenerateRequest, Outline};
use serde_json::json;

use self::keep::Keep;
use crate::args::TravelArgs;
use crate::failure::Failure;
use crate::generate::{
    Drawing, Loading, Origin, Shown, VERSION, inputs, keep_model, note_loras, source,
};
use crate::report::{Clock, names};
use crate::{console, machine, stop};

/// Makes the pictures on the way. Everything that can be wrong is looked at before anything takes
/// time.
pub fn run(args: &TravelArgs) -> Result<(), Failure> {
    stop::listen();
    let TravelArgs { draw, wish, machine, .. } = args;
    let request = args.request(draw.sampling.seed.unwrap_or_else(machine::random_seed));
    let inputs = inputs(&request)?;
    let frames = args.travel().of(&request)?;
    Keep::check(args)?;
    let source = source(draw)?;
    let outline = Outline::read(&source)?;
    let (mut steps, mut plan) = (0, request.plan(&outline, &inputs)?);
    for frame in &frames {
        plan = frame.plan(&outline, &inputs)?;
        steps += plan.steps;
    }
    let screen = Shown::new(&args.written, outline.latent_channels)?;
    let loading = Loading::new(draw, &wish.adapters, machine, &request.prompt)?;
    let origin = Origin::new(draw, machine, loading.attached);
    let mut keep = Keep::new(args, &request, &plan, &origin, frames.len())?;
    if !args.to_seed.is_empty() && adds_noise(&request) {
        console::note(&format!(
            "note: {} adds noise on the way, so pictures jump where a seed is reached: take another \
             sampler, or --eta 0 where there is an eta",
            request.sampler
        ));
    }
    machine::start_threads(machine.threads)?;

    let clock = Clock::new();
    let model = keep_model(&source, &loading.options)?;
    note_loras(model.loras());
    let tiling = machine.vae_tiling.into();
    let (files, clock) = machine::compute(|| {
        let drawing = Drawing::new(tiling, steps, clock).with_show(screen, &*model)?;
        for frame in &frames {
            drawing.draw(&*model, frame, &inputs, &mut |finished| keep.add(frame, finished))?;
        }
        let files = keep.finish()?;
        drawing.stage("write");
        Ok::<_, Failure>((files, drawing.finish()))
    })?;
    if draw.json {
        let report = json!({
            "files": names(&files),
            "seed": request.seed,
            "frames": frames.len(),
            "width": plan.size.0,
            "height": plan.size.1,
            "seconds": clock.seconds(),
            "peak_memory_bytes": machine::peak_memory(),
            "threads": rayon::current_num_threads(),
            "version": VERSION,
        });
        console::result(&report.to_string());
    } else {
        files.iter().for_each(|file| console::result(&file.display().to_string()));
        let (seed, seconds) = (request.seed, clock.total());
        console::note(&format!("seed {seed}, {} pictures, {seconds:.1} s", frames.len()));
    }
    Ok(())
}

/// Whether there is noise that belongs to a seed alone.
fn adds_noise(request: &GenerateRequest) -> bool {
    let Ok((sampler, _)) = samplers::find_with_spacing(&request.sampler) else { return false };
    match (sampler.default_eta, request.eta) {
        (Some(_), Some(eta)) => eta > 0.0,
        _ => sampler.stochastic,
    }
}

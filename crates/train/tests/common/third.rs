//! Configurations of the third stage, and what is left of its runs.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use aquatint_pipeline::{
    Finished, GenerateRequest, Inputs, LoadOptions, ModelSource, Picture, Settings, generate,
    open_model,
};
use aquatint_train::Stage;
use serde_json::Value;

use super::{Place, trained};

/// A configuration of the third stage with these lines in `[task]` and `[model.unet]`.
pub fn config(place: &Place, run: &str, steps: u64, task: &str, unet: &str) -> PathBuf {
    let root = place.path("").display().to_string().replace('\\', "/");
    let text = format!(
        "[data]\nfolder = \"{root}/data\"\nsize = 32\n\
         [run]\nfolder = \"{root}/runs/{run}\"\nexport = \"{root}/{run}\"\nseed = 5\n\
         steps = {steps}\nbatch_size = 6\ncheckpoint_every = 8\nsample_every = 20\nlog_every = 2\n\
         [optimizer]\nlearning_rate = 6e-3\nschedule = \"cosine\"\nwarmup_steps = 2\n\
         [task]\nparts_from = \"{root}/model\"\nvariants_per_image = 2\nsample_steps = 2\n{task}\n\
         [model.unet]\nblock_out_channels = [8, 16]\nlayers_per_block = 1\nnorm_num_groups = 4\n\
         attention_head_dim = 8\n{unet}\n\
         [model.scheduler]\nbeta_schedule = \"scaled_linear\"\nbeta_start = 0.00085\n\
         beta_end = 0.012\nprediction_type = \"v_prediction\"\n\
         [card]\ntitle = \"Shapes\"\n"
    );
    let path = place.path(&format!("{run}.toml"));
    fs::write(&path, text).expect("a temporary file");
    path
}

const PLAIN: &str = "down_block_types = [\"DownBlock2D\", \"AttnDownBlock2D\"]\n\
                     up_block_types = [\"AttnUpBlock2D\", \"UpBlock2D\"]\nout_channels = 4\n";
const CROSS: &str = "down_block_types = [\"DownBlock2D\", \"CrossAttnDownBlock2D\"]\n\
                     up_block_types = [\"CrossAttnUpBlock2D\", \"UpBlock2D\"]\nout_channels = 4\n\
                     cross_attention_dim = 16\n";

pub fn plain(in_channels: usize) -> String {
    format!("{PLAIN}in_channels = {in_channels}")
}

pub fn cross(in_channels: usize) -> String {
    format!("{CROSS}in_channels = {in_channels}")
}

/// A place with a trained autoencoder and text encoder in `model/`.
pub fn with_frozen_parts() -> Place {
    let place = Place::new();
    trained(Stage::Autoencoder, &place.config(Stage::Autoencoder, "a", 40));
    trained(Stage::Clip, &place.config(Stage::Clip, "c", 1));
    place
}

#[track_caller]
pub fn assert_learned(place: &Place, run: &str) {
    let losses = place.losses(run);
    let quarter = losses.len() / 4;
    let mean = |some: &[(u64, f64)]| some.iter().map(|(_, l)| l).sum::<f64>() / some.len() as f64;
    let (first, last) = (mean(&losses[..quarter]), mean(&losses[losses.len() - quarter..]));
    assert!(last < 0.9 * first, "{run}: the loss went from {first} to {last}");
}

/// A file of the model that a run exported.
pub fn json(place: &Place, file: &str) -> Value {
    let text = fs::read_to_string(place.path(file)).expect(file);
    serde_json::from_str(&text).expect(file)
}

/// A picture of the model in `folder`.
pub fn drawn(folder: &Path, request: GenerateRequest) -> Picture {
    let source = ModelSource::folder(folder).expect("a model folder");
    let options = LoadOptions::default();
    let model = open_model(&source, &options).expect("a whole model");
    let request = GenerateRequest { seed: 1, steps: 2, ..request };
    let mut pictures = Vec::new();
    let mut keep = |finished: Finished<'_>| {
        pictures.push(finished.picture.clone());
        ControlFlow::Continue(())
    };
    let (inputs, settings) = (Inputs::default(), Settings::default());
    generate(model.as_ref(), &request, &inputs, settings, &mut (), &mut keep).expect("a picture");
    pictures.remove(0)
}

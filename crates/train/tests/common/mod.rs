//! A data set of coloured shapes and networks that are trained on it in a second.
#![allow(dead_code, reason = "not every test file needs everything")]

pub mod third;
pub mod threads;

use std::fs;
use std::path::{Path, PathBuf};

use aquatint_train::error::TrainError;
use aquatint_train::monitor::{Monitor, StepReport};
use aquatint_train::run::Outcome;
use aquatint_train::{Options, Stage, train};
use image::{Rgba, RgbaImage};
use tempfile::TempDir;

/// Width and height of the shapes.
const SIZE: u32 = 32;

/// A place for data, configurations, runs and the model.
pub struct Place {
    folder: TempDir,
}

impl Place {
    /// A new folder with 28 shapes in `data/`, 4 of them in the part `validation` and 4 in a part
    /// that nobody may read.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write_shapes(&folder.path().join("data"));
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a configuration for runs in `runs/{run}` and returns its path.
    pub fn config(&self, stage: Stage, run: &str, steps: u64) -> PathBuf {
        let path = self.path(&format!("{run}.toml"));
        let root = self.folder.path().display().to_string().replace('\\', "/");
        fs::write(&path, config(stage, &root, run, steps)).expect("a temporary file");
        path
    }

    /// The bytes of the checkpoint of a run.
    pub fn checkpoint(&self, run: &str) -> Vec<u8> {
        fs::read(self.path(&format!("runs/{run}/checkpoint.safetensors"))).expect("a checkpoint")
    }

    /// The lines of the metrics of a run that hold a loss: step and loss.
    pub fn losses(&self, run: &str) -> Vec<(u64, f64)> {
        let lines =
            aquatint_train::metrics::lines(&self.path(&format!("runs/{run}/metrics.jsonl")));
        let lines = lines.expect("metrics can be read");
        lines.iter().filter_map(|l| Some((l["step"].as_u64()?, l["loss"].as_f64()?))).collect()
    }
}

fn write_shapes(folder: &Path) {
    let colours = [("red", [220, 60, 60]), ("blue", [80, 130, 220]), ("green", [80, 175, 90])];
    let shapes = ["circle", "square", "bar"];
    let mut lines = String::new();
    for i in 0..28u32 {
        let (colour, rgb) = colours[i as usize % 3];
        let shape = shapes[i as usize / 3 % 3];
        let radius = 6 + i as i32 / 4;
        let inside = |x: i32, y: i32| match shape {
            "circle" => x * x + y * y < radius * radius,
            "square" => x.abs().max(y.abs()) < radius,
            _ => y.abs() < radius / 3,
        };
        let picture = RgbaImage::from_fn(SIZE, SIZE, |x, y| {
            let alpha = if inside(x as i32 - 16, y as i32 - 16) { 255 } else { 0 };
            Rgba([rgb[0], rgb[1], rgb[2], alpha])
        });
        let (split, file) = match i {
            0..20 => ("train", true),
            20..24 => ("validation", true),
            _ => ("test_object", false),
        };
        fs::create_dir_all(folder.join("drawn")).expect("a temporary folder");
        if file {
            picture.save(folder.join(format!("drawn/{i}.png"))).expect("a temporary file");
        }
        lines += &format!(
            "{{\"file_name\":\"drawn/{i}.png\",\"text\":\"drawn emoji of {colour} {shape}\",\
             \"style_word\":\"drawn\",\"label\":\"{colour} {shape}\",\"tags\":[\"shape\",\
             \"{colour}\",\"size {radius}\"],\"split\":\"{split}\"}}\n"
        );
    }
    fs::write(folder.join("metadata.jsonl"), lines).expect("a temporary file");
}

fn config(stage: Stage, root: &str, run: &str, steps: u64) -> String {
    let common = format!(
        "[data]\nfolder = \"{root}/data\"\nsize = 32\n\
         [run]\nfolder = \"{root}/runs/{run}\"\nexport = \"{root}/model\"\nseed = 5\n\
         steps = {steps}\nbatch_size = 6\ncheckpoint_every = 8\nsample_every = 10\nlog_every = 2\n\
         [optimizer]\nlearning_rate = 6e-3\nschedule = \"cosine\"\nwarmup_steps = 2\n\
         [card]\ntitle = \"Shapes\"\n"
    );
    let rest = match stage {
        Stage::Autoencoder => {
            "[task]\ncrop = 16\nflip = true\nkl_weight = 1e-6\n\
             [model]\nblock_out_channels = [8, 16]\n\
             down_block_types = [\"DownEncoderBlock2D\", \"DownEncoderBlock2D\"]\n\
             up_block_types = [\"UpDecoderBlock2D\", \"UpDecoderBlock2D\"]\n\
             norm_num_groups = 4\n"
        }
        Stage::Clip => {
            "[task]\nvocab_size = 540\nmodel_max_length = 16\n\
             [model.text]\nhidden_size = 16\nintermediate_size = 32\nnum_hidden_layers = 1\n\
             num_attention_heads = 2\nprojection_dim = 8\n\
             [model.vision]\nhidden_size = 16\nintermediate_size = 32\nnum_hidden_layers = 1\n\
             num_attention_heads = 2\nprojection_dim = 8\nimage_size = 16\npatch_size = 8\n"
        }
        Stage::Diffusion => {
            "[task]\nvariants_per_image = 3\ndraft_batch_size = 4\nempty_captions = 0.1\nguidance_scale = 2.0\n\
             sample_steps = 3\nprompts = [\"drawn emoji of red circle\", \"\"]\n\
             [model.unet]\nsample_size = 16\nblock_out_channels = [8, 16]\n\
             down_block_types = [\"DownBlock2D\", \"CrossAttnDownBlock2D\"]\n\
             up_block_types = [\"CrossAttnUpBlock2D\", \"UpBlock2D\"]\nlayers_per_block = 1\n\
             cross_attention_dim = 16\nattention_head_dim = 2\nnorm_num_groups = 4\n\
             [model.unet.draft]\ntokens = 16\ntoken_channels = 2\nhidden_size = 8\nsize = 16\n\
             [model.scheduler]\nbeta_schedule = \"scaled_linear\"\nbeta_start = 0.00085\n\
             beta_end = 0.012\n"
        }
        other => panic!("{other:?} has no configuration of this kind"),
    };
    common + rest
}

/// Counts seconds by being asked, and stops a run after some steps.
#[derive(Default)]
pub struct Counting {
    pub stop_after: Option<u64>,
    pub notes: Vec<String>,
    pub steps: u64,
}

impl Monitor for Counting {
    fn seconds(&self) -> f64 {
        self.steps as f64
    }

    fn stop_requested(&self) -> bool {
        self.stop_after.is_some_and(|steps| self.steps >= steps)
    }

    fn step(&mut self, report: &StepReport) {
        assert!(report.loss.is_finite() && report.step <= report.steps);
        self.steps += 1;
    }

    fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
    }
}

/// Trains to the end.
pub fn trained(stage: Stage, config: &Path) -> Outcome {
    attempt(stage, config, false).expect("training goes well")
}

/// Trains, or says why not.
pub fn attempt(stage: Stage, config: &Path, resume: bool) -> Result<Outcome, TrainError> {
    let options = Options { resume, hardware: "a test".into(), ..Options::default() };
    train(stage, config, &options, &mut Counting::default())
}

/// Trains with an interruption after each of these numbers of steps, and then to the end.
pub fn trained_in_parts(stage: Stage, config: &Path, parts: &[u64]) -> Outcome {
    let options = Options { resume: true, hardware: "a test".into(), ..Options::default() };
    for &steps in parts {
        let mut monitor = Counting { stop_after: Some(steps), ..Counting::default() };
        let outcome = train(stage, config, &options, &mut monitor).expect("training goes well");
        assert!(outcome.stopped);
        assert!(monitor.notes.iter().any(|note| note.starts_with("stopped after step ")));
    }
    train(stage, config, &options, &mut Counting::default()).expect("training goes well")
}

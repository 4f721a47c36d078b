//! `aquatint eval`.

use std::path::PathBuf;

use clap::ValueEnum;

/// Measure pictures: FID, Inception score, KID, precision and recall, CLIP score, reconstruction.
///
/// A and B are folders of pictures, tar archives of pictures (or folders of such), or .npz files
/// with the statistics of some. Pictures that cannot be read are counted and named; what is
/// transparent becomes white.
#[derive(Debug, clap::Args)]
pub struct EvalArgs {
    /// What to measure
    #[arg(value_enum)]
    pub metric: Metric,

    /// Pictures to measure, or their statistics
    #[arg(value_name = "A")]
    pub a: PathBuf,

    /// What to measure them by: pictures or statistics; for clip, the folder of a CLIP model as
    /// transformers saves it; for reconstruction, a model [default: the built-in one]
    #[arg(value_name = "B")]
    pub b: Option<PathBuf>,

    /// Weights of the network that looks at pictures: pt_inception-2015-12-05-6726825d.pth of
    /// pytorch-fid, or torch-fidelity's; with EfficientNet-Lite0's, distances are called FD-EffNet and
    /// KD-EffNet
    #[arg(long, value_name = "FILE")]
    pub features: Option<PathBuf>,

    /// Whose way of scaling pictures to Inception's size; distances are comparable only within one
    #[arg(long, value_enum, value_name = "NAME", default_value_t = Like::TorchFidelity)]
    pub like: Like,

    /// Print one line of JSON instead of the numbers
    #[arg(long)]
    pub json: bool,

    /// Write a page with numbers, plots and pictures (.html), or the pictures alone (.png)
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,

    /// Write the statistics of A, to be given in its place later; for kid and prdc, with all
    /// features
    #[arg(long, value_name = "FILE.npz")]
    pub save_stats: Option<PathBuf>,

    /// Look at N pictures of each set at most [default: all; 50000 where features are kept in memory:
    /// is, kid, prdc, nearest]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max: Option<u64>,

    /// Pictures at once
    #[arg(long, value_name = "N", default_value_t = 16,
        value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub batch: u64,

    /// Threads to compute with; the result is the same for any number [default: physical cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,

    #[command(flatten)]
    pub single: SingleArgs,
}

/// What is for one kind of measurement only.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Single measurements")]
pub struct SingleArgs {
    /// is: parts that the pictures are divided into [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub splits: Option<u64>,

    /// kid: subsets that are averaged over [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub subsets: Option<u64>,

    /// kid: pictures of each set in a subset; fewer if there are fewer [default: 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..))]
    pub subset_size: Option<u64>,

    /// is, kid: how pictures are mixed, as torch-fidelity does it [default: 2020]
    #[arg(long, value_name = "N")]
    pub seed: Option<u32>,

    /// prdc: the neighbour that balls around features reach to [default: 5]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub neighbours: Option<u64>,

    /// reconstruction: width and height of the pictures [default: the model's]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u64).range(1..=16_384))]
    pub size: Option<u64>,

    /// reconstruction: weights of a network for the perceptual distance, VGG16 (torchvision's or the
    /// lpips package's) or EfficientNet-Lite0
    #[arg(long, value_name = "FILE")]
    pub perceptual: Option<PathBuf>,

    /// reconstruction: LPIPS's weights of VGG16's channels, if they are in a file of their own
    #[arg(long, value_name = "FILE", requires = "perceptual")]
    pub heads: Option<PathBuf>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Metric {
    /// Fréchet Inception distance of A and B, in memory that does not grow with the pictures
    Fid,
    /// Inception score of A
    Is,
    /// Kernel Inception distance of A and B
    Kid,
    /// Precision, recall, density and coverage of A by B
    Prdc,
    /// Which pictures of B are nearest to those of A
    Nearest,
    /// How well the pictures of A fit their captions (metadata.jsonl, or .txt files)
    Clip,
    /// What a model's autoencoder keeps of A: PSNR, SSIM, rFID, and bits a pixel
    Reconstruction,
}

/// Whose way of scaling pictures to Inception's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Like {
    /// That of TensorFlow 1, which the first FID was computed with
    TorchFidelity,
    /// That of PyTorch
    PytorchFid,
}

impl EvalArgs {
    /// The first option that was given and is not for this measurement, and what it is for.
    pub fn not_for_this(&self) -> Option<(&'static str, &'static str)> {
        use Metric::{Clip, Fid, Is, Kid, Nearest, Prdc, Reconstruction};
        let SingleArgs { splits, subsets, subset_size, seed, neighbours, size, perceptual, .. } =
            &self.single;
        let comparisons: &[Metric] = &[Fid, Kid, Prdc, Nearest];
        let looked: &[Metric] = &[Fid, Is, Kid, Prdc, Nearest, Reconstruction];
        let table: [(&str, bool, &[Metric], &str); 9] = [
            ("--features", self.features.is_some(), looked, "everything but clip"),
            ("--save-stats", self.save_stats.is_some(), comparisons, "fid, kid, prdc and nearest"),
            ("--splits", splits.is_some(), &[Is], "is"),
            ("--subsets", subsets.is_some(), &[Kid], "kid"),
            ("--subset-size", subset_size.is_some(), &[Kid], "kid"),
            ("--seed", seed.is_some(), &[Is, Kid], "is and kid"),
            ("--neighbours", neighbours.is_some(), &[Prdc], "prdc"),
            ("--perceptual", perceptual.is_some(), &[Reconstruction], "reconstruction"),
            ("--size", size.is_some(), &[Reconstruction], "reconstruction"),
        ];
        debug_assert!(!looked.contains(&Clip));
        let wrong = |(_, given, metrics, _): &(_, bool, &[Metric], _)| {
            *given && !metrics.contains(&self.metric)
        };
        table.into_iter().find(wrong).map(|(option, _, _, what)| (option, what))
    }
}

//! The help texts of experiments, so that a change of them is seen.

mod common;

use common::succeed;
use expect_test::{Expect, expect};

#[track_caller]
fn check(args: &[&str], expected: &Expect) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let help = succeed(folder.path(), &[&["reproduce"], args, &["--help"]].concat());
    // Lines are padded, which no editor likes.
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    expected.assert_eq(&format!("{}\n", help.join("\n")));
}

#[test]
fn experiments() {
    check(
        &[],
        &expect![[r#"
        Rerun experiments of the latent diffusion paper at a small scale (Rombach et al. 2022)

        Usage: aquatint reproduce <COMMAND>

        Commands:
          compression  How far to compress pictures before diffusion: LDM-1 (pixels), -2, -4, -8 and -16
          guidance     How far to follow the caption, and in how many steps
          help         Print this message or the help of the given subcommand(s)

        Options:
          -h, --help  Print help
    "#]],
    );
}

#[test]
fn compression() {
    check(
        &["compression"],
        &expect![[r#"
        How far to compress pictures before diffusion: LDM-1 (pixels), -2, -4, -8 and -16.

        For each downsampling factor a first stage is trained, then a U-Net on its latents, all U-Nets with about as many parameters and for the same time (--budget) or as many steps (--steps). At an eighth, a quarter, a half and the end of that, pictures are drawn and measured by held-out ones, as in figures 6 and 7 of the paper. report.html and report.md say what came out, results.json has all numbers.

        Ctrl-C stops after a checkpoint; the same command with --resume goes on.

        Usage: aquatint reproduce compression [OPTIONS] --features <FILE> --output <FOLDER>

        Options:
              --factors <F,…>
                  Downsampling factors

                  [default: 1,2,4,8,16]

              --budget <MINUTES>
                  Minutes of training for each U-Net, without what is done between steps

                  [default: 7]

              --steps <N>
                  Steps of training for each U-Net, in place of a time: the same numbers on every machine

              --first-stage-steps <N>
                  Train first stages for another number of steps than their configurations say

              --configs <FOLDER>
                  Configurations, named autoencoder-f4.toml and diffusion-f4.toml [default: the built-in ones, those in configs/reproduce]

              --data <FOLDER>
                  Pictures: a folder with metadata.jsonl

                  [default: data/seven-styles]

              --features <FILE>
                  Weights of the network that looks at pictures: EfficientNet-Lite0's, as `cargo xtask data efficientnet-lite0 FILE` writes them, or Inception's

              --ddim-steps <N,…>
                  DDIM steps to draw with; where one number is enough, it is the first

                  [default: 20,10,50]

              --samples <N>
                  Pictures that are drawn for each measurement

                  [default: 256]

              --seed <N>
                  Seed of the first picture; the next has the next

                  [default: 0]

          -o, --output <FOLDER>
                  Where results, report and models go

              --resume
                  Go on where the same experiment in the same folder ended; nothing is done twice

              --threads <N>
                  Threads to compute with [default: physical cores]

          -h, --help
                  Print help (see a summary with '-h')
    "#]],
    );
}

#[test]
fn guidance() {
    check(
        &["guidance"],
        &expect![[r#"
        How far to follow the caption, and in how many steps.

        Pictures are drawn for captions of the training data with every guidance scale and every number of DDIM steps, measured by held-out pictures, and compared with all training drawings: whether the nearest one has the asked-for label and style, and whether the background has the colour.

        Usage: aquatint reproduce guidance [OPTIONS] --features <FILE> --output <FOLDER>

        Options:
          -m, --model <MODEL>
                  Model that draws: a folder or file [default: the built-in one]

              --scales <W,…>
                  Guidance scales

                  [default: 1,1.5,2,3,5,7.5,10]

              --data <FOLDER>
                  Pictures: a folder with metadata.jsonl

                  [default: data/seven-styles]

              --features <FILE>
                  Weights of the network that looks at pictures: EfficientNet-Lite0's, as `cargo xtask data efficientnet-lite0 FILE` writes them, or Inception's

              --ddim-steps <N,…>
                  DDIM steps to draw with; where one number is enough, it is the first

                  [default: 20,10,50]

              --samples <N>
                  Pictures that are drawn for each measurement

                  [default: 256]

              --seed <N>
                  Seed of the first picture; the next has the next

                  [default: 0]

          -o, --output <FOLDER>
                  Where results, report and models go

              --resume
                  Go on where the same experiment in the same folder ended; nothing is done twice

              --threads <N>
                  Threads to compute with [default: physical cores]

          -h, --help
                  Print help (see a summary with '-h')
    "#]],
    );
}

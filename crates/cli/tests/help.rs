//! The help texts, so that a change of them is seen.

mod common;

use common::succeed;
use expect_test::expect;

#[test]
fn generate() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let help = succeed(folder.path(), &["generate", "--help"]);
    // Lines are padded, which no editor likes.
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    expect![[r#"
        Make pictures of what a prompt says.

        Without -o, pictures are written to the current folder under a name made of the prompt and the seed, and nothing is overwritten. Their names are printed.

        Usage: aquatint generate [OPTIONS] <PROMPT>

        Arguments:
          <PROMPT>
                  What to show

        Options:
          -m, --model <FOLDER|FILE>
                  Model: a folder in diffusers' layout, or a single file [default: the built-in model]

                  A file may be safetensors, a PyTorch checkpoint (.ckpt, .pt, .bin; nothing in it is executed) or GGUF, in the naming of diffusers or of the original authors.

              --family <NAME>
                  What a single file is, where it does not show or shows wrongly

              --config <FOLDER>
                  Take a single file's configurations and tokenizers from this folder in diffusers' layout

              --vae <FILE>
                  Take the autoencoder's weights from this file

              --unet <FILE>
                  Take the U-Net's weights from this file

              --text-encoder <FILE>
                  Take the text encoder's weights from this file

              --seed <N>
                  Seed of the first picture; the next has the next [default: random]

                  torch-cpu uses its low 32 bits, as PyTorch does, torch-cuda all 64; numpy takes 32.

              --rng <NAME>
                  Whose random numbers the seed stands for: torch-cpu (diffusers on a CPU), torch-cuda (diffusers on a GPU, web UI), numpy (DiffusionBee)

                  [default: torch-cpu]

              --steps <N>
                  Sampling steps

                  [default: 50]

              --sampler <NAME>
                  How to step from noise to picture: ddpm, ddim, euler, heun, euler_ancestral

                  [default: ddim]

              --guidance-scale <X>
                  How strongly to follow the prompt; 1 is without guidance and half the work

                  [default: 5]

              --eta <X>
                  How much noise is renewed on the way, 0 to 1 [default: the sampler's]

              --negative-prompt <TEXT>
                  What not to show

              --width <W>
                  Pixels, a multiple of 8 [default: the model's]

              --height <H>
                  Pixels, a multiple of 8 [default: the model's]

          -n, --count <N>
                  How many pictures

                  [default: 1]

          -o, --output <FILE|FOLDER>
                  PNG file to write, or an existing folder (or a name ending in /) to write to

              --preview <FILE>
                  Also write a PNG of the first picture after each of ten steps

              --threads <N>
                  Threads to compute with; the picture is the same for any number [default: physical cores]

              --dtype <DTYPE>
                  Type in which products are formed

                  Possible values:
                  - f32:  Exact
                  - bf16: Faster where the processor can, and a little different

                  [default: f32]

              --json
                  Print one line of JSON instead of the names

          -h, --help
                  Print help (see a summary with '-h')"#]].assert_eq(&help.join("\n"));
}

#[test]
fn version() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let version = succeed(folder.path(), &["--version"]);
    assert_eq!(version, format!("aquatint {}\n", env!("CARGO_PKG_VERSION")));
}

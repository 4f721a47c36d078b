//! The help texts of `aquatint upscale` and `aquatint sample`, so that a change of them is seen.

mod common;

use common::succeed;
use expect_test::expect;

fn help(command: &str) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let help = succeed(folder.path(), &[command, "--help"]);
    // Lines are padded, which no editor likes.
    help.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[test]
fn upscale() {
    expect![[r#"
        Make pictures larger.

        A network in the program makes them four times as large, and -m takes others. Without -o, a picture is written to the current folder under its name and the factor, and nothing is overwritten. Names are printed.

        Usage: aquatint upscale [OPTIONS] <IMAGE>...

        Arguments:
          <IMAGE>...
                  Pictures to enlarge (PNG, JPEG or WebP); what is transparent becomes white

        Options:
          -o, --output <FILE|FOLDER>
                  File to write (.png, .jpg or .webp), or an existing folder (or a name ending in /)

              --format <NAME>
                  What to write into a folder: png, jpeg or webp

                  [default: png]

              --quality <N>
                  Quality of JPEG, 1 to 100

                  [default: 90]

              --json
                  Print one line of JSON instead of the names

          -h, --help
                  Print help (see a summary with '-h')

        Model:
          -m, --model <FOLDER|FILE>
                  Network of ESRGAN's kind, or a diffusion model that enlarges [default: the built-in network]

                  Networks: RRDBNet and SRVGGNetCompact (Real-ESRGAN, ESRGAN) as .pth or safetensors, and the layers models of @upscalerjs/esrgan-* (model.json, or its folder). Diffusion models: the x4 upscaler and those of LDMSuperResolutionPipeline, as a folder or a file.

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

        Networks:
              --tile <PIXELS>
                  Side of the pieces that a picture is enlarged in, in pixels; 0 is the whole [default: by the memory that the network takes]

              --overlap <PIXELS>
                  Pixels around a piece that are looked at [default: as many as the network sees, without any seam]

        Diffusion models:
              --prompt <TEXT>
                  What the picture shows

              --negative-prompt <TEXT>
                  What it does not show

              --noise-level <N>
                  Timesteps of noise to add before, so that the model may invent more [default: 20]

              --steps <N>
                  Sampling steps [default: 50]

              --seed <N>
                  Seed of the first picture; the next has the next [default: random]

              --guidance-scale <X>
                  How strongly to follow the prompt; 1 is without guidance and half the work [default: 5]

              --sampler <NAME>
                  How to step from noise to picture: see `aquatint samplers` [default: ddim]

              --schedule <NAME>
                  Which noise levels to step through [default: the sampler's or the model's]

              --eta <X>
                  How much noise is renewed on the way, 0 to 1 [default: the sampler's]

              --rng <NAME>
                  Whose random numbers the seed stands for [default: torch-cpu]

              --vae-tiling <VAE_TILING>
                  Whether to decode pictures in bands, which takes less memory, more time, and makes no seams [default: auto]

                  Possible values:
                  - auto: From about 768×768 on
                  - on:   Always
                  - off:  Never

        Machine:
              --threads <N>
                  Threads to compute with; the picture is the same for any number [default: physical cores]

              --dtype <DTYPE>
                  Type in which products are formed

                  Possible values:
                  - f32:  Exact
                  - bf16: Faster where the processor can, and a little different
                  - int8: The U-Net in 8 bits, the rest as bf16: faster still, in less memory, and more different

                  [default: f32]"#]].assert_eq(&help("upscale"));
}

#[test]
fn sample() {
    expect![[r#"
        Make pictures of whatever the model likes.

        This is for models that are told nothing. One that reads words is given none; one of classes is for `aquatint generate --class`. Without -o, pictures are written to the current folder, and nothing is overwritten. Their names are printed.

        Usage: aquatint sample [OPTIONS]

        Options:
          -n, --count <N>
                  How many pictures

                  [default: 1]

          -o, --output <FILE|FOLDER>
                  PNG file to write, or an existing folder (or a name ending in /) to write to

              --width <W>
                  Pixels, a multiple of 8 [default: the model's]

              --height <H>
                  Pixels, a multiple of 8 [default: the model's]

              --preview <FILE>
                  Also write a PNG of the first picture after each of ten steps

              --json
                  Print one line of JSON instead of the names

          -h, --help
                  Print help (see a summary with '-h')

        Model:
          -m, --model <FOLDER|FILE>
                  Model: a folder in diffusers' layout, or a single file [default: the built-in model]

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

        Sampling:
              --seed <N>
                  Seed of the first picture; the next has the next [default: random]

              --rng <NAME>
                  Whose random numbers the seed stands for

                  [default: torch-cpu]

              --steps <N>
                  Sampling steps

                  [default: 50]

              --sampler <NAME>
                  How to step from noise to picture: see `aquatint samplers`

                  [default: ddim]

              --schedule <NAME>
                  Which noise levels to step through [default: the sampler's or the model's]

              --eta <X>
                  How much noise is renewed on the way, 0 to 1 [default: the sampler's]

        Machine:
              --threads <N>
                  Threads to compute with; the picture is the same for any number [default: physical cores]

              --dtype <DTYPE>
                  Type in which products are formed

                  Possible values:
                  - f32:  Exact
                  - bf16: Faster where the processor can, and a little different
                  - int8: The U-Net in 8 bits, the rest as bf16: faster still, in less memory, and more different

                  [default: f32]

              --vae-tiling <VAE_TILING>
                  Whether to decode pictures in bands, which takes less memory, more time, and makes no seams

                  Possible values:
                  - auto: From about 768×768 on
                  - on:   Always
                  - off:  Never

                  [default: auto]"#]].assert_eq(&help("sample"));
}

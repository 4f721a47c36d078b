//! The help texts of `aquatint upscale`, `aquatint sample` and `aquatint travel`, so that a change of
//! them is seen.

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
                  PNG, JPEG or WebP file to write, or an existing folder (or a name ending in /) to write to

              --preview <FILE>
                  Also write a picture of the first one after each of ten steps

              --width <W>
                  Pixels, a multiple of 8 [default: the model's]

              --height <H>
                  Pixels, a multiple of 8 [default: the model's]

              --json
                  Print one line of JSON instead of the names

          -h, --help
                  Print help (see a summary with '-h')

        Model:
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

        Sampling:
              --seed <N>
                  Seed of the first picture; the next has the next [default: random]

                  torch-cpu uses its low 32 bits, as PyTorch does, torch-cuda all 64; numpy takes 32.

              --rng <NAME>
                  Whose random numbers the seed stands for: torch-cpu (diffusers on a CPU), torch-cuda (diffusers on a GPU), numpy (DiffusionBee), web-ui (web UI's GPU and NV), web-ui-cpu (web UI's CPU), comfyui (ComfyUI on a GPU), comfyui-cpu (ComfyUI without one)

                  [default: torch-cpu]

              --steps <N>
                  Sampling steps

                  [default: 50]

              --sampler <NAME>
                  How to step from noise to picture: ddpm, ddim, plms, euler, heun, euler_ancestral, lms, dpm2, dpm2_ancestral, dpmpp_2s_ancestral, dpmpp_sde, dpmpp_2m, dpmpp_2m_sde, dpmpp_3m_sde, unipc, deis, restart, lcm, tcd

                  [default: ddim]

              --schedule <NAME>
                  Which noise levels to step through: leading, trailing, linspace, uniform, simple, sgm_uniform, karras, exponential, kl_optimal, align_your_steps, align_your_steps_xl, beta, lcm [default: the sampler's or the model's]

              --eta <X>
                  How much noise is renewed on the way, 0 to 1 [default: the sampler's]

        Output:
              --format <FORMAT>
                  Format of the pictures: png, jpeg or webp [default: what the name ends in, or png]

                  JPEG is the one with loss: WebP is written without, as PNG is, since an encoder with loss would take longer to build than all other formats. All of them say how the picture was made.

              --quality <N>
                  Quality of a JPEG, 1 to 100; the others are without loss

                  [default: 90]

              --show[=<HOW>]
                  Show the picture in the terminal, also while it is made

                  Possible values:
                  - auto:   The best that the terminal is known to understand
                  - blocks: Two pixels a character, which every terminal understands that has colours
                  - kitty:  Pixels, in kitty and those that do as it does
                  - sixel:  Pixels, in xterm, foot, mlterm, WezTerm and others

              --preview-decoder <FILE>
                  With --show, decode what is shown by this tiny decoder (TAESD) instead of guessing colours

        Machine:
              --threads <N>
                  Threads to compute with; the picture is the same for any number [default: physical cores]

              --dtype <DTYPE>
                  Type in which products are formed [with --fast: bf16]

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

/// What it has of its own: the rest is `aquatint generate`'s.
#[test]
fn travel() {
    let help = help("travel");
    let own: Vec<&str> = help.lines().take_while(|line| *line != "Model:").collect();
    expect![[r#"
        Make the pictures between pictures: from prompt to prompt, from seed to seed, or both at once.

        Written are a moving picture (.gif), a sheet of all, or each of them. What the text encoder says of prompts is joined by straight lines, the noise of seeds by arcs. Every picture that is written alone says how it was made, and `aquatint generate --from` makes it again.

        Usage: aquatint travel [OPTIONS] [PROMPT]

        Arguments:
          [PROMPT]
                  What the first picture shows

        Options:
              --to <TEXT>
                  Prompt to go to; may be given several times, to go from one to the next

              --to-seed <N>
                  Seed to go to; may be given several times, with --to as often as that

                  Samplers that add noise on the way jump where a seed is reached: take others, or --eta 0.

              --frames <N>
                  How many pictures in all, those of the given prompts and seeds among them

                  [default: 24]

              --loop
                  Go back to the beginning at the end, so that nobody sees a GIF repeat

              --fps <N>
                  Pictures a second of a GIF, 1 to 50

                  [default: 8]

              --class <NAME|N>
                  Class to draw, by name or by number, for a model of classes

          -o, --output <FILE|FOLDER>
                  What to write; may be given several times [default: a .gif in the current folder]

                  A .gif is a moving picture, a PNG, JPEG or WebP file a sheet of all pictures, and an existing folder (or a name ending in /) gets each of them, numbered.

              --width <W>
                  Pixels, a multiple of 8 [default: the model's]

              --height <H>
                  Pixels, a multiple of 8 [default: the model's]

              --json
                  Print one line of JSON instead of the names

          -h, --help
                  Print help (see a summary with '-h')
    "#]].assert_eq(&own.join("\n"));
}

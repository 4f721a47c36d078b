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

        Usage: aquatint generate [OPTIONS] [PROMPT]

        Arguments:
          [PROMPT]
                  What to show

        Options:
              --from <PICTURE>
                  Make this picture again, with what else is given in place of what it says

                  A PNG, JPEG or WebP file of this program, or of others that `aquatint info` can read. LoRAs and embeddings are taken from where they were, or from --lora-dir, or from beside the model or the picture.

              --prompts <FILE>
                  Make a picture of every line of this file, and only those that are not there yet

                  One prompt a line; .csv with a column `prompt` and others named like the request's fields (seed, steps, guidance_scale, ...); or .jsonl with such an object a line. Pictures are numbered by lines in the folder -o; run it again to go on. The seed is 0 if none is given.

              --class <NAME|N>
                  What to show, by name or by number, for a model of classes

              --prompt-to <TEXT>
                  Another prompt, to which the first one goes

              --prompt-mix <X>
                  How far it goes, 0 to 1: see also `aquatint travel`

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

              --lora <FILE[:STRENGTH]>
                  Add a LoRA, LoHa, LoKr or full difference to the model; may be given several times

                  FILE:0.8 adds it with that strength, FILE:unet=0.8,te=0.5 with one for the U-Net and one for the text encoders. Names in files may be kohya's, LyCORIS', PEFT's or diffusers'.

              --lora-dir <FOLDER>
                  Look for the names in <lora:name:0.8> of a prompt here [default: beside the model]

              --lora-mode <LORA_MODE>
                  When LoRAs change the weights

                  Possible values:
                  - merged:   While they are loaded
                  - run-time: Never: layers add the change to their results, slower, and exact beside weights of 8 bits

                  [default: merged]

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

              --subseed <N>
                  Another seed, towards which the first noise is turned; the next picture has the next

                  All pictures have the same --seed then. The web UI calls this a variation seed.

              --subseed-strength <X>
                  How far it is turned, 0 to 1 [default: 0]

              --eta-noise-seed-delta <N>
                  How much higher the seed is for noise on the way (ENSD); 0 goes on with the first noise's

        Prompt:
              --negative-prompt <TEXT>
                  What not to show

              --prompt-weights <RULE>
                  How words weigh: web-ui, no-norm, comfyui, or literal for none

                  (word) weighs 1.1, ((word)) 1.21, (word:1.5) 1.5, [word] 1/1.1; \( is a bracket. BREAK begins a new part of 75 tokens, "a AND b :0.5" draws both, [from:to:0.5] changes in the middle of the steps, [a|b] takes turns, <lora:name:0.8> is an adapter. web-ui multiplies what the text encoder says of a word and restores the mean, no-norm does not restore it, comfyui goes beyond what it says of no words. literal takes every character as it stands, and cuts what is too long.

                  [default: web-ui]

              --clip-skip <N>
                  Listen to the N-th layer of the text encoder from the end; 1 is the last [default: the model's]

              --embedding <FILE>
                  Textual-inversion embedding, whose word is its file's name; may be given again

        Pictures to begin with:
              --init <FILE>
                  Begin with this picture (PNG, JPEG or WebP) instead of noise

                  Without a width and a height the result has its size, rounded to what the model can do. What is transparent in it is painted anew, as with --mask.

              --strength <X>
                  How much of it to make anew, 0 to 1 [default: 0.75; with --mask or --extend 1]

              --mask <FILE>
                  Make only what is white in this picture anew, and keep the rest to the bit

              --mask-blur <PIXELS>
                  Pixels in which new and old go over into each other [default: 0; with --extend 16]

              --extend <SIDE=PIXELS,…>
                  Paint around the picture: sides and pixels, such as left=128,bottom=64

              --fit <RULE>
                  What to do with a picture whose sides have another ratio: cover, contain or stretch

                  [default: cover]

        Second pass:
              --hires <SCALE|WxH>
                  Enlarge the picture, by a factor such as 2 or to WxH, and go over it once more

              --hires-strength <X>
                  How much of the first pass the second makes anew, 0 to 1 [default: 0.5]

              --hires-steps <N>
                  Sampling steps of the second pass, of which the strength is taken [default: --steps]

              --hires-upscaler <NAME>
                  How the first pass is enlarged: latent, latent-nearest, picture [default: latent]

        Guidance:
              --guidance-scale <X>
                  How strongly to follow the prompt; 1 is without guidance and half the work

                  [default: 5]

              --guidance-curve <CURVE>
                  Guidance scale that changes from step to step: 7.5..3, cosine:7.5..3, or 2,7,7,4

                  Two ends are joined by a straight line or half a cosine, a list by straight lines.

              --guidance-rescale <PART>
                  Bring guided pictures back to the contrast of unguided ones, 0 to 1 (Lin et al. 2024)

                  [default: 0]

              --dynamic-thresholding <PART>
                  Clip what is beyond this part of the denoised values, 0 to 1, for high guidance scales

                  What is left is brought to the range that --mimic-scale gives: dynamic thresholding of Saharia et al. 2022, for latents. 1 clips nothing and only sets the range.

              --mimic-scale <X>
                  Guidance scale whose range of values dynamic thresholding keeps to [default: 7]

        Less work:
              --fast
                  Less work for a picture that is a little different

                  The same as --dtype bf16 --guidance-interval 0.2..1 --deep-cache 3; each of them can still be given.

              --guidance-interval <START..STOP>
                  Guide only these steps, as fractions of all: 0.2..1 is all but the first fifth [default: 0..1]

                  The other steps are half the work.

              --deep-cache <N>
                  Compute the deep layers of the U-Net every N steps only (DeepCache) [default: 1]

              --deep-cache-branch <N>
                  Skip connection below which a layer is deep; 0 is the least work [default: 0]

              --token-merging <RATIO>
                  Merge this part of the pixels during self-attention, 0 to 0.75 (ToMe) [default: 0]

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

                  [default: auto]"#]].assert_eq(&help.join("\n"));
}

#[test]
fn info() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let help = succeed(folder.path(), &["info", "--help"]);
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    expect![[r#"
        Show what pictures say about how they were made.

        Read are PNG, JPEG and WebP files of this program, of Stable Diffusion web UI and all that write as it does, of ComfyUI, InvokeAI and NovelAI. `aquatint generate --from` makes such a picture again.

        Usage: aquatint info [OPTIONS] <PICTURE>...

        Arguments:
          <PICTURE>...
                  Picture files

        Options:
              --json
                  Print one line of JSON for each, with every text in the file

          -h, --help
                  Print help (see a summary with '-h')"#]].assert_eq(&help.join("\n"));
}

#[test]
fn samplers() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let table = succeed(folder.path(), &["samplers"]);
    expect![[r#"
        sampler             order  calls  noise   web UI        diffusers                        paper
        ddpm                1      1      yes     -             DDPMScheduler                    Ho et al. 2020, arXiv:2006.11239, Algorithm 2
        ddim                1      1      if eta  DDIM          DDIMScheduler                    Song et al. 2020, arXiv:2010.02502, eq. 12
        plms                2      1      no      PLMS          PNDMScheduler                    Liu et al. 2022, arXiv:2202.09778
        euler               1      1      no      Euler         EulerDiscreteScheduler           Karras et al. 2022, arXiv:2206.00364, Algorithm 1 without its correction
        heun                2      2      no      Heun          HeunDiscreteScheduler            Karras et al. 2022, arXiv:2206.00364, Algorithm 1
        euler_ancestral     1      1      eta     Euler a       EulerAncestralDiscreteScheduler  Crowson 2022, k-diffusion
        lms                 4      1      no      LMS           LMSDiscreteScheduler             Crowson 2022, k-diffusion
        dpm2                2      2      no      DPM2          KDPM2DiscreteScheduler           Lu et al. 2022, arXiv:2206.00927, Algorithm 1
        dpm2_ancestral      2      2      eta     DPM2 a        KDPM2AncestralDiscreteScheduler  Crowson 2022, k-diffusion
        dpmpp_2s_ancestral  2      2      eta     DPM++ 2S a    -                                Lu et al. 2022, arXiv:2211.01095, Algorithm 1
        dpmpp_sde           2      2      eta     DPM++ SDE     DPMSolverSDEScheduler            Crowson 2022, k-diffusion
        dpmpp_2m            2      1      no      DPM++ 2M      DPMSolverMultistepScheduler      Lu et al. 2022, arXiv:2211.01095, Algorithm 2
        dpmpp_2m_sde        2      1      eta     DPM++ 2M SDE  sde-dpmsolver++                  Lu et al. 2022, arXiv:2211.01095, section 5
        dpmpp_3m_sde        2      1      eta     DPM++ 3M SDE  -                                Crowson 2023, k-diffusion
        unipc               3      1      no      UniPC         UniPCMultistepScheduler          Zhao et al. 2023, arXiv:2302.04867
        deis                2      1      no      -             DEISMultistepScheduler           Zhang and Chen 2022, arXiv:2204.13902
        restart             2      2      yes     Restart       -                                Xu et al. 2023, arXiv:2306.14878
        lcm                 -      1      yes     LCM           LCMScheduler                     Luo et al. 2023, arXiv:2310.04378, Algorithm 3
        tcd                 -      1      eta     TCD           TCDScheduler                     Zheng et al. 2024, arXiv:2402.19159

        schedule             web UI            diffusers                paper
        leading              DDIM              leading                  Lin et al. 2024, arXiv:2305.08891, table 2
        trailing             -                 trailing                 Lin et al. 2024, arXiv:2305.08891, table 2
        linspace             -                 linspace                 Lin et al. 2024, arXiv:2305.08891, table 2
        uniform              Uniform           -                        Crowson 2022, k-diffusion
        simple               Simple            -                        ComfyUI
        sgm_uniform          SGM Uniform       -                        Stability AI 2023, generative-models
        karras               Karras            use_karras_sigmas        Karras et al. 2022, arXiv:2206.00364, eq. 5
        exponential          Exponential       use_exponential_sigmas   Crowson 2022, k-diffusion
        kl_optimal           KL Optimal        -                        Sabour et al. 2024, arXiv:2404.14507, theorem 3.1
        align_your_steps     Align Your Steps  StableDiffusionSigmas    Sabour et al. 2024, arXiv:2404.14507
        align_your_steps_xl  -                 StableDiffusionXLSigmas  Sabour et al. 2024, arXiv:2404.14507
        beta                 Beta              -                        Lee et al. 2024, arXiv:2407.12173
        lcm                  -                 -                        Luo et al. 2023, arXiv:2310.04378
    "#]].assert_eq(&table);
    let json = succeed(folder.path(), &["samplers", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["samplers"][1]["name"], "ddim");
    assert_eq!(json["schedules"].as_array().map(Vec::len), Some(13));
}

#[test]
fn version() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let version = succeed(folder.path(), &["--version"]);
    assert_eq!(version, format!("aquatint {}\n", env!("CARGO_PKG_VERSION")));
}

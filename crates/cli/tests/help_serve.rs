//! The help text of `serve`, so that a change of it is seen.

mod common;

use common::succeed;
use expect_test::expect;

#[test]
fn serve() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let help = succeed(folder.path(), &["serve", "-h"]);
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    expect![[r#"
        Make pictures for programs and for people with a browser

        Usage: aquatint serve [OPTIONS]

        Options:
              --data <FOLDER>      Keep jobs and pictures here [default: aquatint/ where the user's data is]
              --drain-seconds <N>  Seconds in which what waits is finished at the end; what is left is done at the next start [default: 600]
          -h, --help               Print help (see more with '--help')

        Models:
          -m, --model <FOLDER|FILE>   Model: a folder in diffusers' layout, a single file, or a network that enlarges; may be given again, and the first is the default [default: the built-in model]
              --memory <GB>           Weights in memory at once, in GB; what was not used for longest makes room [default: half of the machine's memory]
              --lora-folder <FOLDER>  Let prompts name the LoRAs in this folder, as <lora:name:0.8>; may be given again

        Access:
              --listen <ADDRESS:PORT>  Address and port; other machines reach it only under an address of this one, such as 0.0.0.0 [default: 127.0.0.1:7860]
              --token <TOKEN>          What everybody must say who asks; other users of this machine can see it
              --token-file <FILE>      The same, on the first line of this file
              --insecure               Let everybody ask who can reach the address
              --allow-host <NAME>      Another name under which the server is reached; may be given again

        Limits:
              --queue <N>             Requests that wait; others are told to come later [default: 16]
              --max-pixels <N>        Pixels of one picture [default: 2359296]
              --max-steps <N>         Sampling steps [default: 150]
              --max-count <N>         Pictures of one request [default: 16]
              --max-body <MB>         Megabytes of one request [default: 32]
              --max-input-pixels <N>  Pixels of a picture that is sent along [default: 16777216]

        Machine:
              --threads <N>              Threads to compute with; the picture is the same for any number [default: physical cores]
              --dtype <DTYPE>            Type in which products are formed [with --fast: bf16] [default: f32] [possible values: f32, bf16, int8]
              --vae-tiling <VAE_TILING>  Whether to decode pictures in bands, which takes less memory, more time, and makes no seams [default: auto] [possible values: auto, on, off]"#]].assert_eq(&help.join("\n"));
}

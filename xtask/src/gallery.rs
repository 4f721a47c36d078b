//! `cargo xtask gallery`: draws the pictures of `docs/gallery`, by the commands that stand there.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use aquatint_pipeline::{Fit, Mask, Picture, fit, png};

/// Where the pictures are, from the repository's root.
const FOLDER: &str = "docs/gallery";

/// Options of `cargo xtask gallery`.
#[derive(clap::Args)]
pub struct Args {
    /// Only the pictures whose names contain this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
}

/// One task: what it is, in the order of the paper's list, and the commands that show it. `{}` is
/// the gallery's folder; the last argument is the picture's name.
struct Task {
    title: &'static str,
    about: &'static str,
    commands: &'static [&'static [&'static str]],
}

const FACE: &str = "noto emoji of grinning face, face, grin, white background";

const TASKS: &[Task] = &[
    Task {
        title: "Text to image",
        about: "The model inside the program.",
        commands: &[
            &["generate", FACE, "--seed", "42", "-o", "{}/face.png"],
            &[
                "generate",
                "flat emoji of pizza, blue background",
                "--seed",
                "3",
                "-o",
                "{}/pizza.png",
            ],
        ],
    },
    Task {
        title: "Class-conditional",
        about: "`models/seven-styles-class`: 56 classes, each a style and a group of things. Styles, \
                faces and frames come out; animals and people do not, after 2,000 steps.",
        commands: &[
            &[
                "generate",
                "--class",
                "noto smileys",
                "-m",
                "models/seven-styles-class",
                "--guidance-scale",
                "3",
                "--seed",
                "1",
                "-o",
                "{}/class-smileys.png",
            ],
            &[
                "generate",
                "--class",
                "black and white icon symbols",
                "-m",
                "models/seven-styles-class",
                "--guidance-scale",
                "3",
                "--seed",
                "1",
                "-o",
                "{}/class-symbols.png",
            ],
        ],
    },
    Task {
        title: "Unconditional",
        about: "`models/seven-styles-unconditional`, after 200 steps from the model of classes: \
                outlines and colours of emoji, seldom a thing with a name.",
        commands: &[
            &[
                "sample",
                "-m",
                "models/seven-styles-unconditional",
                "--seed",
                "7",
                "-o",
                "{}/unconditional.png",
            ],
            &[
                "sample",
                "-m",
                "models/seven-styles-unconditional",
                "--seed",
                "8",
                "-o",
                "{}/unconditional-2.png",
            ],
        ],
    },
    Task {
        title: "Image to image",
        about: "The first face becomes a heart.",
        commands: &[&[
            "generate",
            "twemoji emoji of red heart, heart, blue background",
            "--init",
            "{}/face.png",
            "--strength",
            "0.8",
            "--seed",
            "3",
            "-o",
            "{}/heart.png",
        ]],
    },
    Task {
        title: "In-painting and out-painting",
        about: "Only the mouth is made anew; all other pixels are the same bytes. Then the picture \
                grows to both sides. `mask.png` is white where to paint.",
        commands: &[
            &[
                "generate",
                "noto emoji of angry face, face, angry, white background",
                "--init",
                "{}/face.png",
                "--mask",
                "{}/mask.png",
                "--seed",
                "7",
                "-o",
                "{}/mouth.png",
            ],
            &[
                "generate",
                FACE,
                "--init",
                "{}/face.png",
                "--extend",
                "left=32,right=32",
                "--seed",
                "7",
                "-o",
                "{}/wide.png",
            ],
        ],
    },
    Task {
        title: "Super-resolution",
        about: "`small.png` is the face in 32×32 pixels. By diffusion (`models/seven-styles-upscale`, \
                the paper's model that sees the small picture beside the noise), and by the ESRGAN \
                network inside the program.",
        commands: &[
            &[
                "upscale",
                "{}/small.png",
                "-m",
                "models/seven-styles-upscale",
                "--seed",
                "1",
                "-o",
                "{}/large.png",
            ],
            &["upscale", "{}/small.png", "-o", "{}/large-esrgan.png"],
        ],
    },
    Task {
        title: "From picture to picture",
        about: "One prompt and one seed become others. Each picture on the way can be made alone.",
        commands: &[&[
            "travel",
            FACE,
            "--to",
            "noto emoji of angry face, face, angry, red background",
            "--seed",
            "42",
            "--to-seed",
            "7",
            "--frames",
            "12",
            "-o",
            "{}/travel.gif",
        ]],
    },
];

/// Draws the pictures in their order, since some begin with others, and writes the page.
pub fn run(args: Args) -> Result<()> {
    let build = Command::new("cargo").args(["build", "--release", "-p", "aquatint"]).status()?;
    ensure!(build.success(), "the program cannot be built");
    fs::create_dir_all(FOLDER)?;
    let mut page = String::from(
        "# Gallery\n\nEvery picture was made by the command above it, in the repository's root, on \
         two cores in a second or two. `cargo xtask gallery` makes them all again.\n",
    );
    for Task { title, about, commands } in TASKS {
        writeln!(page, "\n## {title}\n\n{about}")?;
        for command in *commands {
            let words: Vec<String> =
                command.iter().map(|word| word.replace("{}", FOLDER)).collect();
            let made = words.last().context("a command has words")?;
            if made.contains(&args.only) {
                draw(&words)?;
                inputs(made)?;
            }
            let name = made.strip_prefix(FOLDER).unwrap_or(made).trim_start_matches('/');
            let name_of = name.trim_end_matches(".png").trim_end_matches(".gif");
            let typed: Vec<String> = words.iter().map(|word| quoted(word)).collect();
            write!(page, "\n```sh\naquatint {}\n```\n\n![{name_of}]({name})\n", typed.join(" "))?;
        }
    }
    fs::write(Path::new(FOLDER).join("README.md"), page)?;
    Ok(())
}

fn draw(words: &[String]) -> Result<()> {
    println!("aquatint {}", words.join(" "));
    let status = Command::new("target/release/aquatint").args(words).status()?;
    ensure!(status.success(), "a picture cannot be drawn");
    Ok(())
}

/// What other commands need of the first face: a mask of its mouth, and the face in 32×32 pixels.
fn inputs(made: &str) -> Result<()> {
    let Some(folder) = made.strip_suffix("/face.png").map(Path::new) else { return Ok(()) };
    let face = Picture::open(made)?;
    let small = fit(&face, 32, 32, Fit::Cover);
    png::save(folder.join("small.png"), &small, &Default::default())?;
    let Mask { width, height, mut values } = Mask::new(face.width, face.height, 0);
    for (i, value) in values.iter_mut().enumerate() {
        let (x, y) = (i % width, i / width);
        let mouth = (width * 3 / 16..=width * 13 / 16).contains(&x)
            && (height * 9 / 16..=height * 7 / 8).contains(&y);
        *value = if mouth { 255 } else { 0 };
    }
    let rgb = values.iter().flat_map(|&value| [value; 3]).collect();
    png::save(folder.join("mask.png"), &Picture { width, height, rgb }, &Default::default())?;
    Ok(())
}

/// As a shell reads it.
fn quoted(word: &str) -> String {
    if word.contains(' ') { format!("\"{word}\"") } else { word.to_owned() }
}

//! Pictures of several shapes, each mini-batch of one of them.

mod common;

use std::fs;
use std::path::PathBuf;

use aquatint_checkpoint::Weights;
use aquatint_train::Stage;
use common::threads::among;
use common::{Place, attempt, trained, trained_in_parts};
use image::{Rgba, RgbaImage};

/// A place with an autoencoder and a text encoder, and pictures of three shapes.
fn place() -> Place {
    let place = Place::new();
    for (stage, run) in [(Stage::Autoencoder, "a"), (Stage::Clip, "c")] {
        trained(stage, &place.config(stage, run, 2));
    }
    let mut rows = String::from("image,text,split\n");
    for i in 0..30u32 {
        let (width, height) = [(32, 32), (60, 30), (30, 60)][(i * i % 7 % 3) as usize];
        let picture = RgbaImage::from_fn(width, height, |x, y| {
            Rgba([(x * 4) as u8, (y * 4) as u8, (i * 8) as u8, 255])
        });
        picture.save(place.path(&format!("data/{i}.png"))).unwrap();
        rows += &format!("{i}.png,picture {i},{}\n", if i < 24 { "train" } else { "validation" });
    }
    fs::write(place.path("data/shapes.csv"), rows).unwrap();
    place
}

/// A diffusion run on them, without drafts, with more lines in the section `[data]`.
fn config(place: &Place, run: &str, steps: u64, lines: &str) -> PathBuf {
    let path = place.config(Stage::Diffusion, run, steps);
    let text = fs::read_to_string(&path).unwrap();
    let (before, drafts) = text.split_once("[model.unet.draft]").unwrap();
    let (_, after) = drafts.split_once("[model.scheduler]").unwrap();
    let text = format!("{before}[model.scheduler]{after}").replace("draft_batch_size = 4\n", "");
    let text = text.replace("/data\"\n", &format!("/data/shapes.csv\"\n{lines}\n"));
    fs::write(&path, text).unwrap();
    path
}

const BUCKETS: &str = "buckets = { step = 8 }";

#[test]
fn a_run_on_three_shapes_can_be_interrupted_and_shared() {
    let place = place();
    let whole = trained(Stage::Diffusion, &config(&place, "whole", 30, BUCKETS));
    assert!(whole.figures.iter().all(|(_, value)| value.is_finite()) && !whole.figures.is_empty());
    let latents = Weights::open(place.path("runs/whole/latents.safetensors")).unwrap();
    let shapes: Vec<&str> = latents.names().collect();
    assert_eq!(shapes, ["latents.24x40", "latents.32x32", "latents.40x24"]);
    assert_eq!(latents.shape("latents.24x40").unwrap()[1], 12 * 20 * 4);
    let rows: usize = shapes.iter().map(|name| latents.shape(name).unwrap()[0]).sum();
    assert_eq!(rows, 24 * 3);
    let losses = place.losses("whole");
    assert!(losses.last().unwrap().1 < losses[0].1, "{losses:?}");

    let parts = config(&place, "parts", 30, BUCKETS);
    trained_in_parts(Stage::Diffusion, &parts, &[7, 11]);
    assert!(place.checkpoint("whole") == place.checkpoint("parts"), "another run after a pause");

    // Two processes encode half of the pictures each and leave the same file.
    let shared = config(&place, "shared", 30, BUCKETS);
    assert!(among(2, Stage::Diffusion, &shared, None).iter().all(Result::is_ok));
    let file =
        |run: &str| fs::read(place.path(&format!("runs/{run}/latents.safetensors"))).unwrap();
    assert!(file("whole") == file("shared"), "other latents");
    let names = fs::read_dir(place.path("runs/shared")).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("part-")), "{names:?}");
    for ((_, a), (_, b)) in losses.iter().zip(place.losses("shared")) {
        assert!((a - b).abs() < 1e-4 * a, "{a} and {b}");
    }
}

#[test]
fn where_there_can_be_no_buckets_it_is_said() {
    let place = place();
    let said = |path: &PathBuf, stage| attempt(stage, path, false).unwrap_err().to_string();
    let with = |stage: Stage, run: &str| {
        let path = place.config(stage, run, 2);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("[data]\n", &format!("[data]\n{BUCKETS}\n"))).unwrap();
        said(&path, stage)
    };
    let none = "`data.buckets` must not be there: ";
    assert!(
        with(Stage::Autoencoder, "x").starts_with(&format!("{none}an autoencoder is trained on"))
    );
    assert!(with(Stage::Clip, "y").starts_with(&format!("{none}the image tower looks at squares")));
    assert!(with(Stage::Diffusion, "z").starts_with(&format!("{none}the drafts of")));
    let inpainting = config(&place, "i", 2, BUCKETS);
    let text = fs::read_to_string(&inpainting).unwrap();
    let text = text.replace("[task]", "[task]\nconditioning = \"inpainting\"");
    fs::write(&inpainting, text.replace("[model.unet]", "[model.unet]\nin_channels = 9")).unwrap();
    let message = said(&inpainting, Stage::Diffusion);
    assert!(message.starts_with(&format!("{none}what in-painting hides")), "{message}");
    let text = fs::read_to_string(config(&place, "s", 2, BUCKETS)).unwrap();
    let three = "block_out_channels = [8, 16, 16, 16]";
    let text = text.replace("block_out_channels = [8, 16]", three);
    let down = "down_block_types = [\"DownBlock2D\", \"DownBlock2D\", \"DownBlock2D\", \"CrossAttnDownBlock2D\"]";
    let text = text.replace("down_block_types = [\"DownBlock2D\", \"CrossAttnDownBlock2D\"]", down);
    let up =
        "up_block_types = [\"CrossAttnUpBlock2D\", \"UpBlock2D\", \"UpBlock2D\", \"UpBlock2D\"]";
    let text = text.replace("up_block_types = [\"CrossAttnUpBlock2D\", \"UpBlock2D\"]", up);
    let path = place.path("s.toml");
    fs::write(&path, text).unwrap();
    let message = said(&path, Stage::Diffusion);
    assert!(message.ends_with("it must be a multiple of 16"), "{message}");
    let text = fs::read_to_string(config(&place, "t", 2, "buckets = { stap = 8 }")).unwrap();
    fs::write(&path, text).unwrap();
    let message = said(&path, Stage::Diffusion);
    assert!(message.ends_with("unknown key `stap`; did you mean `step`?"), "{message}");
}

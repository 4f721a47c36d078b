//! The whole way from a request to pictures, on a tiny model.

mod tiny;

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use aquatint_checkpoint::DType;
use aquatint_nn::{Module, ModuleExt};
use aquatint_pipeline::{
    Components, GenerateError, GenerateRequest, LoadOptions, ModelSource, RequestError, Stages,
    Step, Tiling, Watch, decode, denoise, text_to_image,
};
use aquatint_tensor::Tensor;
use serde_json::Value;
use tiny::tiny_components;

fn request() -> GenerateRequest {
    let prompt = "a cat".into();
    GenerateRequest { prompt, seed: 7, steps: 4, count: 2, ..Default::default() }
}

fn load(source: &ModelSource) -> Components {
    Components::load(source, &LoadOptions::default()).expect("it was just saved")
}

/// Seed for seed and pixel for pixel; see tools/reference/text_to_image.py.
#[test]
fn agrees_with_diffusers() {
    let golden = include_str!("../../../testdata/golden/text_to_image.json");
    let golden: Vec<Value> = serde_json::from_str(golden).unwrap();
    assert_eq!(golden.len(), 4);
    let components = tiny_components();
    for case in golden {
        let request: GenerateRequest = serde_json::from_value(case["request"].clone()).unwrap();
        let picture = &text_to_image(&components, &request, &mut ()).unwrap()[0];
        let expected: Vec<u8> = serde_json::from_value(case["pixels"].clone()).unwrap();
        let step = |k: usize| k * (picture.rgb.len() - 1) / (expected.len() - 1);
        for (k, expected) in expected.iter().enumerate() {
            let pixel = picture.rgb[step(k)];
            // The last bit may be rounded otherwise.
            assert!(pixel.abs_diff(*expected) <= 1, "{request:?}: {pixel} is not {expected}");
        }
    }
}

#[test]
fn a_saved_model_makes_the_same_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let components = tiny_components();
    components.save(folder.path(), DType::F32).unwrap();
    let source = ModelSource::folder(folder.path()).unwrap();
    let pictures = text_to_image(&components, &request(), &mut ()).unwrap();
    assert_eq!(pictures.len(), 2);
    assert_eq!(text_to_image(&load(&source), &request(), &mut ()).unwrap(), pictures);
    assert_eq!(
        text_to_image(&load(&embedded(folder.path())), &request(), &mut ()).unwrap(),
        pictures
    );
}

/// The files of a folder as they would be in an executable.
fn embedded(folder: &Path) -> ModelSource {
    let mut files: Vec<(&str, &[u8])> = Vec::new();
    for part in ["", "tokenizer", "text_encoder", "unet", "vae", "scheduler"] {
        for entry in fs::read_dir(folder.join(part)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                files.push((name.leak(), fs::read(path).unwrap().leak()));
            }
        }
    }
    ModelSource::Embedded(files.leak())
}

#[test]
fn half_precision_is_close() {
    let folder = tempfile::tempdir().unwrap();
    let components = tiny_components();
    let exact = text_to_image(&components, &request(), &mut ()).unwrap();
    components.save(folder.path(), DType::F16).unwrap();
    for part in
        ["unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"]
    {
        let path = |ending: &str| folder.path().join(format!("{part}.{ending}"));
        fs::rename(path("safetensors"), path("fp16.safetensors")).unwrap();
    }
    let source = ModelSource::folder(folder.path()).unwrap();
    let close = text_to_image(&load(&source), &request(), &mut ()).unwrap();
    let pairs = exact[0].rgb.iter().zip(&close[0].rgb);
    let worst = pairs.map(|(a, b)| a.abs_diff(*b)).max();
    assert!(worst <= Some(4), "{worst:?} of 255");
}

/// The U-Net's blocks in 8 bits.
#[test]
fn eight_bits_are_close() {
    let folder = tempfile::tempdir().unwrap();
    let components = tiny_components();
    components.save(folder.path(), DType::F32).unwrap();
    let source = ModelSource::folder(folder.path()).unwrap();
    let draw = |options: &LoadOptions, request: &GenerateRequest| {
        let components = Components::load(&source, options).expect("it was just saved");
        text_to_image(&components, request, &mut ()).unwrap()
    };
    let exact = draw(&LoadOptions::default(), &request());
    let eight = LoadOptions { int8: true, ..Default::default() };
    let pictures = draw(&eight, &request());
    let pairs = exact[0].rgb.iter().zip(&pictures[0].rgb);
    let squares: f64 = pairs.map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    let mean = squares / exact[0].rgb.len() as f64;
    // Of 255; not the same, or nothing would have been rounded.
    assert!((0.0..2.0).contains(&mean.sqrt()) && mean > 0.0, "{}", mean.sqrt());
    // Alone, a picture is what it is in a batch.
    let alone = draw(&eight, &GenerateRequest { seed: 8, count: 1, ..request() });
    assert_eq!(alone[0], pictures[1]);
}

#[test]
#[should_panic(expected = "weights of 8 bits cannot be trained")]
fn eight_bits_are_not_for_training() {
    let folder = tempfile::tempdir().unwrap();
    tiny_components().save(folder.path(), DType::F32).unwrap();
    let options = LoadOptions { int8: true, trainable: true, ..Default::default() };
    let source = ModelSource::folder(folder.path()).unwrap();
    let _ = Components::load(&source, &options);
}

#[test]
fn saving_twice_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| {
        let path = folder.path().join(name);
        tiny_components().save(&path, DType::F32).unwrap();
        let ModelSource::Embedded(files) = embedded(&path) else { unreachable!() };
        files.iter().copied().collect::<BTreeMap<_, _>>()
    });
    assert_eq!(a.len(), 11);
    assert!(a == b);
}

/// Stops after `steps`, in the one or the other way.
struct Impatient {
    steps: usize,
    seen: Vec<usize>,
    breaks: bool,
}

impl Watch for Impatient {
    fn step(&mut self, step: Step<'_>) -> ControlFlow<()> {
        assert_eq!(step.total, 4);
        self.seen.push(step.index);
        if self.breaks && self.seen.len() == self.steps {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn cancelled(&self) -> bool {
        !self.breaks && self.seen.len() == self.steps
    }
}

#[test]
fn a_run_can_be_watched_and_stopped() {
    let components = tiny_components();
    for breaks in [true, false] {
        let mut watch = Impatient { steps: 2, seen: Vec::new(), breaks };
        let result = text_to_image(&components, &request(), &mut watch);
        assert!(matches!(result, Err(GenerateError::Cancelled)));
        assert_eq!(watch.seen, [0, 1]);
    }
    let mut watch = Impatient { steps: 9, seen: Vec::new(), breaks: true };
    assert!(text_to_image(&components, &request(), &mut watch).is_ok());
    assert_eq!(watch.seen, [0, 1, 2, 3]);
}

#[test]
fn the_negative_prompt_is_unread_without_guidance() {
    let components = tiny_components();
    let picture = |guidance_scale, negative_prompt: &str| {
        let negative_prompt = negative_prompt.into();
        let request = GenerateRequest { guidance_scale, negative_prompt, count: 1, ..request() };
        text_to_image(&components, &request, &mut ()).unwrap()
    };
    assert!(picture(1.0, "red") == picture(1.0, "blue"));
    assert!(picture(60.0, "red") != picture(60.0, "blue"));
}

/// Makes the first number of the weight `name` something else.
fn damage(module: &mut impl Module, name: &str, number: f32) {
    let mut parameters = module.named_parameters_mut().into_iter();
    let (_, weight) = parameters.find(|(known, _)| known == name).expect("there is such a weight");
    let mut numbers = weight.value().to_vec();
    numbers[0] = number;
    let shape = weight.shape().to_vec();
    weight.set(Tensor::new(numbers, &shape));
}

#[test]
fn damaged_weights_make_an_error_and_no_picture() {
    for number in [f32::NAN, f32::INFINITY] {
        let whole = tiny_components();
        let (mut text, mut unet, mut vae) = (whole.clone(), whole.clone(), whole);
        let token_table = text.text_encoder.named_parameters()[0].0.clone();
        assert!(token_table.ends_with("token_embedding.weight"), "{token_table}");
        let norm = token_table.replace("embeddings.token_embedding", "final_layer_norm");
        damage(&mut text.text_encoder, &norm, number);
        damage(&mut unet.unet, "conv_out.weight", number);
        damage(&mut vae.vae, "decoder.conv_out.bias", number);
        for (part, components) in [("text encoder", text), ("U-Net", unet), ("VAE", vae)] {
            let result = text_to_image(&components, &request(), &mut ());
            assert!(matches!(result, Err(GenerateError::NotFinite)), "{number} in the {part}");
        }
    }
}

#[test]
fn what_the_model_cannot_do() {
    let mut components = tiny_components();
    components.config.scheduler.num_train_timesteps = 3;
    let result = text_to_image(&components, &request(), &mut ());
    assert!(matches!(result, Err(GenerateError::Request(RequestError::Steps(4, 3)))));
}

/// One part of the model after the other draws what all of them draw.
#[test]
fn stages_draw_the_same() {
    let folder = tempfile::tempdir().unwrap();
    tiny_components().save(folder.path(), DType::F16).unwrap();
    let source = ModelSource::folder(folder.path()).unwrap();
    let pictures = text_to_image(&load(&source), &request(), &mut ()).unwrap();

    let options = LoadOptions::default();
    let stages = Stages::open(&source, &options).unwrap();
    let embeds = stages.text_encoders().unwrap().encode_prompt(&request());
    let (unet, config, seeds) =
        (stages.unet().unwrap(), stages.config(), request().picture_seeds());
    let latents = denoise(&unet, config, &request(), &embeds, &seeds, &mut (), &|_| {}).unwrap();
    drop(unet);
    let decoder = stages.decoder().unwrap();
    let filled = |part: &str| {
        decoder.named_parameters().iter().any(|(name, p)| name.starts_with(part) && p.is_filled())
    };
    assert!(filled("decoder.") && !filled("encoder."));
    for tiling in [Tiling::Auto, Tiling::On, Tiling::Off] {
        assert_eq!(decode(&decoder, &latents, tiling).unwrap(), pictures);
    }
}

/// A part that is missing is found before any other is read.
#[test]
fn a_missing_part_is_found_at_once() {
    let folder = tempfile::tempdir().unwrap();
    tiny_components().save(folder.path(), DType::F16).unwrap();
    std::fs::remove_file(folder.path().join("vae/diffusion_pytorch_model.safetensors")).unwrap();
    let source = ModelSource::folder(folder.path()).unwrap();
    let error = Stages::open(&source, &LoadOptions::default()).err().expect("no autoencoder");
    assert!(error.to_string().contains("vae/diffusion_pytorch_model.safetensors"), "{error}");
}

//! The paper's model for in-painting, which reads no words, on a tiny model of hashed weights; see
//! tools/reference/pipelines.py.

#[path = "../../models/tests/common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use aquatint_checkpoint::DType;
use aquatint_checkpoint::naming::Naming;
use aquatint_models::{UNet2DConfig, UNet2DModel, VQModel, VQModelConfig};
use aquatint_pipeline::{
    Conversion, ConvertOptions, GenerateError, GenerateRequest, Inputs, LoadOptions, Mask,
    ModelSource, Picture, RequestError, Settings, generate, image_to_image, inpaint, open_model,
    save_module, text_to_image,
};
use common::{Golden, fill};
use serde_json::{Value, json};

/// The model of the golden as a folder.
fn save(golden: &Golden, folder: &Path) {
    let parts: BTreeMap<String, Value> = golden.config();
    let index = json!({
        "_class_name": "LDMPipeline",
        "scheduler": ["diffusers", "DDIMScheduler"],
        "unet": ["diffusers", "UNet2DModel"],
        "vqvae": ["diffusers", "VQModel"],
    });
    for (part, name) in [("unet", "config"), ("vqvae", "config"), ("scheduler", "scheduler_config")]
    {
        fs::create_dir_all(folder.join(part)).unwrap();
        let file = folder.join(part).join(format!("{name}.json"));
        fs::write(file, parts[part].to_string()).unwrap();
    }
    fs::write(folder.join("model_index.json"), index.to_string()).unwrap();
    let unet: UNet2DConfig = serde_json::from_value(parts["unet"].clone()).unwrap();
    let vqvae: VQModelConfig = serde_json::from_value(parts["vqvae"].clone()).unwrap();
    let (mut unet, mut vqvae) = (UNet2DModel::new(&unet), VQModel::new(&vqvae));
    fill(&mut unet);
    fill(&mut vqvae);
    let weights = |part: &str| folder.join(part).join("diffusion_pytorch_model.safetensors");
    save_module(&weights("unet"), &unet, DType::F32).unwrap();
    save_module(&weights("vqvae"), &vqvae, DType::F32).unwrap();
}

/// What the golden was asked for.
fn task(golden: &Golden) -> (GenerateRequest, Picture, Mask) {
    let mut inputs = golden.inputs();
    let sides: [usize; 4] = serde_json::from_value(inputs.remove("mask").unwrap()).unwrap();
    let request: GenerateRequest = serde_json::from_value(inputs.into_iter().collect()).unwrap();
    let (width, height) = (request.width.unwrap(), request.height.unwrap());
    let rgb = (0..width * height * 3).map(|i| {
        let (x, y, c) = (i / 3 % width, i / 3 / width, i % 3);
        ((3 * x + y * (c + 1) + 40 * c) % 256) as u8
    });
    let picture = Picture { width, height, rgb: rgb.collect() };
    let [left, top, right, bottom] = sides;
    let mut mask = Mask::new(width, height, 0);
    (top..bottom).for_each(|y| mask.values[y * width + left..y * width + right].fill(255));
    (request, picture, mask)
}

#[test]
fn agrees_with_the_papers_script() {
    let folder = tempfile::tempdir().unwrap();
    let mut golden = Golden::open("pipeline_tiny_ldm_inpainting");
    save(&golden, folder.path());
    let source = ModelSource::folder(folder.path()).unwrap();
    let options = LoadOptions::default();
    let model = open_model(&source, &options).unwrap();
    let (request, picture, mask) = task(&golden);
    let inputs = Inputs { init: Some(picture.clone()), mask: Some(mask.clone()) };
    let mut made = None;
    generate(&*model, &request, &inputs, Settings::default(), &mut (), &mut |finished| {
        made = Some((finished.latents.clone(), finished.picture.clone()));
        ControlFlow::Continue(())
    })
    .unwrap();
    let (latents, made) = made.expect("a picture");
    golden.check("latents", &latents);
    let decoder = model.decoder().unwrap();
    golden.check("image", &decoder.decode(&latents, Default::default()));
    golden.assert_all_seen();
    for (i, (new, old)) in made.rgb.iter().zip(&picture.rgb).enumerate() {
        assert!(mask.values[i / 3] == 255 || new == old, "number {i}");
    }
    assert_ne!(made, picture);
}

/// A single file in the authors' naming, with another's configurations.
#[test]
fn the_authors_file_paints_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let golden = Golden::open("pipeline_tiny_ldm_inpainting");
    let model = folder.path().join("model");
    save(&golden, &model);
    let options = ConvertOptions {
        naming: Naming::Ldm,
        folder: false,
        dtype: None,
        family: None,
        config: None,
        parts: BTreeMap::new(),
    };
    let file = folder.path().join("model.ckpt.safetensors");
    let source = model.to_str().expect("a short name");
    Conversion::plan(Path::new(source), &options)
        .unwrap_or_else(|error| panic!("{error}"))
        .write(&file, &mut |_| ControlFlow::Continue(()))
        .unwrap();
    let (request, picture, mask) = task(&golden);
    let draw = |source: &ModelSource| {
        let options = LoadOptions::default();
        let model = open_model(source, &options).unwrap_or_else(|error| panic!("{error}"));
        inpaint(&*model, &request, picture.clone(), mask.clone(), &mut ()).unwrap()
    };
    let single = ModelSource::open_with(&file, None, Some(&model)).unwrap();
    assert_eq!(draw(&single), draw(&ModelSource::folder(&model).unwrap()));
}

#[test]
fn what_it_cannot_do_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let golden = Golden::open("pipeline_tiny_ldm_inpainting");
    save(&golden, folder.path());
    let source = ModelSource::folder(folder.path()).unwrap();
    let options = LoadOptions::default();
    let model = open_model(&source, &options).unwrap();
    let (request, picture, mask) = task(&golden);
    let refused = |result: Result<Vec<Picture>, GenerateError>| match result {
        Err(GenerateError::Request(error)) => error,
        other => panic!("{other:?}"),
    };
    let error = refused(text_to_image(&*model, &request, &mut ()));
    assert_eq!(error, RequestError::PaintsInOnly);
    let error = refused(image_to_image(&*model, &request, picture.clone(), &mut ()));
    assert_eq!(error, RequestError::PaintsInOnly);
    let spoken = GenerateRequest { prompt: "a cat".into(), ..request.clone() };
    let error = refused(inpaint(&*model, &spoken, picture.clone(), mask.clone(), &mut ()));
    assert_eq!(error, RequestError::NoWords);
    let error = refused(inpaint(&*model, &request.clone().fast(), picture, mask, &mut ()));
    assert_eq!(error, RequestError::NoShortcuts);
}

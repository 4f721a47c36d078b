//! Pictures that begin with pictures, on a tiny model.

mod tiny;

use aquatint_pipeline::request::{Extend, Hires, HiresSize, HiresUpscaler};
use aquatint_pipeline::{
    Components, GenerateError, GenerateRequest, Inputs, Mask, Picture, RequestError, Tiling,
    image_to_image, inpaint, outpaint, text_to_image,
};
use serde_json::Value;
use tiny::{tiny_components, tiny_inpainting};

const SIDE: usize = 64;

/// That of tools/reference/image_to_image.py.
fn init() -> Picture {
    let rgb = (0..SIDE * SIDE * 3).map(|i| {
        let (x, y, c) = (i / 3 % SIDE, i / 3 / SIDE, i % 3);
        ((3 * x + y * (c + 1) + 40 * c) % 256) as u8
    });
    Picture { width: SIDE, height: SIDE, rgb: rgb.collect() }
}

fn mask([left, top, right, bottom]: [usize; 4]) -> Mask {
    let mut mask = Mask::new(SIDE, SIDE, 0);
    for y in top..bottom {
        mask.values[y * SIDE + left..y * SIDE + right].fill(255);
    }
    mask
}

fn request() -> GenerateRequest {
    GenerateRequest { prompt: "a cat".into(), seed: 7, steps: 4, ..Default::default() }
}

fn one(pictures: Result<Vec<Picture>, GenerateError>) -> Picture {
    pictures.expect("a picture").remove(0)
}

/// Seed for seed and pixel for pixel; see tools/reference/image_to_image.py. diffusers gives back
/// what the autoencoder makes of the kept part, we what it was.
#[test]
fn agrees_with_diffusers() {
    let golden = include_str!("../../../testdata/golden/image_to_image.json");
    let golden: Vec<Value> = serde_json::from_str(golden).unwrap();
    assert_eq!(golden.len(), 6);
    let (plain, inpainting) = (tiny_components(), tiny_inpainting());
    for case in golden {
        let request: GenerateRequest = serde_json::from_value(case["request"].clone()).unwrap();
        let masked: Option<[usize; 4]> = serde_json::from_value(case["mask"].clone()).unwrap();
        let model = if case["model"] == "inpainting" { &inpainting } else { &plain };
        let picture = one(match masked {
            None => image_to_image(model, &request, init(), &mut ()),
            Some(sides) => inpaint(model, &request, init(), mask(sides), &mut ()),
        });
        let expected: Vec<u8> = serde_json::from_value(case["pixels"].clone()).unwrap();
        let mut made = 0;
        for (k, expected) in expected.iter().enumerate() {
            let at = k * (picture.rgb.len() - 1) / (expected_len(&case) - 1);
            let (pixel, old) = (picture.rgb[at], init().rgb[at]);
            if masked.is_some_and(|sides| mask(sides).values[at / 3] == 0) {
                assert_eq!(pixel, old, "kept");
                continue;
            }
            made += 1;
            // The last bit may be rounded otherwise.
            assert!(pixel.abs_diff(*expected) <= 1, "{request:?}: {pixel} is not {expected}");
        }
        assert!(made > 5, "{made} pixels were compared");
    }
}

fn expected_len(case: &Value) -> usize {
    case["pixels"].as_array().expect("pixels").len()
}

fn reconstruction(model: &Components, picture: &Picture) -> Picture {
    let scaled = model.vae.mode(&Picture::to_images(std::slice::from_ref(picture)));
    aquatint_pipeline::decode(&model.vae, &scaled, Tiling::Auto).unwrap().remove(0)
}

#[test]
fn at_strength_zero_it_is_what_the_autoencoder_makes_of_it() {
    let model = tiny_components();
    let request = GenerateRequest { strength: Some(0.0), count: 2, ..request() };
    let pictures = image_to_image(&model, &request, init(), &mut ()).unwrap();
    assert_eq!(pictures, [reconstruction(&model, &init()), reconstruction(&model, &init())]);
}

#[test]
fn more_strength_is_farther_away() {
    let model = tiny_components();
    let old = reconstruction(&model, &init());
    let away = |strength: f64| {
        let request = GenerateRequest { strength: Some(strength), steps: 10, ..request() };
        let new = one(image_to_image(&model, &request, init(), &mut ()));
        let pairs = new.rgb.iter().zip(&old.rgb);
        pairs.map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum::<f64>()
    };
    let [little, much] = [0.1, 0.9].map(away);
    assert!(0.0 < little && little < much, "{little} {much}");
}

#[test]
fn a_picture_does_not_depend_on_its_batch() {
    for model in [tiny_components(), tiny_inpainting()] {
        let draw = |seed, count| {
            let request = GenerateRequest {
                sampler: "euler_ancestral".into(),
                strength: Some(0.6),
                seed,
                count,
                ..request()
            };
            inpaint(&model, &request, init(), mask([8, 8, 40, 40]), &mut ()).unwrap()
        };
        assert_eq!(draw(7, 3)[2], draw(9, 1)[0]);
        assert_ne!(draw(7, 1), draw(9, 1));
    }
}

/// Every sampler, hard edges and soft ones.
#[test]
fn what_is_kept_is_kept_to_the_bit() {
    let model = tiny_components();
    let sides = [13, 9, 50, 41];
    for sampler in aquatint_diffusion::SAMPLERS {
        for blur in [0.0, 2.0] {
            let mask_blur = Some(blur);
            let request = GenerateRequest { sampler: sampler.name.into(), mask_blur, ..request() };
            let picture = one(inpaint(&model, &request, init(), mask(sides), &mut ()));
            let reach = (3.0 * blur) as usize;
            let [left, top, right, bottom] = sides;
            let mut changed = 0;
            for (i, (new, old)) in picture.rgb.iter().zip(&init().rgb).enumerate() {
                let (x, y) = (i / 3 % SIDE, i / 3 / SIDE);
                let across = left - reach <= x && x < right + reach;
                if across && top - reach <= y && y < bottom + reach {
                    changed += usize::from(new != old);
                } else {
                    assert_eq!(new, old, "{} with a blur of {blur} at {x}, {y}", sampler.name);
                }
            }
            assert!(changed > 1000, "{}: {changed}", sampler.name);
        }
    }
}

/// Samplers that look back, or take several steps at once, have but one.
#[test]
fn one_step_is_enough_for_every_sampler() {
    let model = tiny_components();
    for sampler in aquatint_diffusion::SAMPLERS {
        let request = GenerateRequest {
            sampler: sampler.name.into(),
            strength: Some(0.25),
            schedule: Some("karras".into()),
            ..request()
        };
        let picture = one(image_to_image(&model, &request, init(), &mut ()));
        assert_ne!(picture, reconstruction(&model, &init()), "{}", sampler.name);
    }
}

/// The model for in-painting sees what is kept: another picture there makes another one here.
#[test]
fn what_is_made_depends_on_what_is_kept() {
    for model in [tiny_components(), tiny_inpainting()] {
        let sides = [24, 24, 40, 40];
        let draw = |shade: u8| {
            let mut picture = init();
            // Far from the mask, so that the decoder does not see it.
            picture.rgb[..3 * SIDE * 4].fill(shade);
            one(inpaint(&model, &request(), picture, mask(sides), &mut ()))
        };
        let inside = |picture: &Picture| -> Vec<u8> {
            (24..40).flat_map(|y| picture.rgb[3 * (y * SIDE + 24)..][..3 * 16].to_vec()).collect()
        };
        assert_ne!(inside(&draw(0)), inside(&draw(255)));
    }
}

#[test]
fn a_picture_grows_and_stays_inside() {
    for model in [tiny_components(), tiny_inpainting()] {
        let extend = Extend { left: 32, bottom: 16, ..Extend::default() };
        let request = GenerateRequest { mask_blur: Some(8.0), ..request() };
        let picture = one(outpaint(&model, &request, init(), extend, &mut ()));
        assert_eq!((picture.width, picture.height), (96, 80));
        for (y, row) in picture.rgb.chunks_exact(3 * 96).take(SIDE - 8).enumerate() {
            let old = &init().rgb[3 * y * SIDE..][..3 * SIDE];
            assert_eq!(row[3 * (32 + 8)..], old[3 * 8..], "row {y}");
        }
        // The new part is new, and not of one colour.
        let new = &picture.rgb[..3 * 32];
        assert!(new.iter().max() != new.iter().min(), "{new:?}");
    }
}

#[test]
fn a_second_pass_is_larger() {
    let model = tiny_components();
    for upscaler in HiresUpscaler::ALL {
        let hires = |strength| {
            let size = HiresSize::Pixels(128, 96);
            let hires = Hires { size, strength, upscaler, ..Hires::default() };
            let request = GenerateRequest { hires: Some(hires), count: 2, ..request() };
            text_to_image(&model, &request, &mut ()).unwrap()
        };
        let pictures = hires(0.5);
        assert!(pictures.iter().all(|p| (p.width, p.height) == (128, 96)));
        assert_ne!(pictures[0], hires(0.0)[0], "{upscaler:?}");
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    let (plain, inpainting) = (tiny_components(), tiny_inpainting());
    let refused = |result: Result<Vec<Picture>, GenerateError>| match result {
        Err(GenerateError::Request(error)) => error,
        other => panic!("{other:?}"),
    };
    let error = refused(text_to_image(&inpainting, &request(), &mut ()));
    assert_eq!(error, RequestError::PaintsInOnly);
    let error = refused(image_to_image(&inpainting, &request(), init(), &mut ()));
    assert_eq!(error, RequestError::PaintsInOnly);
    let small = Mask::new(8, 8, 255);
    let error = refused(inpaint(&plain, &request(), init(), small, &mut ()));
    assert_eq!(error, RequestError::MaskSize { mask: (8, 8), init: (SIDE, SIDE) });
    let extend = Extend { left: 30, ..Extend::default() };
    let error = refused(outpaint(&plain, &request(), init(), extend, &mut ()));
    assert!(error.to_string().ends_with("extend left or right by 2 more"), "{error}");
    let strength = Some(0.2);
    let weak = GenerateRequest { strength, ..request() };
    let error = refused(image_to_image(&plain, &weak, init(), &mut ()));
    assert_eq!(error, RequestError::NoSteps { steps: 4, strength: 0.2 });
    let extend = Extend { left: 8, ..Extend::default() };
    let sized = GenerateRequest { width: Some(64), ..request() };
    let error = refused(outpaint(&plain, &sized, init(), extend, &mut ()));
    assert_eq!(error, RequestError::ExtendAndSize);
    let hires = Some(Hires { size: HiresSize::Pixels(64, 32), ..Hires::default() });
    let error = refused(text_to_image(&plain, &GenerateRequest { hires, ..request() }, &mut ()));
    assert!(matches!(error, RequestError::Size { .. }), "{error}");
}

/// What is transparent is painted, without a mask, and whatever colour it has.
#[test]
fn transparency_is_a_mask() {
    let folder = tempfile::tempdir().unwrap();
    let sides = [20, 0, SIDE, SIDE];
    let inside = mask(sides);
    let pixels = init().rgb.as_chunks::<3>().0.to_vec();
    let rgba: Vec<u8> = pixels.iter().zip(&inside.values).fold(Vec::new(), |mut rgba, (rgb, m)| {
        rgba.extend(rgb);
        rgba.push(255 - m);
        rgba
    });
    let path = folder.path().join("hole.png");
    let file = std::fs::File::create(&path).unwrap();
    let mut encoder = png::Encoder::new(file, SIDE as u32, SIDE as u32);
    encoder.set_color(png::ColorType::Rgba);
    encoder.write_header().unwrap().write_image_data(&rgba).unwrap();

    let expected = Inputs { init: Some(init()), mask: Some(inside.clone()) };
    assert_eq!(Inputs::open(Some(&path), None).unwrap(), expected);
    let white = folder.path().join("mask.png");
    let rgb = inside.values.iter().flat_map(|&value| [value; 3]).collect();
    let picture = Picture { width: SIDE, height: SIDE, rgb };
    aquatint_pipeline::png::save(&white, &picture, &Default::default()).unwrap();
    // A mask goes before transparency, which is white then.
    let both = Inputs::open(Some(&path), Some(&white)).unwrap();
    assert_eq!(both.mask, Some(inside));
    let flat = both.init.expect("a picture");
    assert_eq!((flat.rgb[0], flat.rgb[3 * 40]), (init().rgb[0], 255));
    assert!(Inputs::open(Some(folder.path()), None).is_err());
    assert!(Inputs::open(None, Some(&folder.path().join("none.png"))).is_err());
}

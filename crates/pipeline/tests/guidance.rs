//! What the prompt language and the options of guidance do to a picture.

mod tiny;

use aquatint_pipeline::{Components, GenerateRequest, Picture, RequestError, text_to_image};
use tiny::{tiny_components, tiny_xl};

fn request() -> GenerateRequest {
    let prompt = "a cat".into();
    GenerateRequest { prompt, seed: 7, steps: 6, guidance_scale: 60.0, ..Default::default() }
}

fn prompt(prompt: &str) -> GenerateRequest {
    GenerateRequest { prompt: prompt.into(), ..request() }
}

fn draw(components: &Components, request: &GenerateRequest) -> Picture {
    text_to_image(components, request, &mut ()).expect("a picture").remove(0)
}

/// The largest difference of two pictures.
fn apart(a: &Picture, b: &Picture) -> u8 {
    a.rgb.iter().zip(&b.rgb).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

#[test]
fn what_says_the_same_draws_the_same() {
    let components = tiny_components();
    let (cat, dog) = (draw(&components, &prompt("a cat")), draw(&components, &prompt("a dog")));
    assert!(apart(&cat, &dog) > 8, "{}", apart(&cat, &dog));
    for same in ["a [dog:cat:0]", "a [cat:dog:6]", "a [cat|cat]", "a <lora:x:0.5>cat", "a (cat:1)"]
    {
        assert_eq!(draw(&components, &prompt(same)).rgb, cat.rgb, "{same}");
    }
    // Half of each of two equal prompts is the whole, but for rounding.
    let halves = draw(&components, &prompt("a cat :0.5 AND a cat :0.5"));
    assert!(apart(&halves, &cat) <= 1);
    for other in ["a cat AND a dog", "a [dog|cat]", "a [cat:dog:0.5]", "a (cat:1.8)", "a BREAK cat"]
    {
        assert!(apart(&draw(&components, &prompt(other)), &cat) > 0, "{other}");
    }
}

#[test]
fn curves_of_the_scale() {
    let components = tiny_components();
    let of = |curve: &str| {
        let guidance_curve = Some(curve.to_owned());
        draw(&components, &GenerateRequest { guidance_curve, guidance_scale: 3.0, ..request() })
    };
    let plain = draw(&components, &request());
    for same in ["60", "60..60", "cosine:60..60", "60,60,60,60,60,60"] {
        assert_eq!(of(same).rgb, plain.rgb, "{same}");
    }
    let unguided = draw(&components, &GenerateRequest { guidance_scale: 1.0, ..request() });
    assert_eq!(of("1").rgb, unguided.rgb);
    let interval = GenerateRequest { guidance_interval: [0.5, 1.0], ..request() };
    assert_eq!(of("1,1,1,60,60,60").rgb, draw(&components, &interval).rgb);
    assert!(apart(&of("60..1"), &plain) > 0);
}

#[test]
fn bounds_of_guidance() {
    let components = tiny_components();
    let plain = draw(&components, &request());
    let rescaled =
        |guidance_rescale| draw(&components, &GenerateRequest { guidance_rescale, ..request() });
    assert_eq!(rescaled(0.0).rgb, plain.rgb);
    assert!(apart(&rescaled(0.7), &plain) > 0);
    let thresholded = |dynamic_thresholding, mimic_scale| {
        let dynamic_thresholding = Some(dynamic_thresholding);
        draw(&components, &GenerateRequest { dynamic_thresholding, mimic_scale, ..request() })
    };
    assert!(apart(&thresholded(1.0, 60.0), &plain) <= 1);
    assert!(apart(&thresholded(1.0, 2.0), &plain) > 1);
    assert!(apart(&thresholded(0.9, 2.0), &thresholded(1.0, 2.0)) > 0);
}

/// Step caching keeps the texts of different steps apart, and several parts too.
#[test]
fn with_step_caching() {
    let components = tiny_components();
    let of = |prompt: &str| {
        draw(&components, &GenerateRequest { deep_cache: 2, ..self::prompt(prompt) })
    };
    assert_eq!(of("a [cat|cat]").rgb, of("a cat").rgb);
    assert!(apart(&of("a cat :0.5 AND a cat :0.5"), &of("a cat")) <= 1);
    assert!(apart(&of("a [cat|dog]"), &of("a cat")) > 0);
}

#[test]
fn clip_skip() {
    let xl = tiny_xl();
    let skip = |clip_skip| GenerateRequest { clip_skip, ..request() };
    // SDXL's habit is the layer before the last; one of these text encoders has one layer only.
    let error = skip(Some(2)).size_for(&xl.config.outline()).expect_err("too much");
    assert_eq!(error, RequestError::ClipSkipTooMuch(2, 1));
    let (habit, last) = (draw(&xl, &skip(None)), draw(&xl, &skip(Some(1))));
    assert!(apart(&habit, &last) > 0);
    let components = tiny_components();
    let last = draw(&components, &skip(Some(1)));
    assert_eq!(last.rgb, draw(&components, &skip(None)).rgb);
    let error =
        skip(Some(2)).size_for(&components.config.outline()).expect_err("too much").to_string();
    assert_eq!(error, "a clip skip of 2 is not possible with this model: it must be 1 to 1");
}

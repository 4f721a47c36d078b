//! Ways to do less work, on tiny models.

mod tiny;

use aquatint_pipeline::{
    Components, GenerateError, GenerateRequest, Picture, RequestError, text_to_image,
};
use tiny::{tiny_components, tiny_xl};

fn request() -> GenerateRequest {
    GenerateRequest { prompt: "a cat".into(), seed: 7, steps: 6, ..Default::default() }
}

fn draw(components: &Components, request: &GenerateRequest) -> Vec<Picture> {
    text_to_image(components, request, &mut ()).expect("the request is possible")
}

#[test]
fn off_is_the_same_picture() {
    for components in [tiny_components(), tiny_xl()] {
        let plain = draw(&components, &request());
        let off = GenerateRequest {
            guidance_interval: [0.0, 1.0],
            deep_cache: 1,
            deep_cache_branch: 2,
            token_merging: 0.0,
            ..request()
        };
        assert!(draw(&components, &off) == plain);
        // Guided nowhere is what guidance of 1 is.
        let nowhere = GenerateRequest { guidance_interval: [0.5, 0.5], ..request() };
        let prompt = GenerateRequest { guidance_scale: 1.0, ..request() };
        assert!(draw(&components, &nowhere) == draw(&components, &prompt));
        for less in [
            GenerateRequest { guidance_interval: [0.5, 1.0], guidance_scale: 60.0, ..request() },
            GenerateRequest { deep_cache: 3, guidance_scale: 60.0, ..request() },
            GenerateRequest { token_merging: 0.75, guidance_scale: 60.0, ..request() },
        ] {
            let full = GenerateRequest { guidance_scale: 60.0, ..request() };
            assert!(draw(&components, &less) != draw(&components, &full), "{less:?} is no less");
        }
    }
}

/// Guidance begins in the middle, so that both kinds of calls come before and after a cached one.
#[test]
fn nothing_gets_from_one_picture_into_another() {
    for components in [tiny_components(), tiny_xl()] {
        for sampler in ["ddim", "heun"] {
            let guidance_interval = [0.4, 0.9];
            let sampler = sampler.into();
            let less = GenerateRequest { sampler, guidance_interval, ..request() }.fast();
            let less = GenerateRequest { guidance_interval, token_merging: 0.5, ..less };
            let both = draw(&components, &GenerateRequest { count: 2, ..less.clone() });
            for (picture, seed) in both.iter().zip([7, 8]) {
                let alone = draw(&components, &GenerateRequest { seed, ..less.clone() });
                assert!(alone[0] == *picture, "seed {seed}");
            }
        }
    }
}

#[test]
fn a_branch_that_the_model_does_not_have() {
    let deep_cache_branch = 4;
    let request = GenerateRequest { deep_cache: 2, deep_cache_branch, ..request() };
    let error = text_to_image(&tiny_components(), &request, &mut ()).expect_err("no such branch");
    assert!(matches!(error, GenerateError::Request(RequestError::DeepCacheBranch(4, 3))));
    assert_eq!(
        error.to_string(),
        "there is no skip connection 4 to cache below: this model has those from 0 to 3"
    );
}

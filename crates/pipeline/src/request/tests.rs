use aquatint_tensor::rng::SeedTooLarge;

use super::*;

#[track_caller]
fn refused(change: impl FnOnce(&mut GenerateRequest)) -> String {
    let mut request = GenerateRequest::default();
    change(&mut request);
    request.validate().expect_err("this must be refused").to_string()
}

#[test]
fn the_default_is_possible() {
    assert_eq!(GenerateRequest::default().validate(), Ok(()));
}

#[test]
fn what_is_wrong_is_said() {
    let sizes = "is not a possible size: width and height are multiples of 8 from 64 to 2048";
    let error = refused(|r| (r.width, r.height) = (Some(100), Some(100)));
    assert_eq!(error, format!("100x100 {sizes}"));
    let error = refused(|r| (r.width, r.height) = (Some(3), Some(70000)));
    assert_eq!(error, format!("3x70000 {sizes}"));
    assert!(refused(|r| r.height = Some(0)).contains(sizes));
    assert!(refused(|r| r.width = Some(usize::MAX)).contains(sizes));
    let error = refused(|r| (r.width, r.height) = (Some(2048), Some(2048)));
    assert!(error.starts_with("2048x2048 is too large"), "{error}");
    assert!(refused(|r| r.steps = 0).contains("1 to 1000"));
    assert!(refused(|r| r.steps = 1001).contains("1 to 1000"));
    assert!(refused(|r| r.count = 0).contains("1 to 256"));
    assert!(refused(|r| r.count = 257).contains("1 to 256"));
    assert!(refused(|r| r.guidance_scale = f64::NAN).contains("NaN"));
    assert!(refused(|r| r.guidance_scale = f64::INFINITY).contains("inf"));
    for interval in [[-0.1, 1.0], [0.0, 1.1], [0.6, 0.5], [f64::NAN, 1.0], [0.0, f64::NAN]] {
        let [start, stop] = interval;
        let error = refused(|r| r.guidance_interval = interval);
        assert!(error.starts_with(&format!("guidance from {start} to {stop} of")), "{error}");
    }
    let error = refused(|r| r.guidance_curve = Some("7..x".into()));
    assert!(error.starts_with("`x` is no guidance scale"), "{error}");
    assert!(refused(|r| r.guidance_rescale = 1.1).contains("from 0 to 1"));
    assert!(refused(|r| r.guidance_rescale = f64::NAN).contains("NaN"));
    assert!(refused(|r| r.dynamic_thresholding = Some(99.5)).contains("at 99.5"));
    let error = refused(|r| (r.dynamic_thresholding, r.mimic_scale) = (Some(0.9), f64::INFINITY));
    assert!(error.starts_with("a mimic scale of inf"), "{error}");
    let error = refused(|r| (r.dynamic_thresholding, r.guidance_rescale) = (Some(0.9), 0.7));
    assert!(error.ends_with("give one"), "{error}");
    let error = refused(|r| r.prompt = "a AND ".repeat(16));
    assert_eq!(error, "AND joins 17 prompts here: it must be at most 16");
    assert!(refused(|r| r.clip_skip = Some(0)).contains("1 is the last layer"));
    assert!(refused(|r| r.deep_cache = 0).contains("every 0 steps is not possible"));
    assert!(refused(|r| r.deep_cache = 1001).contains("1 to 1000"));
    assert!(refused(|r| r.token_merging = 0.8).contains("0.8 of the tokens is not possible"));
    assert!(refused(|r| r.token_merging = f64::NAN).contains("from 0 to 0.75"));
    assert!(refused(|r| r.eta = Some(1.5)).contains("from 0 to 1"));
    let error = refused(|r| (r.sampler, r.eta) = ("heun".into(), Some(0.5)));
    assert_eq!(error, "the sampler `heun` knows no eta");
    assert!(refused(|r| r.prompt = "a".repeat(5000)).contains("5000 bytes"));
    let error = refused(|r| r.sampler = "dddim".into());
    assert!(error.contains("nearest is `ddim`"), "{error}");
    let error = refused(|r| r.schedule = Some("karas".into()));
    assert!(error.contains("nearest is `karras`"), "{error}");
    let error = refused(|r| r.rng = "nunpy".into());
    assert!(error.contains("nearest is `numpy`"), "{error}");
}

#[test]
fn numpy_has_seeds_of_32_bits() {
    let last = u32::MAX as u64;
    let one = GenerateRequest { seed: last, rng: "numpy".into(), ..Default::default() };
    assert_eq!(one.validate(), Ok(()));
    let two = GenerateRequest { count: 2, ..one.clone() };
    assert_eq!(two.validate(), Err(SeedTooLarge { seed: last + 1 }.into()));
    let torch = GenerateRequest { rng: "torch-cuda".into(), ..two };
    assert_eq!(torch.validate(), Ok(()));
}

/// A request that was written before there was a choice is one for PyTorch's CPU generator.
#[test]
fn no_rng_is_the_default() {
    let read: GenerateRequest = serde_json::from_str(r#"{"seed": 5}"#).expect("a request");
    assert_eq!(read, GenerateRequest { seed: 5, rng: "torch-cpu".into(), ..Default::default() });
}

/// What is not asked for is not written, so that pictures say what they said before.
#[test]
fn tasks_as_json() {
    let written = serde_json::to_value(GenerateRequest::default()).expect("JSON");
    for key in ["init", "mask", "strength", "mask_blur", "extend", "fit", "hires"] {
        assert!(written.get(key).is_none(), "{key}: {written}");
    }
    let request = GenerateRequest {
        init: Some("cat.png".into()),
        strength: Some(0.5),
        extend: Some(Extend { left: 64, ..Default::default() }),
        fit: Fit::Contain,
        hires: Some(Hires { size: HiresSize::Pixels(64, 128), ..Default::default() }),
        ..Default::default()
    };
    let text = serde_json::to_string(&request).expect("JSON");
    assert_eq!(serde_json::from_str::<GenerateRequest>(&text).expect("ours"), request, "{text}");
}

#[test]
fn seeds_follow_each_other() {
    let request = GenerateRequest { seed: u64::MAX, count: 3, ..Default::default() };
    assert_eq!(request.seeds(), [u64::MAX, 0, 1]);
}

/// The web UI's rule: with a variation, all pictures have the seed, and each its subseed.
#[test]
fn subseeds_follow_each_other() {
    let request = GenerateRequest { seed: 5, subseed: 8, count: 2, ..Default::default() };
    let seed = |seed, subseed| PictureSeed { seed, subseed };
    let varied = GenerateRequest { subseed_strength: 0.1, ..request.clone() };
    assert_eq!(varied.picture_seeds(), [seed(5, 8), seed(5, 9)]);
    assert_eq!(varied.validate(), Ok(()));
    assert_eq!(request.validate(), Err(RequestError::NoSubseedStrength));
    let plain = GenerateRequest { subseed: 0, ..request };
    assert_eq!(plain.picture_seeds(), [seed(5, 0), seed(6, 0)]);
    assert!(refused(|r| r.subseed_strength = 1.1).contains("from 0 to 1"));
    let numpy = GenerateRequest { rng: "numpy".into(), subseed: 1 << 32, ..varied };
    assert_eq!(numpy.validate(), Err(SeedTooLarge { seed: 1 << 32 }.into()));
}

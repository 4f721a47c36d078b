//! What a single file says of its model beside the weights, so that readers need no configuration.

mod tiny;

use std::ops::ControlFlow;

use aquatint_checkpoint::naming::Naming;
use aquatint_checkpoint::{DType, Detected, Family, Weights, detect};
use aquatint_pipeline::{Conversion, ConvertOptions, SchedulerConfig};
use tiny::tiny_components;

const TITLE: &str = "modelspec.title";
const PREDICTION: &str = "modelspec.prediction_type";

/// What is written for a tiny model with this scheduler, and what is made of it when it is read:
/// the names of the empty tensors, the texts and what is found.
fn written(
    family: Option<Family>,
    change: impl Fn(&mut SchedulerConfig),
) -> (Vec<String>, [Option<String>; 2], Detected) {
    let folder = tempfile::tempdir().unwrap();
    let (model, file) = (folder.path().join("model"), folder.path().join("a.safetensors"));
    let mut components = tiny_components();
    change(&mut components.config.scheduler);
    components.save(&model, DType::F32).unwrap();
    let options = ConvertOptions {
        naming: Naming::Ldm,
        folder: false,
        dtype: None,
        family,
        config: None,
        parts: Default::default(),
    };
    let conversion = Conversion::plan(&model, &options).unwrap_or_else(|error| panic!("{error}"));
    conversion.write(&file, &mut |_| ControlFlow::Continue(())).unwrap();
    let weights = Weights::open(&file).unwrap();
    let manifest = weights.manifest();
    let empty = weights.names().filter(|name| weights.shape(name) == Some(&[0]));
    let texts = [TITLE, PREDICTION].map(|key| manifest.metadata.get(key).cloned());
    (empty.map(str::to_owned).collect(), texts, detect(manifest))
}

#[test]
fn a_usual_model_has_no_mark() {
    let (empty, [title, prediction], found) = written(None, |_| {});
    assert_eq!(empty, [""; 0]);
    assert_eq!((title, prediction.as_deref()), (None, Some("epsilon")));
    assert_eq!((found.prediction_type, found.zero_snr), (Some("epsilon"), false));
}

#[test]
fn a_model_that_predicts_v_where_that_is_unusual_is_marked() {
    let v = |scheduler: &mut SchedulerConfig| scheduler.prediction_type = "v_prediction".into();
    let (empty, [_, prediction], found) = written(None, v);
    assert_eq!((&empty[..], prediction.as_deref()), (&["v_pred".to_owned()][..], Some("v")));
    assert_eq!((found.prediction_type, found.zero_snr), (Some("v_prediction"), false));

    // Stable Diffusion 2.x for 768 pixels is known to.
    let (empty, [title, prediction], _) = written(Some(Family::Sd2), v);
    assert_eq!(empty, [""; 0]);
    assert_eq!(title.as_deref(), Some(Family::Sd2.title()));
    assert_eq!(prediction.as_deref(), Some("v"));
    // And 1.x is known not to.
    assert_eq!(written(Some(Family::Sd15), v).0, ["v_pred"]);
}

#[test]
fn a_model_of_pure_noise_is_marked() {
    let (empty, [_, prediction], found) = written(None, |scheduler| {
        scheduler.prediction_type = "v_prediction".into();
        scheduler.rescale_betas_zero_snr = true;
    });
    assert_eq!(
        (&empty[..], prediction.as_deref()),
        (&["v_pred".into(), "ztsnr".into()][..], Some("v"))
    );
    assert!(found.zero_snr);
    let (empty, ..) = written(None, |scheduler| scheduler.rescale_betas_zero_snr = true);
    assert_eq!(empty, ["ztsnr"]);
}

//! The same numbers as the packages that everybody uses: pytorch-fid, torch-fidelity, prdc,
//! scikit-image (`tools/reference/evaluation.py`).

mod common;

use aquatint_eval::distances::{
    KernelOptions, frechet_distance, inception_score, kernel_distance, manifolds,
};
use aquatint_eval::quality::{psnr, ssim};
use aquatint_eval::{Features, Inception, Moments, Resizing, Statistics};
use aquatint_pipeline::Picture;
use common::{close, features, golden, pictures};
use serde_json::Value;

const DIMS: usize = 24;

fn statistics(features: &[f32]) -> Statistics {
    let mut moments = Moments::new(DIMS);
    moments.add(features);
    moments.finish()
}

#[test]
fn frechet_distances_also_of_fewer_pictures_than_features() {
    for (name, golden) in golden().as_object().unwrap() {
        if !name.starts_with("frechet") {
            continue;
        }
        let size = |i: usize| golden["sizes"][i].as_u64().unwrap() as usize;
        let a = statistics(&features("a", size(0), DIMS, 0.0));
        let b = statistics(&features("b", size(1), DIMS, 0.3));
        for [a, b] in [[&a, &b], [&b, &a]] {
            close(frechet_distance(a, b), &golden["pytorch_fid"], 1e-7);
            close(frechet_distance(a, b), &golden["torch_fidelity"], 1e-7);
        }
        assert_eq!(frechet_distance(&a, &a.clone()), 0.0);
    }
}

#[test]
fn kernel_distances() {
    let golden = golden();
    let (a, b) = (features("a", 400, DIMS, 0.0), features("b", 300, DIMS, 0.3));
    for (subsets, size) in [(10, 100), (3, 300)] {
        let golden = &golden[format!("kid_{size}")];
        let options = KernelOptions { subsets, size, seed: 2020 };
        let found = kernel_distance(&a, &b, DIMS, options);
        close(found.mean, &golden["kernel_inception_distance_mean"], 1e-5);
        close(found.std, &golden["kernel_inception_distance_std"], 1e-4);
    }
}

#[test]
fn inception_scores() {
    let logits: Vec<f32> = features("a", 400, DIMS, 0.0).iter().map(|x| 3.0 * x).collect();
    for (splits, seed) in [(10, Some(2020)), (1, Some(2020)), (4, None)] {
        let golden = &golden()[format!("isc_{splits}")];
        let found = inception_score(&logits, DIMS, splits, seed);
        close(found.mean, &golden["inception_score_mean"], 1e-6);
        let std = golden["inception_score_std"].as_f64().unwrap();
        assert!((found.std - std).abs() < 1e-6);
    }
}

#[test]
fn precision_recall_density_coverage() {
    let (a, b) = (features("a", 400, DIMS, 0.0), features("b", 300, DIMS, 0.3));
    for k in [3, 5] {
        let golden = &golden()[format!("prdc_{k}")];
        let found = manifolds(&a, &b, DIMS, k);
        close(found.precision, &golden["prdc"]["precision"], 1e-12);
        close(found.recall, &golden["prdc"]["recall"], 1e-12);
        close(found.density, &golden["prdc"]["density"], 1e-12);
        close(found.coverage, &golden["prdc"]["coverage"], 1e-12);
        close(found.precision, &golden["torch_fidelity"]["precision"], 1e-6);
        close(found.recall, &golden["torch_fidelity"]["recall"], 1e-6);
    }
}

#[test]
fn noise_and_structure() {
    let golden = &golden()["pictures"];
    let [a, b] = pictures();
    close(psnr(&a, &b), &golden["psnr"], 1e-12);
    close(ssim(&a, &b).unwrap(), &golden["ssim_scikit_image"], 1e-10);
}

/// The mean, the standard deviation and sixteen of the numbers.
fn compare(found: &[f32], golden: &Value) {
    let n = found.len() as f64;
    let std = golden["std"].as_f64().unwrap();
    let mean = found.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    assert!((mean - golden["mean"].as_f64().unwrap()).abs() < 1e-5 * std);
    let variance = found.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
    close(variance.sqrt(), &golden["std"], 1e-5);
    for (k, wanted) in golden["samples"].as_array().unwrap().iter().enumerate() {
        let found = f64::from(found[k * (found.len() - 1) / 15]);
        assert!((found - wanted.as_f64().unwrap()).abs() < 1e-4 * std, "{k}: {found}, {wanted}");
    }
}

#[test]
fn from_bytes_to_features_as_both_packages_do() {
    let golden = &golden()["inception"];
    let rgb = common::bytes("picture", 37 * 52 * 3);
    let pictures = [Picture { width: 52, height: 37, rgb }];
    let looked = Inception::new(common::inception(), Resizing::TorchFidelity).look(&pictures);
    compare(&looked.features, &golden["torch_fidelity"]);
    compare(&looked.logits.unwrap(), &golden["torch_fidelity_logits"]);
    let looked = Inception::new(common::inception(), Resizing::PytorchFid).look(&pictures);
    compare(&looked.features, &golden["pytorch_fid"]);
}

//! Networks of perceptual distances are read from every layout that people have, and refused in a
//! sentence.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aquatint_checkpoint::{DType, save};
use aquatint_models::perceptual::{EfficientNetLite0, Vgg16};
use aquatint_nn::ModuleExt;
use aquatint_pipeline::{load_efficientnet_lite0, load_perceptual};
use aquatint_tensor::{Rng, Tensor};

type Tensors = Vec<(String, Tensor)>;

fn vgg() -> Tensors {
    let mut network = Vgg16::new(2);
    network.init(1);
    let parameters = network.named_parameters().into_iter();
    parameters.map(|(name, param)| (name, param.value().clone())).collect()
}

fn heads() -> Tensors {
    let heads = Vgg16::channels(2).into_iter().enumerate();
    heads
        .map(|(i, c)| (format!("lin{i}.model.1.weight"), Tensor::full(&[1, c, 1, 1], 0.5)))
        .collect()
}

/// As the `lpips` package names the same layers.
fn as_lpips(tensors: Tensors, prefix: &str) -> Tensors {
    let slice = |number: usize| 1 + [4, 9, 16, 23].iter().filter(|&&end| number >= end).count();
    let renamed = |name: String| {
        let rest = name.strip_prefix("features.").expect("a layer").to_owned();
        let number = rest.split('.').next().and_then(|n| n.parse().ok()).expect("a number");
        format!("{prefix}net.slice{}.{rest}", slice(number))
    };
    tensors.into_iter().map(|(name, tensor)| (renamed(name), tensor)).collect()
}

fn write(folder: &Path, name: &str, tensors: &Tensors) -> PathBuf {
    let path = folder.join(name);
    save(&path, tensors, DType::F32, &BTreeMap::new()).expect("a temporary file");
    path
}

#[test]
fn one_network_in_every_layout() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, tensors: &Tensors| write(folder.path(), name, tensors);
    let mut rng = Rng::new(2);
    let (a, b) = (rng.randn(&[1, 16, 16, 3]), rng.randn(&[1, 16, 16, 3]));
    let distance = |file: &Path, heads: Option<&Path>| {
        let network = load_perceptual(file, heads).expect("a network");
        (network.name(), network.distance(&a, &b).item())
    };
    // torchvision's file has a classifier too.
    let mut whole = vgg();
    whole.push(("classifier.0.weight".into(), Tensor::zeros(&[3, 4])));
    let torchvision = write("vgg16.safetensors", &whole);
    let (name, plain) = distance(&torchvision, None);
    assert_eq!(name, "vgg16");
    let heads_alone = write("vgg.safetensors", &heads());
    let (name, weighed) = distance(&torchvision, Some(&heads_alone));
    assert_eq!(name, "lpips");
    assert!((weighed - 0.5 * plain).abs() < 1e-5 * plain, "{weighed} is not half of {plain}");

    let prefix = "loss.perceptual_loss.";
    for (file, prefix) in [("lpips.safetensors", ""), ("autoencoder.safetensors", prefix)] {
        let mut tensors = as_lpips(vgg(), prefix);
        assert!(tensors.iter().any(|(name, _)| name == &format!("{prefix}net.slice5.28.bias")));
        tensors.extend(heads().into_iter().map(|(name, x)| (format!("{prefix}{name}"), x)));
        assert_eq!(distance(&write(file, &tensors), None), ("lpips", weighed), "{file}");
    }
}

#[test]
fn efficientnet_lite0_for_distances_and_for_features() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut network = EfficientNetLite0::new();
    network.init(3);
    let parameters = network.named_parameters().into_iter();
    let tensors = parameters.map(|(name, param)| (name, param.value().clone())).collect();
    let path = write(folder.path(), "efficientnet.safetensors", &tensors);
    assert_eq!(load_perceptual(&path, None).expect("a network").name(), "effnet_lite0");
    let features = load_efficientnet_lite0(&path).expect("it");
    assert_eq!(features.pooled(&Tensor::zeros(&[2, 20, 30, 3])).shape(), [2, 1280]);
    let error = load_perceptual(&path, Some(&path)).expect_err("no heads").to_string();
    assert!(error.ends_with("the network is EfficientNet-Lite0: leave it out"), "{error}");
}

#[test]
fn what_is_none_is_refused_in_a_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, tensors: &Tensors| write(folder.path(), name, tensors);
    let refused = |file: &Path, heads: Option<&Path>, said: &str| {
        let error = load_perceptual(file, heads).expect_err(said).to_string();
        assert!(error.contains(said) && !error.contains('\n'), "{said}: {error}");
    };
    refused(&write("heads", &heads()), None, "is neither VGG16");
    let mut cut = vgg();
    cut.pop();
    refused(&write("cut", &cut), None, "has no `features.28.bias`");
    let mut wrong = vgg();
    wrong[2].1 = Tensor::zeros(&[3, 3]);
    refused(&write("wrong", &wrong), None, "has a `features.2.weight` of shape [3, 3]");
    let alexnet = vec![("features.0.weight".to_owned(), Tensor::zeros(&[64, 3, 11, 11]))];
    refused(&write("alexnet", &alexnet), None, "`features.0.weight` of shape [64, 3, 11, 11]");
    let good = write("good", &vgg());
    refused(&good, Some(&good), "has no `lin0.model.1.weight`");
    refused(Path::new("absent"), None, "absent");
    let error = load_efficientnet_lite0(&good).expect_err("VGG16").to_string();
    assert!(error.ends_with("is of VGG16, not of EfficientNet-Lite0"), "{error}");
}

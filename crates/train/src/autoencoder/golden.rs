//! Ten steps of training against PyTorch's, on the same pictures and weights: every part of the
//! loss, and the length of every gradient. `tools/reference/first_stages.py` wrote the answers.

use aquatint_models::perceptual::{Perceptual, Vgg16};
use aquatint_models::{AutoencoderKL, PatchDiscriminator, VQModel};
use aquatint_nn::ModuleExt;
use aquatint_tensor::Tensor;
use serde_json::{Map, Value};

use super::loss::FirstStage;
use super::network::Network;
use super::task::AutoencoderTask;
use crate::config::OptimizerConfig;
use crate::optimizer::{Optimizer, grad_norm};
use crate::task::StepLoss;
use crate::testing::{check_grads, check_step, fill, golden, input, weight};

const SHAPE: [usize; 4] = [4, 3, 16, 16];
const RATE: f64 = 2e-5;
const START: u64 = 3;
/// Channels of the first stage of VGG16, here.
const WIDTH: usize = 4;

/// An input of the reference that is a picture there, `[N, C, H, W]`.
fn picture(what: &str, shape: &[usize]) -> Tensor {
    input(what, shape).from_nchw()
}

fn lpips() -> Perceptual {
    let mut network = Box::new(Vgg16::new(WIDTH));
    fill(&mut *network);
    network.untrack();
    let mut number = 0;
    let heads = Vgg16::channels(WIDTH).map(|channels| {
        let name = format!("lin{number}.model.1.weight");
        number += 1;
        weight(&name, &[1, channels, 1, 1]).abs()
    });
    Perceptual::Vgg16 { network, heads: Some(heads) }
}

/// Trains `network` as `task` says, and compares each step with `golden`.
fn compare(network: Network, task: &str, golden: &Value) {
    let task: AutoencoderTask = toml::from_str(task).expect("a section");
    let mut stage = FirstStage {
        network,
        perceptual: Some(lpips()),
        discriminator: Some(PatchDiscriminator::new(4, 2)),
        task,
    };
    fill(&mut stage.network);
    let judge = stage.discriminator.as_mut().expect("one");
    fill(judge);
    let config: OptimizerConfig =
        toml::from_str("beta1 = 0.5\nbeta2 = 0.9\nweight_decay = 0.0\nmax_grad_norm = 1e9")
            .expect("a section");
    let mut optimizer = Optimizer::new(&stage.network, &config);
    let mut second = Optimizer::new(judge, &config);
    for step in 0..10 {
        let image = picture(&format!("image:{step}"), &SHAPE);
        let mut noise = |shape: &[usize]| {
            let &[n, h, w, c] = shape else { panic!("{shape:?}") };
            picture(&format!("noise:{step}"), &[n, c, h, w])
        };
        let (StepLoss { loss, parts }, of_judge) = stage.loss(&image, step, &mut noise);
        let mut found: Map<String, Value> =
            parts.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        found.insert("loss".into(), loss.item().into());

        let mut grads = loss.backward();
        let norm = grad_norm(&stage.network, &grads);
        found.insert("grad_norm".into(), norm.into());
        check_grads(golden, step, &stage.network, &grads, norm);
        optimizer.step(&mut stage.network, &mut grads, norm, RATE, step + 1);
        assert_eq!(of_judge.is_some(), step >= START);
        if let Some(loss) = of_judge {
            let judge = stage.discriminator.as_mut().expect("one");
            let mut grads = loss.backward();
            let norm = grad_norm(judge, &grads);
            found.insert("discriminator_grad_norm".into(), norm.into());
            check_grads(golden, step, judge, &grads, norm);
            second.step(judge, &mut grads, norm, 2.0 * RATE, step - START + 1);
        }
        check_step(golden, step, &found);
    }
}

#[test]
fn ten_steps_with_kl_regularization_are_those_of_pytorch() {
    let golden = golden("first_stage_kl");
    let config = serde_json::from_value(golden["config"].clone()).expect("a configuration");
    let task = "crop = 16\nloss_form = \"sum\"\nkl_weight = 1e-3\nlogvar = 0.2\n\
                perceptual_weight = 1.0\n[discriminator]\nstart = 3\nweight = 0.5";
    compare(Network::Kl(AutoencoderKL::new(&config)), task, &golden);
}

#[test]
fn ten_steps_with_a_codebook_are_those_of_pytorch() {
    let golden = golden("first_stage_vq");
    let config = serde_json::from_value(golden["config"].clone()).expect("a configuration");
    let task = "regularization = \"vq\"\ncrop = 16\ncodebook_weight = 0.75\n\
                perceptual_weight = 1.0\n[discriminator]\nstart = 3\nweight = 0.5";
    compare(Network::Vq(VQModel::new(&config)), task, &golden);
}

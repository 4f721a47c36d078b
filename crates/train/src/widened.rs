//! A trained U-Net that is to see more than it was trained to see, or in another latent space.

use aquatint_checkpoint::Weights;
use aquatint_models::{UNet2DConditionConfig, UNet2DConditionModel};
use aquatint_nn::ModuleExt;
use aquatint_pipeline::load_module;
use aquatint_tensor::Tensor;

use crate::taken_over::take_over;

/// The weight whose shape says how many channels the input has, `[O, I, 3, 3]`.
const FIRST: &str = "conv_in.weight";
/// The numbers that say how many channels the answer has, `[O]`.
const LAST: &str = "conv_out.bias";

/// The U-Net of `config` with the weights of a file. If that is of a U-Net with fewer input
/// channels, the further ones count for nothing at first, so that the answer is that of before.
/// If it is of one for latents of another number of channels, all that does not touch them is taken
/// over, and the rest is drawn from `seed`.
///
/// # Errors
/// If the weights are not those of such a U-Net.
pub fn load(
    config: &UNet2DConditionConfig,
    weights: &Weights,
    seed: u64,
) -> Result<UNet2DConditionModel, aquatint_checkpoint::LoadError> {
    let mut unet = UNet2DConditionModel::new(config);
    if weights.shape(LAST).is_some_and(|shape| *shape != [config.out_channels]) {
        take_over(&mut unet, weights, seed)?;
        return Ok(unet);
    }
    let channels = match weights.shape(FIRST) {
        Some(&[_, channels, ..]) if (1..config.in_channels).contains(&channels) => channels,
        _ => {
            load_module(&mut unet, weights)?;
            return Ok(unet);
        }
    };
    let narrow = UNet2DConditionConfig { in_channels: channels, ..config.clone() };
    let mut before = UNet2DConditionModel::new(&narrow);
    load_module(&mut before, weights)?;
    let values: Vec<Tensor> =
        before.named_parameters().iter().map(|(_, param)| param.value().clone()).collect();
    for ((name, param), value) in unet.named_parameters_mut().into_iter().zip(values) {
        let value = if name == FIRST { widened(&value, param.shape()) } else { value };
        param.set(value);
    }
    Ok(unet)
}

/// `[O, I, h, w]` with zeros for further inputs.
fn widened(weight: &Tensor, shape: &[usize]) -> Tensor {
    let inputs = |shape: &[usize]| shape[1..].iter().product::<usize>();
    let mut values = Vec::with_capacity(shape.iter().product());
    for row in weight.to_vec().chunks_exact(inputs(weight.shape())) {
        values.extend_from_slice(row);
        values.resize(values.len() + inputs(shape) - row.len(), 0.0);
    }
    Tensor::new(values, shape)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use aquatint_checkpoint::{DType, save};
    use aquatint_pipeline::save_module;
    use aquatint_tensor::Rng;

    use super::*;

    fn config(in_channels: usize) -> UNet2DConditionConfig {
        serde_json::from_value(serde_json::json!({
            "in_channels": in_channels, "out_channels": 4, "block_out_channels": [8, 16],
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"], "layers_per_block": 1,
            "cross_attention_dim": 16, "attention_head_dim": 2, "norm_num_groups": 4,
        }))
        .unwrap()
    }

    #[test]
    fn what_is_new_counts_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("unet.safetensors");
        let mut before = UNet2DConditionModel::new(&config(4));
        before.init(1);
        save_module(&path, &before, DType::F32).unwrap();
        let after = load(&config(9), &Weights::open(&path).unwrap(), 3).unwrap();
        let mut rng = Rng::new(2);
        let (x, beside) = (rng.randn(&[2, 8, 8, 4]), rng.randn(&[2, 8, 8, 5]));
        let context = rng.randn(&[2, 3, 16]);
        let expected = before.forward(&x, &[3.0, 700.0], &context);
        let answer = after.forward(&Tensor::cat([&x, &beside]), &[3.0, 700.0], &context);
        assert!(answer.sub(&expected).max_abs() < 1e-5);

        // One that fits is taken as it is.
        let same = load(&config(4), &Weights::open(&path).unwrap(), 3).unwrap();
        assert_eq!(same.forward(&x, &[3.0, 700.0], &context).to_vec(), expected.to_vec());
    }

    #[test]
    fn other_latents_keep_what_does_not_touch_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("unet.safetensors");
        let mut before = UNet2DConditionModel::new(&config(4));
        before.init(1);
        save_module(&path, &before, DType::F32).unwrap();
        let wider = UNet2DConditionConfig { in_channels: 8, out_channels: 8, ..config(4) };
        let after = load(&wider, &Weights::open(&path).unwrap(), 3).unwrap();
        for ((name, old), (_, new)) in
            before.named_parameters().into_iter().zip(after.named_parameters())
        {
            let kept = old.value().to_vec() == new.value().to_vec();
            let theirs = name.starts_with("conv_in.weight") || name.starts_with("conv_out");
            assert_eq!(kept, !theirs, "{name}");
        }
    }

    #[test]
    fn another_network_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.safetensors");
        let tensors = [(FIRST.to_owned(), Tensor::zeros(&[8, 4, 3, 3]))];
        save(&path, &tensors, DType::F32, &BTreeMap::new()).unwrap();
        assert!(load(&config(9), &Weights::open(&path).unwrap(), 3).is_err());
    }
}

//! Weights to begin with.

use aquatint_checkpoint::{LoadError, Weights};
use aquatint_models::{UNet2DConfig, UNet2DModel};
use aquatint_nn::ModuleExt;
use aquatint_pipeline::load_module;
use aquatint_tensor::Tensor;

use crate::taken_over::take_over;

/// The table of classes, `[classes, time]`.
const TABLE: &str = "class_embedding.weight";
/// What is added to the time's vector whatever the time.
const BIAS: &str = "time_embedding.linear_2.bias";

/// How a U-Net with cross-attention is known.
const CROSS_ATTENTION: &str = "transformer_blocks";

/// The U-Net of `config` with the weights of a file.
///
/// If that is of a U-Net with classes and this one has none, it begins as that one is when it hears
/// of no class in particular: the last row of the table goes into the bias beside it, which changes
/// no answer. If it is of one with cross-attention, what both have by name and shape is taken over,
/// which is the residual blocks; the rest is drawn from `seed`, and its attention adds nothing at
/// first.
///
/// # Errors
/// If the weights are not those of such a U-Net.
pub fn load(config: &UNet2DConfig, weights: &Weights, seed: u64) -> Result<UNet2DModel, LoadError> {
    let mut unet = UNet2DModel::new(config);
    if weights.names().any(|name| name.contains(CROSS_ATTENTION)) {
        take_over(&mut unet, weights, seed)?;
        return Ok(unet);
    }
    let rows = match (weights.shape(TABLE), config.num_class_embeds) {
        (Some(&[rows, _]), None) if rows > 0 => rows,
        _ => {
            load_module(&mut unet, weights)?;
            return Ok(unet);
        }
    };
    let with_classes = UNet2DConfig { num_class_embeds: Some(rows), ..config.clone() };
    let mut before = UNet2DModel::new(&with_classes);
    load_module(&mut before, weights)?;
    let mut known: Vec<(String, Tensor)> = before
        .named_parameters()
        .into_iter()
        .map(|(name, param)| (name, param.value().clone()))
        .collect();
    let table = known.iter().position(|(name, _)| name == TABLE).expect("it has classes");
    let (_, table) = known.remove(table);
    let null = table.narrow_rows(rows - 1, 1);
    for ((name, param), (_, value)) in unet.named_parameters_mut().into_iter().zip(known) {
        let value = if name == BIAS { value.add(&null.reshape(value.shape())) } else { value };
        param.set(value);
    }
    Ok(unet)
}

#[cfg(test)]
mod tests {
    use aquatint_checkpoint::DType;
    use aquatint_models::{PerBlock, UNet2DConditionConfig, UNet2DConditionModel};
    use aquatint_pipeline::save_module;
    use aquatint_tensor::Rng;

    use super::*;

    fn config(classes: Option<usize>) -> UNet2DConfig {
        UNet2DConfig {
            in_channels: 4,
            out_channels: 4,
            block_out_channels: vec![8, 16],
            down_block_types: vec!["DownBlock2D".into(), "AttnDownBlock2D".into()],
            up_block_types: vec!["AttnUpBlock2D".into(), "UpBlock2D".into()],
            layers_per_block: 1,
            norm_num_groups: 4,
            num_class_embeds: classes,
            ..UNet2DConfig::default()
        }
    }

    #[test]
    fn without_classes_it_is_as_it_was_without_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("unet.safetensors");
        let mut before = UNet2DModel::new(&config(Some(3)));
        before.init(1);
        save_module(&path, &before, DType::F32).unwrap();
        let weights = Weights::open(&path).unwrap();
        let after = load(&config(None), &weights, 0).unwrap();
        let x = Rng::new(2).randn(&[2, 8, 8, 4]);
        let of = |class: f32| {
            before.forward(&x, &[3.0, 700.0], Some(&Tensor::new(vec![class; 2], &[2])))
        };
        let answer = after.forward(&x, &[3.0, 700.0], None);
        assert!(answer.sub(&of(2.0)).max_abs() < 1e-5);
        assert!(answer.sub(&of(1.0)).max_abs() > 1e-3);

        let same = load(&config(Some(3)), &weights, 0).unwrap();
        let labels = Tensor::new(vec![1.0; 2], &[2]);
        let again = same.forward(&x, &[3.0, 700.0], Some(&labels));
        assert_eq!(again.to_vec(), of(1.0).to_vec());
        assert!(load(&config(Some(4)), &weights, 0).is_err());
    }

    #[test]
    fn the_blocks_of_a_network_with_words_are_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("unet.safetensors");
        let with_words = UNet2DConditionConfig {
            block_out_channels: vec![8, 16],
            down_block_types: vec!["DownBlock2D".into(), "CrossAttnDownBlock2D".into()],
            up_block_types: vec!["CrossAttnUpBlock2D".into(), "UpBlock2D".into()],
            layers_per_block: PerBlock::Same(1),
            attention_head_dim: PerBlock::Same(2),
            cross_attention_dim: 8,
            norm_num_groups: 4,
            ..UNet2DConditionConfig::default()
        };
        let mut before = UNet2DConditionModel::new(&with_words);
        before.init(1);
        save_module(&path, &before, DType::F32).unwrap();
        let weights = Weights::open(&path).unwrap();
        let after = load(&config(Some(3)), &weights, 5).unwrap();
        let (mut taken, mut drawn) = (0, 0);
        for (name, param) in after.named_parameters() {
            let resnet = name.contains("resnets") || name.contains("conv");
            if weights.shape(&name) == Some(param.shape()) {
                assert_eq!(param.value().to_vec(), weights.get(&name).unwrap().to_vec(), "{name}");
                taken += 1;
            } else {
                assert!(!resnet && !name.starts_with("time_embedding"), "{name} was drawn");
                drawn += 1;
            }
            assert!(!name.contains("to_out") || param.value().max_abs() == 0.0, "{name}");
        }
        assert!(taken > drawn && drawn > 0, "{taken} taken over, {drawn} drawn");
    }
}

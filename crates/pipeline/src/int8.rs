//! Which weights are rounded to 8 bits, where [`LoadOptions::int8`](crate::LoadOptions) asks for it.

use aquatint_models::UNet2DConditionModel;
use aquatint_nn::ModuleExt;

/// Asks for 8 bits in those layers of a U-Net that bear it, before it is filled.
///
/// The blocks, which are nearly all of the work, do. What stays as it is: the layers that lead from
/// the latents and back to them; all that is said once for the whole picture, the time before all;
/// and what reads the context, whose few large channels would take the levels away from the others.
/// They are less than a hundredth of the work. So do the convolutions of doubled pictures, which
/// have few weights for so many pixels: as autoencoders' convolutions, Winograd's algorithm computes
/// them faster. So do text encoders, which run once.
pub fn choose(unet: &mut UNet2DConditionModel) {
    for (name, parameter) in unet.named_parameters_mut() {
        if bears(&name) {
            parameter.set_int8();
        }
    }
}

fn bears(name: &str) -> bool {
    let starts = |with: &[&str]| with.iter().any(|with| name.starts_with(with));
    let contains = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    starts(&["down_blocks.", "mid_block.", "up_blocks."])
        && !contains(&[".time_emb_proj.", ".attn2.to_k.", ".attn2.to_v.", ".upsamplers."])
}

#[cfg(test)]
mod tests {
    use aquatint_models::UNet2DConditionConfig;

    use super::*;

    #[test]
    fn nearly_all_of_stable_diffusion() {
        let config = UNet2DConditionConfig { cross_attention_dim: 768, ..Default::default() };
        let unet = UNet2DConditionModel::new(&config);
        let parameters = unet.named_parameters();
        let count = |wanted: bool| -> usize {
            let chosen = parameters.iter().filter(|(name, _)| bears(name) == wanted);
            chosen.map(|(_, p)| p.count()).sum()
        };
        let share = count(true) as f64 / (count(true) + count(false)) as f64;
        assert!((0.89..0.93).contains(&share), "{share}");
        assert!(!bears("conv_in.weight") && !bears("time_embedding.linear_1.weight"));
        assert!(!bears("up_blocks.1.upsamplers.0.conv.weight"));
    }
}

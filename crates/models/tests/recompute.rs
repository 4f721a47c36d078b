//! A U-Net whose layers are computed again on the way back: the same gradients in less memory. One
//! test, since the memory of all tests of a program is counted together.

use aquatint_models::unet::Shortcuts;
use aquatint_models::{PerBlock, UNet2DConditionConfig, UNet2DConditionModel, UNetConditions};
use aquatint_nn::ModuleExt;
use aquatint_tensor::{Rng, Tensor, peak_memory};

#[test]
fn gradients_are_the_same_and_the_peak_is_lower() {
    let config = UNet2DConditionConfig {
        block_out_channels: vec![16, 32],
        down_block_types: ["CrossAttnDownBlock2D", "DownBlock2D"].map(str::to_owned).into(),
        up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D"].map(str::to_owned).into(),
        norm_num_groups: 8,
        cross_attention_dim: 12,
        attention_head_dim: PerBlock::Same(2),
        ..Default::default()
    };
    let mut model = UNet2DConditionModel::new(&config);
    model.init(5);
    model.track();
    let mut rng = Rng::new(1);
    let (x, context) = (rng.randn(&[2, 32, 32, 4]), rng.randn(&[2, 5, 12]).tracked());
    let pass = |recompute: bool| {
        peak_memory(true);
        let shortcuts = Shortcuts { recompute, ..Default::default() };
        let conditions = UNetConditions::default();
        let words = (&context).into();
        let unseen = &mut |_: &str, _: &Tensor| {};
        let y = model.forward_shortened(&x, &[7.0, 300.0], &words, &conditions, shortcuts, unseen);
        drop(words);
        let grads = y.sqr().mean().backward();
        let of = |(_, param): (String, &aquatint_nn::Param)| {
            grads.get(param.value()).expect("all are used").to_vec()
        };
        let mut all: Vec<Vec<f32>> = model.named_parameters().into_iter().map(of).collect();
        all.push(grads.get(&context).expect("it is used").to_vec());
        (all, peak_memory(true))
    };
    let (again, low) = pass(true);
    let (kept, high) = pass(false);
    assert!(again == kept, "other gradients");
    assert!(low * 2 < high, "{low} bytes, {high} without");
}

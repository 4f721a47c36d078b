//! The tiny decoder against diffusers'.

mod common;

use aquatint_models::{DecoderTiny, DecoderTinyConfig};
use common::{Golden, fill, input, numbers};
use serde_json::Value;

#[test]
fn agrees_with_diffusers() {
    let mut golden = Golden::open("decoder_tiny");
    let config: Value = golden.config();
    let mut model = DecoderTiny::new(&DecoderTinyConfig {
        latent_channels: 4,
        block_out_channels: numbers(&config["decoder_block_out_channels"]),
        num_blocks: numbers(&config["num_decoder_blocks"]),
        out_channels: 3,
    });
    fill(&mut model);
    let latents = input("latents", &numbers::<usize>(&golden.inputs()["latents"])).from_nchw();
    let decoded = model.forward_with(&latents, &mut |stage, x| match stage {
        "layers.0" => golden.check("conv_in", x),
        "layers.2" => golden.check("block", x),
        "layers.5" => golden.check("up", x),
        _ => {}
    });
    golden.check("decoded", &decoded);
    golden.assert_all_seen();
}

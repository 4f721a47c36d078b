//! How much memory activations take. One test alone in its process: what is measured is all that the
//! process holds.

use aquatint_models::{AutoencoderKL, AutoencoderKLConfig, Tiling};
use aquatint_nn::ModuleExt;
use aquatint_tensor::{Rng, Tensor, peak_memory};

#[test]
fn activations_are_dropped_when_they_have_been_used() {
    let mut model = AutoencoderKL::new(&AutoencoderKLConfig {
        down_block_types: vec!["DownEncoderBlock2D".into(); 3],
        up_block_types: vec!["UpDecoderBlock2D".into(); 3],
        block_out_channels: vec![32, 32, 32],
        norm_num_groups: 8,
        ..Default::default()
    });
    model.init(1);
    // As for drawing: what is trained holds more.
    model.named_parameters_mut().into_iter().for_each(|(_, parameter)| parameter.prepare());
    let latents = Rng::new(2).randn(&[1, 160, 160, 4]);
    let largest = 4 * 640 * 640 * 32;
    let peak = |decode: &dyn Fn() -> Tensor| {
        peak_memory(true);
        let picture = decode();
        assert_eq!(picture.shape(), [1, 640, 640, 3]);
        peak_memory(false)
    };
    let whole = peak(&|| model.decode_tiled(&latents, Tiling::Off));
    // What goes in, what comes out, one between them, and a quarter for all that is small.
    assert!(whole <= 3 * largest + largest / 4, "{whole} bytes, {largest} in the largest");
    let image = Rng::new(3).randn(&[1, 640, 640, 3]);
    peak_memory(true);
    model.encode_tiled(&image, Tiling::Off);
    let encoding = peak_memory(false);
    assert!(encoding <= 3 * largest + largest / 4, "{encoding} bytes, {largest} in the largest");
}

//! The vector-quantized autoencoder against diffusers.

mod common;

use aquatint_models::VQModel;
use aquatint_nn::ModuleExt;
use aquatint_tensor::Tensor;
use common::{Golden, fill, input, numbers};

fn open() -> (Golden, VQModel, Tensor) {
    let golden = Golden::open("vq_tiny");
    let mut model = VQModel::new(&golden.config());
    fill(&mut model);
    let image = input("image", &numbers::<usize>(&golden.inputs()["image"])).from_nchw();
    (golden, model, image)
}

#[test]
fn stages_and_gradients_agree_with_diffusers() {
    let (mut golden, mut model, image) = open();
    model.track();
    let latents = model.encode_with(&image, &mut |stage, x| golden.check(stage, x));
    golden.check("latents", &latents);
    let quantized = model.quantize(&latents);
    golden.check("quantized", &quantized.latents);
    golden.check_numbers("indices", &quantized.indices);
    let decoded = model.decode_with(&quantized.latents, &mut |stage, x| golden.check(stage, x));
    golden.check("decoded", &decoded);
    let loss = decoded.sub(&image).abs().mean().add(&quantized.loss);
    let value = loss.item();
    let grads = loss.backward();
    let parameters = model.named_parameters();
    golden.check_grads(value, &grads, |name| {
        parameters.iter().find(|(n, _)| n == name).map(|(_, param)| param.value())
    });
    golden.assert_all_seen();
    common::assert_every_parameter_has_a_gradient(&model, &grads);
}

#[test]
fn three_ways_to_decode() {
    let (_, model, image) = open();
    assert_eq!(model.config().downsampling_factor(), 2);
    let latents = model.encode(&image);
    let quantized = model.quantize(&latents);
    let decoded = model.decode(&latents);
    let &[n, h, w, _] = latents.shape() else { panic!("{:?}", latents.shape()) };
    let looked_up = model.decode_indices(&quantized.indices, [n, h, w]);
    assert!(decoded.sub(&looked_up).max_abs() < 1e-5);
    assert_eq!(decoded.to_vec(), model.decode_not_quantized(&quantized.latents).to_vec());
    let unquantized = model.decode_not_quantized(&latents);
    assert!(decoded.sub(&unquantized).max_abs() > 1e-2);
}

#[test]
#[should_panic(expected = "latents [1, 4, 4, 5], expected [N, H, W, 3]")]
fn wrong_latents_panic_with_both_shapes() {
    open().1.decode(&Tensor::zeros(&[1, 4, 4, 5]));
}

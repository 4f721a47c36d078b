//! How many bits of a picture a diffusion model spends on what (Ho et al. 2020, section 4.3 and
//! figure 5; Rombach et al. 2022, figure 2): an image is sent as noisier and noisier latents in
//! reverse, and after each noise level there is a best guess of it.

use aquatint_diffusion::{Denoiser, ModelDenoiser};
use aquatint_models::unet::{Shortcuts, UNetConditions};
use aquatint_pipeline::{Model, Picture, Tiling};
use aquatint_tensor::{Rng, Tensor};

use crate::failure::Failure;

/// Noise levels that are looked at.
const LEVELS: usize = 24;
/// The least of them.
const LEAST: f64 = 0.02;

/// Bits for each number of a picture, and the root of the mean squared error of the best guess, of
/// 255, from pure noise to (nearly) none.
///
/// The rate up to σ is ½·∫ E‖x₀ − D(x; s)‖² dSNR(s) over all s > σ, the sum of L_t of DDPM's
/// equation 5 in the limit of many steps (Kingma et al. 2021, equation 15), by trapezoids; what is
/// known of a picture at the highest noise is left out.
///
/// # Errors
/// If the model's parts cannot be read.
pub fn curve(model: &dyn Model, pictures: &[Picture], seed: u64) -> Result<Vec<[f64; 2]>, Failure> {
    let outline = model.outline();
    let schedule = outline.scheduler.schedule().map_err(Failure::new)?;
    let kind = outline.scheduler.prediction_type().map_err(Failure::new)?;
    let images = Picture::to_images(pictures);
    let x0 = model.encoder()?.encode(&images, Tiling::Auto).mean;
    let network = model.network()?;
    let predict = |xt: &Tensor, t: &[f32]| {
        network.predict(xt, t, None, &UNetConditions::default(), Shortcuts::default())
    };
    let denoiser = ModelDenoiser { network: &predict, schedule: &schedule, prediction_type: kind };
    let decoder = model.decoder()?;
    let eps = Rng::new(seed).randn(x0.shape());
    let most = schedule.sigma(schedule.len() - 1);
    let numbers = (images.to_vec().len()) as f64;
    let mut curve = Vec::with_capacity(LEVELS);
    let (mut nats, mut before) = (0.0, None);
    for i in 0..LEVELS {
        let sigma = most * (LEAST / most).powf(i as f64 / (LEVELS - 1) as f64);
        let guess = denoiser.denoise(&x0.add(&eps.scale(sigma as f32)), sigma);
        let error = squares(&guess, &x0);
        let snr = sigma.powi(-2);
        if let Some((snr_before, error_before)) = before {
            let (from, of): (f64, f64) = (snr_before, error_before);
            nats += 0.5 * (snr - from) * (error + of) / 2.0;
        }
        before = Some((snr, error));
        let shown =
            Picture::to_images(&Picture::from_images(&decoder.decode(&guess, Tiling::Auto)));
        let distortion = 127.5 * (squares(&shown, &images) / numbers).sqrt();
        curve.push([nats / std::f64::consts::LN_2 / numbers, distortion]);
    }
    Ok(curve)
}

/// The sum of squared differences.
fn squares(a: &Tensor, b: &Tensor) -> f64 {
    let pairs = a.to_vec().into_iter().zip(b.to_vec());
    pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum()
}

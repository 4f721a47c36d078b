//! What an encoder says about a picture.

use aquatint_diffusion::Noise;
use aquatint_tensor::Tensor;

/// The latents of pictures, as the U-Net sees them: of every number a mean, and how far it may be
/// from that.
#[derive(Clone, Debug)]
pub struct Latents {
    /// The most probable. `[N, h, w, C]`
    pub mean: Tensor,
    /// The standard deviation; without one there is no doubt. `[N, h, w, C]`
    pub std: Option<Tensor>,
}

impl Latents {
    /// One draw for each seed of `noise`, for one picture: what diffusers begins with. A picture
    /// without doubts draws nothing.
    ///
    /// # Panics
    /// If there are several pictures.
    #[track_caller]
    pub fn draw(&self, noise: &mut Noise, seeds: usize) -> Tensor {
        let mean = repeated(&self.mean, seeds);
        match &self.std {
            Some(std) => {
                let eps = noise.posterior(&std.shape()[1..]);
                mean.add(&repeated(std, seeds).mul(&eps))
            }
            None => mean,
        }
    }
}

/// One picture `[1, ..]` `n` times.
#[track_caller]
pub(crate) fn repeated(x: &Tensor, n: usize) -> Tensor {
    assert_eq!(x.dim(0), 1, "one picture, not {:?}", x.shape());
    let shape = [&[n], &x.shape()[1..]].concat();
    Tensor::new(x.to_vec().repeat(n), &shape)
}

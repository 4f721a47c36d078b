//! The picture to begin with in the size of the result, and which part of it is made anew.

use aquatint_tensor::Tensor;

use super::fill::{blurred, grown};
use crate::request::{Extend, Plan};
use crate::{GenerateRequest, Inputs, Mask, Picture, fit};

/// Latent pixels at the edge of an extended picture that are made anew by habit.
const BORDER: usize = 2;

/// A picture, and what of it is to change.
pub(super) struct Canvas {
    pub picture: Picture,
    pub paint: Option<Paint>,
}

/// Which pixels are made anew.
pub(super) struct Paint {
    /// 1 for those that are, 0 for those that are not. `H·W`
    hard: Vec<f32>,
    /// How much of each pixel of the result is new. `H·W`
    soft: Vec<f32>,
    width: usize,
}

impl Canvas {
    /// The pictures of a request at the size of the plan; `factor` is that of the autoencoder.
    pub fn new(
        request: &GenerateRequest,
        inputs: &Inputs,
        plan: &Plan,
        factor: usize,
    ) -> Option<Self> {
        let init = inputs.init.as_ref()?;
        let (width, height) = plan.base;
        if let Some(extend) = request.extend {
            let border = request.mask_blur.unwrap_or((BORDER * factor) as f64);
            let paint = Paint::around(init, extend, border);
            return Some(Self { picture: grown(init, extend), paint: Some(paint) });
        }
        let paint = inputs.mask.as_ref().map(|mask| {
            let mask = mask.fit(width, height, request.fit);
            Paint::masked(&mask, request.mask_blur.unwrap_or(0.0))
        });
        Some(Self { picture: fit(init, width, height, request.fit), paint })
    }

    /// The picture as `[1, H, W, 3]`.
    pub fn image(&self) -> Tensor {
        Picture::to_images(std::slice::from_ref(&self.picture))
    }

    /// The same with what is made anew of one number.
    pub fn masked_image(&self, paint: &Paint, instead: f32) -> Tensor {
        let mut image = self.image().to_vec();
        for (pixel, &hard) in image.chunks_exact_mut(3).zip(&paint.hard) {
            if hard > 0.0 {
                pixel.fill(instead);
            }
        }
        Tensor::new(image, &[1, self.picture.height, self.picture.width, 3])
    }

    /// A result with what is kept put over it: to the bit, where nothing is new.
    pub fn keep(&self, mut made: Picture) -> Picture {
        let Some(paint) = &self.paint else { return made };
        let kept = self.picture.rgb.chunks_exact(3);
        for ((made, kept), &soft) in made.rgb.chunks_exact_mut(3).zip(kept).zip(&paint.soft) {
            for (made, &kept) in made.iter_mut().zip(kept) {
                let (old, new) = (f32::from(kept), f32::from(*made));
                *made = (old + soft * (new - old)).round() as u8;
            }
        }
        made
    }
}

impl Paint {
    /// What a mask says, with an edge of this deviation.
    fn masked(mask: &Mask, blur: f64) -> Self {
        let hard: Vec<f32> =
            mask.values.iter().map(|&value| f32::from(u8::from(value >= 128))).collect();
        let soft = blurred(&hard, mask.width, blur);
        Self { hard, soft, width: mask.width }
    }

    /// What is new around a picture, and a border inside of it in which the new goes over into the
    /// old.
    fn around(picture: &Picture, extend: Extend, border: f64) -> Self {
        let (width, height) = crate::request::extended((picture.width, picture.height), extend);
        // How far a pixel is inside of the old picture, from its middle to the next grown side.
        let inside = |at: usize, before: usize, old: usize, after: usize| {
            let from = |grown: usize, pixels: usize| match grown {
                0 => f64::INFINITY,
                _ => pixels as f64 + 0.5,
            };
            match at.checked_sub(before) {
                Some(at) if at < old => from(before, at).min(from(after, old - 1 - at)),
                _ => -1.0,
            }
        };
        let mut hard = Vec::with_capacity(width * height);
        let mut soft = Vec::with_capacity(width * height);
        for y in 0..height {
            let down = inside(y, extend.top, picture.height, extend.bottom);
            for x in 0..width {
                let depth = inside(x, extend.left, picture.width, extend.right).min(down);
                let made = depth < border;
                hard.push(f32::from(u8::from(made)));
                // Level at both ends, so that no edge is seen where it begins.
                let t = if made { (depth / border).max(0.0) } else { 1.0 };
                soft.push(1.0 - (t * t * (3.0 - 2.0 * t)) as f32);
            }
        }
        Self { hard, soft, width }
    }

    /// Latent pixels of which any pixel is made anew: `[1, h, w, 1]`.
    pub fn any(&self, factor: usize) -> Tensor {
        self.small(factor, |pixels| pixels.fold(0.0, f32::max))
    }

    /// Latent pixels of which the first pixel is made anew, which is how the models for in-painting
    /// were taught: `[1, h, w, 1]`.
    pub fn first(&self, factor: usize) -> Tensor {
        self.small(factor, |pixels| pixels.next().unwrap_or_default())
    }

    fn small(&self, factor: usize, of: impl Fn(&mut dyn Iterator<Item = f32>) -> f32) -> Tensor {
        let [w, h] = [self.width / factor, self.hard.len() / self.width / factor];
        Tensor::from_fn(&[1, h, w, 1], |i| {
            let (y, x) = (i / w * factor, i % w * factor);
            let pixels = |y: usize| self.hard[y * self.width + x..][..factor].iter().copied();
            of(&mut (y..y + factor).flat_map(pixels))
        })
    }
}

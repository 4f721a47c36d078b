//! What measurements need of a network: a vector for each picture.

use aquatint_pipeline::Picture;

/// A network that looks at pictures.
pub trait Features: Sync {
    /// What it is called, for people: "Inception v3 (torch-fidelity)".
    fn name(&self) -> String;

    /// What the Fréchet distance and the kernel distance of its features are called. "FID" and
    /// "KID" are Inception's alone.
    fn distance_names(&self) -> [&'static str; 2];

    /// Numbers that it gives each picture.
    fn dims(&self) -> usize;

    /// What it says about some pictures of any sizes.
    fn look(&self, pictures: &[Picture]) -> Looked;
}

/// What a network says about `N` pictures.
#[derive(Clone, Debug, Default)]
pub struct Looked {
    /// `[N, dims]`
    pub features: Vec<f32>,
    /// `[N, classes]`, if it is a classifier: of these the Inception score is made.
    pub logits: Option<Vec<f32>>,
}

/// A distance of two pictures by a network, such as LPIPS.
pub trait PerceptualDistance: Sync {
    /// What it is called, for people: "LPIPS (VGG16)".
    fn name(&self) -> String;

    /// What it is called in JSON: "lpips".
    fn key(&self) -> &'static str;

    /// The least width and height of a picture.
    fn smallest(&self) -> usize;

    /// Of pictures of one size, pair by pair.
    fn distances(&self, a: &[Picture], b: &[Picture]) -> Vec<f64>;
}

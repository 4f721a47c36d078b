//! What a pass of a U-Net may leave out.

use aquatint_tensor::Tensor;

/// What a pass leaves out; the default is nothing.
#[derive(Debug, Default)]
pub struct Shortcuts<'a> {
    /// Features of an earlier pass to take, or room for those of this one.
    pub deep: Option<&'a mut DeepFeatures>,
    /// Which part of the tokens is merged into others during self-attention, 0 to 0.75, at the
    /// highest resolution that has attention: see [`Merged`](crate::token_merging::Merged).
    pub token_merging: f64,
    /// Whether what each layer saves for the way back is made again there: about a third more work
    /// in training, for a small part of the memory. The gradients are the same to the bit.
    pub recompute: bool,
}

/// What the deep layers of a U-Net made of one step, for the next steps: DeepCache (Ma et al. 2023,
/// arXiv:2312.00858).
///
/// What comes up from below changes slowly from step to step; what the skip connections carry
/// changes fast. A pass that finds `kept` computes only the layers above the branch: the first
/// `branch + 1` results of the way down and as many layers of the way up (section 3.2). A pass
/// that finds nothing computes everything and leaves `kept`.
///
/// It belongs to one run: features of other pictures, prompts or sizes are wrong for this one.
#[derive(Clone, Debug, Default)]
pub struct DeepFeatures {
    /// Which skip connection the layers that are always computed begin with, from 0 (that of
    /// `conv_in`, the cheapest) to one less than there are layers on the way up: DeepCache's
    /// `cache_branch_id`.
    pub branch: usize,
    /// The input of the first such layer of the way up, without the skip, `[N, H, W, C]`.
    pub kept: Option<Tensor>,
}

impl DeepFeatures {
    /// How many of the `layers` of the way up a pass computes.
    ///
    /// # Panics
    /// If there is no such branch.
    #[track_caller]
    pub(super) fn wanted(&self, layers: usize) -> usize {
        let branch = self.branch;
        assert!(branch < layers, "branch {branch} of a U-Net with {layers} skip connections");
        if self.kept.is_some() { branch + 1 } else { layers }
    }
}

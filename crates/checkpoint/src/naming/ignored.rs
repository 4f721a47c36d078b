//! Tensors of a checkpoint that are no weights of any part.

/// Why a tensor of a whole model's file is not needed, if that is known.
pub fn ignored(stored: &str) -> Option<&'static str> {
    let fits = |pattern: &Pattern| match pattern {
        Pattern::Is(name) => stored == *name,
        Pattern::Begins(start) => stored.starts_with(start),
        Pattern::Ends(end) => stored.ends_with(end),
    };
    let found = IGNORED.iter().find(|(patterns, _)| patterns.iter().any(fits));
    found.map(|&(_, reason)| reason)
}

/// A class of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// This name.
    Is(&'static str),
    /// Names that begin so.
    Begins(&'static str),
    /// Names that end so.
    Ends(&'static str),
}

use Pattern::{Begins, Ends, Is};

/// Names, and why they are left out. What depends on a part's configuration is in its table.
pub const IGNORED: &[(&[Pattern], &str)] = &[
    (
        &[
            Is("betas"),
            Is("alphas_cumprod"),
            Is("alphas_cumprod_prev"),
            Is("sqrt_alphas_cumprod"),
            Is("sqrt_one_minus_alphas_cumprod"),
            Is("log_one_minus_alphas_cumprod"),
            Is("sqrt_recip_alphas_cumprod"),
            Is("sqrt_recipm1_alphas_cumprod"),
            Is("posterior_variance"),
            Is("posterior_log_variance_clipped"),
            Is("posterior_mean_coef1"),
            Is("posterior_mean_coef2"),
            Is("lvlb_weights"),
            Is("denoiser.sigmas"),
            Is("denoiser.log_sigmas"),
            Begins("low_scale_model."),
        ],
        "the noise schedule as a buffer, which follows from its two ends",
    ),
    (&[Is("logvar")], "the weight of each timestep in the training loss"),
    (&[Is("scale_factor")], "the scaling factor of the latents, a setting and no weight"),
    (&[Begins("model_ema.")], "running averages of the U-Net's weights beside the weights"),
    (
        &[Ends("embeddings.position_ids"), Is("position_ids")],
        "0, 1, 2, … as a buffer, which transformers saved before version 4.31",
    ),
    (
        &[Ends("logit_scale")],
        "the temperature of CLIP's training, which plays no part in encoding text",
    ),
    (&[Ends("attn_mask")], "the causal mask as a buffer"),
    (
        &[
            Begins("cond_stage_model.encoder."),
            Begins("cond_stage_model.decoder."),
            Begins("cond_stage_model.quant"),
            Begins("cond_stage_model.post_quant_conv."),
            Begins("cond_stage_model.loss."),
        ],
        "the first stage again, which also encodes the picture to be filled in",
    ),
    (&[Is("v_pred"), Is("ztsnr"), Is("edm_vpred.sigma_max"), Is("edm_vpred.sigma_min")], "a mark"),
    (&[Begins("embedding_manager.")], "words learnt by textual inversion"),
];

//! Why a request is refused.

use aquatint_diffusion::samplers::UnknownSampler;
use aquatint_diffusion::spacing::UnknownSpacing;
use aquatint_tensor::rng::{SeedTooLarge, UnknownRng};

use super::{MAX_COUNT, MAX_PIXELS, MAX_PROMPT, MAX_STEPS, SIZES};

/// Why a request cannot be fulfilled: one sentence each.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum RequestError {
    #[error(
        "{width}x{height} is not a possible size: width and height are multiples of {step} from {} to {}",
        SIZES.start(), SIZES.end()
    )]
    Size { width: usize, height: usize, step: usize },
    #[error("{width}x{height} is too large: a picture has at most {MAX_PIXELS} pixels (1536x1536)")]
    Area { width: usize, height: usize },
    #[error("{0} steps are not possible: it must be 1 to {1}")]
    Steps(usize, usize),
    #[error("{0} pictures are not possible: it must be 1 to {MAX_COUNT}")]
    Count(usize),
    #[error("a guidance scale of {0} is not possible: it must be from -100 to 100")]
    GuidanceScale(f64),
    #[error(
        "guidance from {0} to {1} of the steps is not possible: these are fractions, the first at \
         least 0, the second at most 1 and not below the first"
    )]
    GuidanceInterval(f64, f64),
    #[error("computing deep layers every {0} steps is not possible: it must be 1 to {MAX_STEPS}")]
    DeepCache(usize),
    #[error("there is no skip connection {0} to cache below: this model has those from 0 to {1}")]
    DeepCacheBranch(usize, usize),
    #[error("merging a part {0} of the tokens is not possible: it must be from 0 to 0.75")]
    TokenMerging(f64),
    #[error("an eta of {0} is not possible: it must be from 0 to 1")]
    Eta(f64),
    #[error("the sampler `{0}` knows no eta")]
    NoEta(&'static str),
    #[error("the prompt is {0} bytes long: at most {MAX_PROMPT} are read")]
    Prompt(usize),
    #[error(transparent)]
    Sampler(#[from] UnknownSampler),
    #[error(transparent)]
    Schedule(#[from] UnknownSpacing),
    #[error(transparent)]
    Rng(#[from] UnknownRng),
    #[error(transparent)]
    Seed(#[from] SeedTooLarge),
}

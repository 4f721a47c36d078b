//! Why a request is refused.

use aquatint_diffusion::UnknownRng;
use aquatint_diffusion::samplers::UnknownSampler;
use aquatint_diffusion::spacing::UnknownSpacing;
use aquatint_tensor::rng::SeedTooLarge;

use super::{
    Extend, MAX_BLUR, MAX_COUNT, MAX_FRAMES, MAX_PARTS, MAX_PIXELS, MAX_PROMPT, MAX_STEPS, SIZES,
};

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
    #[error("{0}")]
    GuidanceCurve(String),
    #[error("a guidance rescale of {0} is not possible: it must be from 0 to 1")]
    GuidanceRescale(f64),
    #[error("dynamic thresholding at {0} is not possible: it is a part of the values, from 0 to 1")]
    DynamicThresholding(f64),
    #[error("a mimic scale of {0} is not possible: it must be from -100 to 100")]
    MimicScale(f64),
    #[error("rescaled guidance and dynamic thresholding both set the range of values: give one")]
    RescaleAndThresholding,
    #[error("AND joins {0} prompts here: it must be at most {MAX_PARTS}")]
    Parts(usize),
    #[error("a clip skip of 0 is not possible: 1 is the last layer of the text encoder")]
    ClipSkip,
    #[error("a clip skip of {0} is not possible with this model: it must be 1 to {1}")]
    ClipSkipTooMuch(usize, usize),
    #[error("there is no clip skip for this model: its text encoder is not CLIP's")]
    NoClipSkip,
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
    #[error("a subseed strength of {0} is not possible: it must be from 0 to 1")]
    SubseedStrength(f64),
    #[error("a subseed does nothing without --subseed-strength, which is from 0 to 1")]
    NoSubseedStrength,
    #[error("the prompt is {0} bytes long: at most {MAX_PROMPT} are read")]
    Prompt(usize),
    #[error("a prompt mix of {0} is not possible: it must be from 0 to 1")]
    PromptMix(f64),
    #[error("a prompt to go to does nothing without --prompt-mix, which is from 0 to 1")]
    NoPromptMix,
    #[error("a prompt mix does nothing without a prompt to go to: give one with --prompt-to")]
    NoPromptTo,
    #[error(
        "a prompt and the one that it goes to must name the same LoRAs: they change the model for both"
    )]
    OtherLoras,
    #[error(
        "there is nowhere to go: give another prompt with --to, another seed with --to-seed, or both"
    )]
    NowhereToGo,
    #[error(
        "{prompts} prompts and {seeds} seeds to go to do not go together: give as many of one as of the \
         other, or none"
    )]
    Waypoints { prompts: usize, seeds: usize },
    #[error(
        "{frames} pictures are not possible: with {to} places to go to, it must be {least} to {MAX_FRAMES}"
    )]
    Frames { frames: usize, to: usize, least: usize },
    #[error("{0} is what each picture of a journey has of its own: leave it out")]
    OnTheWay(&'static str),
    #[error("a strength of {0} is not possible: it must be from 0 to 1")]
    Strength(f64),
    #[error(
        "a strength of {strength} leaves none of {steps} steps: take more steps, or a strength of 0 \
         for the picture as it is"
    )]
    NoSteps { steps: usize, strength: f64 },
    #[error("a blur of {0} pixels is not possible: it must be from 0 to {MAX_BLUR}")]
    MaskBlur(f64),
    #[error("{0} needs a picture to begin with: give one with --init")]
    WithoutInit(&'static str),
    #[error(
        "the picture has {width}x{height} pixels, which cannot be made: give --width, --height or \
         both, multiples of {step} from {} to {} and {MAX_PIXELS} pixels in all at most",
        SIZES.start(), SIZES.end()
    )]
    InitSize { width: usize, height: usize, step: usize },
    #[error("there is no mask to blur: give one with --mask, or extend the picture")]
    WithoutMask,
    #[error(
        "the mask has {}x{} pixels, but the picture {}x{}: they must be of one size",
        mask.0, mask.1, init.0, init.1
    )]
    MaskSize { mask: (usize, usize), init: (usize, usize) },
    #[error("extending by nothing leaves nothing to do: give a side and pixels")]
    ExtendByNothing,
    #[error("how far a picture is extended says its size: leave out width and height")]
    ExtendAndSize,
    #[error(
        "what is new of an extended picture is its mask: leave out --mask, and fill what is transparent"
    )]
    ExtendAndMask,
    #[error(
        "extended by {extend} the picture has {width}x{height} pixels, which must be multiples of \
         {step}: extend {which} by {more} more"
    )]
    Extended {
        width: usize,
        height: usize,
        step: usize,
        more: usize,
        which: &'static str,
        extend: Extend,
    },
    #[error("a second pass is for pictures that begin with noise: leave out --hires or --init")]
    HiresWithInit,
    #[error("a second pass {0} times as large is not possible: it must be from 1 to 8")]
    HiresScale(f64),
    #[error(
        "the second pass of {}x{} is smaller than the first of {}x{}",
        size.0, size.1, base.0, base.1
    )]
    HiresSmaller { base: (usize, usize), size: (usize, usize) },
    #[error(
        "this model paints into pictures only: give one with --init and what to paint with --mask \
         or --extend"
    )]
    PaintsInOnly,
    #[error("this model reads no words: leave the prompt empty")]
    NoWords,
    #[error(
        "this model draws classes: say which with --class, by name or by a number from 0 to {0}"
    )]
    WhichClass(usize),
    #[error("this model knows no classes: leave out --class")]
    NoClasses,
    #[error("there is no class {0}: this model has those from 0 to {1}")]
    ClassNumber(usize, usize),
    #[error(
        "there is no class `{name}`{}",
        match nearest {
            Some(nearest) => format!("; did you mean `{nearest}`?"),
            None => format!(": give a name or a number from 0 to {last}"),
        }
    )]
    ClassName { name: String, nearest: Option<String>, last: usize },
    #[error("this model enlarges pictures: give one to `aquatint upscale`")]
    EnlargesOnly,
    #[error("this model does not enlarge pictures: give one that does, or none")]
    DoesNotEnlarge,
    #[error("{0} is not for a model that enlarges pictures: leave it out")]
    NotEnlarging(&'static str),
    #[error("a noise level of {0} is not possible: this model knows those from 0 to {1}")]
    NoiseLevel(usize, usize),
    #[error("this model knows no noise levels: leave out --noise-level")]
    NoNoiseLevels,
    #[error(
        "{width}x{height} pixels are too many for this model to enlarge {factor} times: the result \
         may have 1536x1536 pixels, and 2048 on a side"
    )]
    TooLargeToEnlarge { width: usize, height: usize, factor: usize },
    #[error("this model knows no deep cache and no token merging")]
    NoShortcuts,
    #[error(transparent)]
    Sampler(#[from] UnknownSampler),
    #[error(transparent)]
    Schedule(#[from] UnknownSpacing),
    #[error(transparent)]
    Rng(#[from] UnknownRng),
    #[error(transparent)]
    Seed(#[from] SeedTooLarge),
}

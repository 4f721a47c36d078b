//! Less work, for a picture that is a little different.

use aquatint_pipeline::GenerateRequest;

/// What may be left out.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Less work")]
pub struct LessWorkArgs {
    /// Less work for a picture that is a little different
    ///
    /// The same as --dtype bf16 --guidance-interval 0.2..1 --deep-cache 3; each of them can still be
    /// given.
    #[arg(long)]
    pub fast: bool,

    /// Guide only these steps, as fractions of all: 0.2..1 is all but the first fifth [default: 0..1]
    ///
    /// The other steps are half the work.
    #[arg(long, value_name = "START..STOP", value_parser = interval)]
    pub guidance_interval: Option<Interval>,

    /// Compute the deep layers of the U-Net every N steps only (DeepCache) [default: 1]
    #[arg(long, value_name = "N")]
    pub deep_cache: Option<usize>,

    /// Skip connection below which a layer is deep; 0 is the least work [default: 0]
    #[arg(long, value_name = "N")]
    pub deep_cache_branch: Option<usize>,

    /// Merge this part of the pixels during self-attention, 0 to 0.75 (ToMe) [default: 0]
    #[arg(long, value_name = "RATIO", allow_negative_numbers = true)]
    pub token_merging: Option<f64>,
}

impl LessWorkArgs {
    /// The request with what is meant by it.
    pub fn apply(&self, request: GenerateRequest) -> GenerateRequest {
        let request = if self.fast { request.fast() } else { request };
        GenerateRequest {
            guidance_interval: self.guidance_interval.map_or(request.guidance_interval, |i| i.0),
            deep_cache: self.deep_cache.unwrap_or(request.deep_cache),
            deep_cache_branch: self.deep_cache_branch.unwrap_or(request.deep_cache_branch),
            token_merging: self.token_merging.unwrap_or(request.token_merging),
            ..request
        }
    }
}

/// Two fractions of a run. Whether they make sense is the request's business.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval(pub [f64; 2]);

/// "0.2..0.6", or with an end left out.
fn interval(text: &str) -> Result<Interval, String> {
    let end = |text: &str, default: f64| match text {
        "" => Some(default),
        text => text.parse().ok(),
    };
    text.split_once("..")
        .and_then(|(start, stop)| Some(Interval([end(start, 0.0)?, end(stop, 1.0)?])))
        .ok_or_else(|| "it must be two numbers from 0 to 1 such as 0.2..0.6".into())
}

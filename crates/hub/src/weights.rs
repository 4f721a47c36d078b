//! Names of files of weights: which of a part's files hold the same.

/// A file of weights: what is left of its name without the number of its shard.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Weights<'a> {
    pub is_safetensors: bool,
    /// `fp16`, or nothing.
    pub variant: &'a str,
    /// Whether it is one of several, or the list of them.
    pub is_shard: bool,
}

impl<'a> Weights<'a> {
    /// Names that diffusers and transformers give: `model.fp16-00001-of-00002.safetensors`,
    /// `diffusion_pytorch_model.safetensors.index.fp16.json`. Anything else is no such file, above
    /// all what other programs call theirs.
    pub fn parse(name: &'a str) -> Option<Self> {
        let (is_safetensors, [base, after]) = match name.split_once(".safetensors") {
            Some((base, after)) => (true, [base, after]),
            None => name.split_once(".bin").map(|(base, after)| (false, [base, after]))?,
        };
        let index = match after {
            "" => None,
            _ => Some(after.strip_prefix(".index")?.strip_suffix(".json")?),
        };
        let (base, shard) = unnumbered(base);
        let (base, variant) = base.split_once('.').unwrap_or((base, ""));
        // Some number the shards before the variant: `model-00001-of-00002.fp16`.
        let (base, early) = unnumbered(base);
        if !matches!(base, "diffusion_pytorch_model" | "model" | "pytorch_model") {
            return None;
        }
        let variant = match index.map(|index| index.trim_start_matches('.')) {
            Some(late) if variant.is_empty() => late,
            _ => variant,
        };
        Some(Self { is_safetensors, variant, is_shard: shard || early || index.is_some() })
    }
}

/// `model-00001-of-00002` without its number, and whether there was one.
fn unnumbered(base: &str) -> (&str, bool) {
    let cut = || {
        let (rest, of) = base.rsplit_once("-of-")?;
        let (rest, number) = rest.rsplit_once('-')?;
        let digits = |text: &str| text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
        (digits(of) && digits(number)).then_some(rest)
    };
    cut().map_or((base, false), |rest| (rest, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_weights() {
        let parse = |name| {
            Weights::parse(name).map(|w| (w.is_safetensors, w.variant.to_owned(), w.is_shard))
        };
        let some = |safe, variant: &str, shard| Some((safe, variant.to_owned(), shard));
        assert_eq!(parse("model.safetensors"), some(true, "", false));
        assert_eq!(parse("pytorch_model.fp16.bin"), some(false, "fp16", false));
        assert_eq!(parse("model.fp16-00001-of-00002.safetensors"), some(true, "fp16", true));
        assert_eq!(parse("model-00001-of-00002.fp16.safetensors"), some(true, "fp16", true));
        assert_eq!(parse("model.safetensors.index.fp16.json"), some(true, "fp16", true));
        assert_eq!(parse("pytorch_model.bin.index.json"), some(false, "", true));
        for other in ["openvino_model.bin", "model.onnx", "lora.safetensors", "config.json"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}

//! Samplers by name.

use std::fmt;

use super::{SAMPLERS, SamplerInfo};
use crate::names::{nearest, plain};
use crate::spacing::{self, SpacingInfo};

/// The sampler of this name or alias. Capitals do not count, nor does what is neither letter nor
/// digit, but a plus is a p: "DPM++ 2M" is `dpmpp_2m`.
pub fn find(name: &str) -> Result<&'static SamplerInfo, UnknownSampler> {
    let named = SAMPLERS.iter().flat_map(|s| s.names().map(move |name| (name, s)));
    let (exact, sampler) = nearest(named, &plain(name));
    if exact {
        Ok(sampler)
    } else {
        Err(UnknownSampler { name: name.into(), nearest: sampler.name })
    }
}

/// The same for the names of older web UIs, in which a schedule follows the sampler: "DPM++ 2M
/// Karras" is `dpmpp_2m` over `karras`.
pub fn find_with_spacing(
    name: &str,
) -> Result<(&'static SamplerInfo, Option<&'static SpacingInfo>), UnknownSampler> {
    let both = || {
        let (sampler, spacing) = name.trim().rsplit_once(' ')?;
        Some((find(sampler).ok()?, Some(spacing::find(spacing).ok()?)))
    };
    find(name).map(|sampler| (sampler, None)).or_else(|error| both().ok_or(error))
}

/// There is no sampler of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownSampler {
    /// The name that was asked for.
    pub name: String,
    /// The name that looks most like it.
    pub nearest: &'static str,
}

impl fmt::Display for UnknownSampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = SAMPLERS.iter().map(|s| s.name).collect();
        let Self { name, nearest } = self;
        write!(f, "no sampler is called `{name}`; nearest is `{nearest}` of {}", names.join(", "))
    }
}

impl std::error::Error for UnknownSampler {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_by_every_name() {
        for sampler in SAMPLERS {
            for name in sampler.names() {
                assert_eq!(find(name).map(|s| s.name), Ok(sampler.name));
            }
        }
        assert_eq!(find("Euler a").map(|s| s.name), Ok("euler_ancestral"));
        assert_eq!(find("EULER-ANCESTRAL").map(|s| s.name), Ok("euler_ancestral"));
        assert_eq!(find("dpm++ 2m sde").map(|s| s.name), Ok("dpmpp_2m_sde"));
    }

    #[test]
    fn a_schedule_may_follow() {
        let found = |name| {
            let (sampler, spacing) = find_with_spacing(name).ok()?;
            Some((sampler.name, spacing.map(|spacing| spacing.name)))
        };
        assert_eq!(found("DPM++ 2M Karras"), Some(("dpmpp_2m", Some("karras"))));
        assert_eq!(found("DPM++ 3M SDE Exponential"), Some(("dpmpp_3m_sde", Some("exponential"))));
        assert_eq!(found("Euler a"), Some(("euler_ancestral", None)));
        assert_eq!(found("Euler b"), None);
        assert_eq!(found("Karras"), None);
    }

    #[test]
    fn no_name_is_that_of_two() {
        let mut names: Vec<String> =
            SAMPLERS.iter().flat_map(SamplerInfo::names).map(plain).collect();
        names.sort();
        let mine = SAMPLERS.iter().map(|s| {
            let mut names: Vec<String> = s.names().map(plain).collect();
            names.sort();
            names.dedup();
            names.len()
        });
        names.dedup();
        assert_eq!(names.len(), mine.sum::<usize>());
    }

    #[test]
    fn an_unknown_name_gets_the_nearest() {
        let error = find("huen").err().expect("no such sampler");
        assert_eq!(error.nearest, "heun");
        let said = error.to_string();
        let start = "no sampler is called `huen`; nearest is `heun` of ddpm, ddim, plms, euler";
        assert!(said.starts_with(start), "{said}");
    }
}

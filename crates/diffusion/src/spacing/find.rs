//! Spacings by name.

use std::fmt;

use super::{SPACINGS, SpacingInfo};
use crate::names::{nearest, plain};

/// The spacing of this name or alias. Capitals and what is neither letter nor digit do not count.
pub fn find(name: &str) -> Result<&'static SpacingInfo, UnknownSpacing> {
    let named = SPACINGS.iter().flat_map(|s| s.names().map(move |name| (name, s)));
    let (exact, spacing) = nearest(named, &plain(name));
    if exact {
        Ok(spacing)
    } else {
        Err(UnknownSpacing { name: name.into(), nearest: spacing.name })
    }
}

/// There is no spacing of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownSpacing {
    /// The name that was asked for.
    pub name: String,
    /// The name that looks most like it.
    pub nearest: &'static str,
}

impl fmt::Display for UnknownSpacing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = SPACINGS.iter().map(|s| s.name).collect();
        let Self { name, nearest } = self;
        write!(f, "no schedule is called `{name}`; nearest is `{nearest}` of {}", names.join(", "))
    }
}

impl std::error::Error for UnknownSpacing {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_by_every_name() {
        for spacing in SPACINGS {
            for name in spacing.names() {
                assert_eq!(find(name).map(|s| s.name), Ok(spacing.name));
            }
        }
        assert_eq!(find("SGM Uniform").map(|s| s.name), Ok("sgm_uniform"));
    }

    #[test]
    fn an_unknown_name_gets_the_nearest() {
        let error = find("karas").err().expect("no such spacing").to_string();
        assert!(
            error.starts_with("no schedule is called `karas`; nearest is `karras` of leading, ")
        );
    }
}

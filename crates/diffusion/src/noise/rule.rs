//! Whose noise a seed stands for, by name.

use std::fmt;

use aquatint_tensor::RngKind;
use aquatint_tensor::rng::{SeedTooLarge, Stream};

use crate::names::{nearest, plain};

/// How a program makes noise of a seed: in which numbers the noise that a picture begins with, and
/// in which those that samplers add on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoiseRule {
    /// One stream for all of it: diffusers, DiffusionBee.
    One(RngKind),
    /// The web UI's: the same numbers on a GPU, of which k-diffusion's samplers begin with less; see
    /// [`NoiseRule::first_scale`].
    WebUi,
    /// The same with the numbers of the CPU.
    WebUiCpu,
    /// The first noise on the CPU, as everywhere in ComfyUI, and the others from a stream that
    /// begins with the seed again on the GPU.
    ComfyUi,
    /// The same without a GPU: there the second stream begins with the next seed, since it would
    /// draw the first noise again.
    ComfyUiCpu,
}

impl NoiseRule {
    /// Every rule; the default is the first.
    pub const ALL: [Self; 7] = [
        Self::One(RngKind::TorchCpu),
        Self::One(RngKind::TorchCuda),
        Self::One(RngKind::Numpy),
        Self::WebUi,
        Self::WebUiCpu,
        Self::ComfyUi,
        Self::ComfyUiCpu,
    ];

    /// Its name here.
    pub const fn name(self) -> &'static str {
        match self {
            Self::One(kind) => kind.name(),
            Self::WebUi => "web-ui",
            Self::WebUiCpu => "web-ui-cpu",
            Self::ComfyUi => "comfyui",
            Self::ComfyUiCpu => "comfyui-cpu",
        }
    }

    /// What it is called elsewhere: the values of the web UI's "Random number generator source".
    pub const fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::One(RngKind::TorchCuda) => &["cuda"],
            Self::WebUi => &["GPU", "NV", "A1111"],
            Self::WebUiCpu => &["CPU"],
            _ => &[],
        }
    }

    /// Who makes noise like this, for a help text.
    pub const fn used_by(self) -> &'static str {
        match self {
            Self::One(RngKind::TorchCpu) => "diffusers on a CPU",
            Self::One(RngKind::TorchCuda) => "diffusers on a GPU",
            Self::One(RngKind::Numpy) => "DiffusionBee",
            Self::WebUi => "web UI's GPU and NV",
            Self::WebUiCpu => "web UI's CPU",
            Self::ComfyUi => "ComfyUI on a GPU",
            Self::ComfyUiCpu => "ComfyUI without one",
        }
    }

    /// The numbers of the noise that a picture begins with, and of a Brownian path.
    pub const fn first(self) -> RngKind {
        match self {
            Self::One(kind) => kind,
            Self::WebUi => RngKind::TorchCuda,
            Self::WebUiCpu | Self::ComfyUi | Self::ComfyUiCpu => RngKind::TorchCpu,
        }
    }

    /// The numbers of the noise on the way.
    pub const fn later(self) -> RngKind {
        match self {
            Self::ComfyUi => RngKind::TorchCuda,
            _ => self.first(),
        }
    }

    /// The stream of the noise on the way, if it is not the first one that goes on. The web UI
    /// begins a new one if `seed_delta`, its ENSD, is not 0.
    pub(super) fn later_stream(
        self,
        seed: u64,
        seed_delta: u64,
    ) -> Result<Option<Stream>, SeedTooLarge> {
        let begins_at = match (self, seed_delta) {
            (Self::One(_) | Self::WebUi | Self::WebUiCpu, 0) => return Ok(None),
            (Self::ComfyUiCpu, _) => seed.wrapping_add(seed_delta).wrapping_add(1),
            _ => seed.wrapping_add(seed_delta),
        };
        Stream::new(self.later(), begins_at).map(Some)
    }

    /// The rule of this name. Capitals and what is neither letter nor digit do not count.
    ///
    /// # Errors
    /// If there is none, with the nearest.
    pub fn find(name: &str) -> Result<Self, UnknownRng> {
        let named = Self::ALL.iter().flat_map(|rule| {
            let names = [rule.name()].into_iter().chain(rule.aliases().iter().copied());
            names.map(move |name| (name, rule))
        });
        match nearest(named, &plain(name)) {
            (true, rule) => Ok(*rule),
            (false, rule) => Err(UnknownRng { name: name.to_owned(), nearest: rule.name() }),
        }
    }
}

impl Default for NoiseRule {
    fn default() -> Self {
        Self::ALL[0]
    }
}

impl From<RngKind> for NoiseRule {
    fn from(kind: RngKind) -> Self {
        Self::One(kind)
    }
}

impl fmt::Display for NoiseRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no rule for noise of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownRng {
    /// The name that was asked for.
    pub name: String,
    /// The name that looks most like it.
    pub nearest: &'static str,
}

impl fmt::Display for UnknownRng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = NoiseRule::ALL.map(NoiseRule::name).join(", ");
        let Self { name, nearest } = self;
        write!(f, "no random numbers are called `{name}`; nearest is `{nearest}` of {names}")
    }
}

impl std::error::Error for UnknownRng {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_by_every_name() {
        for rule in NoiseRule::ALL {
            assert_eq!(NoiseRule::find(rule.name()), Ok(rule));
            for alias in rule.aliases() {
                assert_eq!(NoiseRule::find(alias), Ok(rule));
            }
        }
        assert_eq!(NoiseRule::find("Torch CUDA"), Ok(RngKind::TorchCuda.into()));
        assert_eq!(NoiseRule::find("ComfyUI"), Ok(NoiseRule::ComfyUi));
        assert_eq!(NoiseRule::default(), RngKind::default().into());
    }

    #[test]
    fn an_unknown_name_gets_the_nearest() {
        let error = NoiseRule::find("torch-gpu").expect_err("no such numbers");
        assert_eq!(
            error.to_string(),
            "no random numbers are called `torch-gpu`; nearest is `torch-cpu` of \
             torch-cpu, torch-cuda, numpy, web-ui, web-ui-cpu, comfyui, comfyui-cpu"
        );
    }
}

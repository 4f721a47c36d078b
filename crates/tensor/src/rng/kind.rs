//! The kinds of random streams, by name.

use std::fmt;

/// Whose random numbers a seed stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RngKind {
    /// PyTorch's generator on a CPU, which diffusers recommends. It reads the low 32 bits of a
    /// seed, so 5 and 2³² + 5 are the same.
    #[default]
    TorchCpu,
    /// PyTorch's generator on a CUDA GPU, the Stable Diffusion web UI's habit. It reads all 64
    /// bits of a seed.
    TorchCuda,
    /// NumPy's `RandomState`, as DiffusionBee uses it. It takes seeds of 32 bits.
    Numpy,
}

impl RngKind {
    /// Every kind; the default is the first.
    pub const ALL: [Self; 3] = [Self::TorchCpu, Self::TorchCuda, Self::Numpy];

    /// Its name here.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TorchCpu => "torch-cpu",
            Self::TorchCuda => "torch-cuda",
            Self::Numpy => "numpy",
        }
    }

    /// Says whether there is a stream of this seed.
    ///
    /// # Errors
    /// If NumPy would refuse it.
    pub fn check_seed(self, seed: u64) -> Result<(), SeedTooLarge> {
        match self {
            Self::Numpy if seed > u32::MAX as u64 => Err(SeedTooLarge { seed }),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for RngKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// NumPy takes seeds of 32 bits and refuses longer ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedTooLarge {
    /// The seed that was asked for.
    pub seed: u64,
}

impl fmt::Display for SeedTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a seed of {} is not possible with numpy: it goes up to {}", self.seed, u32::MAX)
    }
}

impl std::error::Error for SeedTooLarge {}

#[cfg(test)]
mod tests {
    use super::*;

    /// np.random.seed(2**32): "Seed must be between 0 and 2**32 - 1"; torch takes it.
    #[test]
    fn only_numpy_refuses_long_seeds() {
        assert_eq!(RngKind::Numpy.check_seed(u32::MAX as u64), Ok(()));
        let error = RngKind::Numpy.check_seed(1 << 32).expect_err("too long");
        let line = "a seed of 4294967296 is not possible with numpy: it goes up to 4294967295";
        assert_eq!(error.to_string(), line);
        assert_eq!(RngKind::TorchCpu.check_seed(u64::MAX), Ok(()));
        assert_eq!(RngKind::TorchCuda.check_seed(u64::MAX), Ok(()));
    }
}

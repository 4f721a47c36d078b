//! Whether large pictures go through an autoencoder in bands of rows.

/// Whether pictures go through an autoencoder in bands, which takes less memory and more time.
///
/// The numbers are those of the whole picture but for the rounding of sums: statistics are taken
/// over all bands, so unlike overlapping tiles that each have their own there is no seam.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tiling {
    /// From about 768×768 on, by the size of the activations alone.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// Where bands begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Most elements of an activation that is whole in memory.
    pub whole: usize,
    /// Most elements of a band.
    pub band: usize,
}

impl Tiling {
    /// The limits, or none if pictures are always whole.
    pub(super) fn limits(self) -> Option<Limits> {
        // 512 MiB, and 32 MiB.
        let auto = Limits { whole: 1 << 27, band: 1 << 23 };
        match self {
            Self::Auto => Some(auto),
            Self::On => Some(Limits { whole: 0, ..auto }),
            Self::Off => None,
        }
    }
}

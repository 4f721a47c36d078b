//! Which network weights are of, from their names and shapes.

use std::collections::BTreeMap;

use super::{RRDBNetConfig, ResidualDenseConfig, SRVGGNetCompactConfig, Tail};

/// Shapes by name: BasicSR's names for its networks, the names of layers for idealo's.
pub type Shapes<'a> = BTreeMap<&'a str, &'a [usize]>;

/// The most blocks and channels: beyond, layers that hold nothing yet would take memory that no
/// file has to account for.
const MOST: usize = 4096;

/// What a network is built from.
#[derive(Clone, Debug, PartialEq)]
pub enum SuperResolutionConfig {
    /// [`RRDBNet`](super::RRDBNet).
    Rrdb(RRDBNetConfig),
    /// [`SRVGGNetCompact`](super::SRVGGNetCompact).
    Srvgg(SRVGGNetCompactConfig),
    /// [`ResidualDenseNetwork`](super::ResidualDenseNetwork).
    Rdn(ResidualDenseConfig),
}

impl SuperResolutionConfig {
    /// The configuration of the network whose weights these may be: whether they are is for a
    /// strict comparison with what that network wants. Nothing if they are of no network that we
    /// know.
    pub fn of(file: &Shapes) -> Option<Self> {
        let size = |name: &str, axis: usize| {
            let shape = file.get(name).filter(|shape| shape.len() == 4)?;
            Some(shape[axis]).filter(|size| (1..=MOST).contains(size))
        };
        if file.contains_key("F_m1.weight") {
            let (scaled, blocks) =
                (size("UPN3.weight", 0)?, count(file, 1, |d| format!("LFF_{d}")));
            return Some(Self::Rdn(ResidualDenseConfig {
                features: size("F_m1.weight", 0)?,
                growth: size("F_1_1.weight", 0)?,
                layers: count(file, 1, |c| format!("F_1_{c}")),
                blocks: Some(blocks).filter(|&blocks| blocks > 0)?,
                scale: square_root(scaled, 3)?,
            }));
        }
        if file.contains_key("conv_first.weight") {
            let doublings = count(file, 1, |n| format!("conv_up{n}"));
            let hr = size("conv_hr.weight", 0)?;
            let config = RRDBNetConfig {
                num_feat: size("conv_first.weight", 0)?,
                num_block: count(file, 0, |n| format!("body.{n}.rdb1.conv1")),
                num_grow_ch: size("body.0.rdb1.conv1.weight", 0)?,
                unshuffle: square_root(size("conv_first.weight", 1)?, 3)?,
                slope: 0.2,
                tail: Tail::Doubling(doublings),
            };
            if size("conv_last.weight", 1) == Some(3) && doublings == 0 {
                // Keras' rectifiers are zero below zero.
                let tail = Tail::Shuffle(square_root(hr, 3)?);
                return Some(Self::Rrdb(RRDBNetConfig { slope: 0.0, tail, ..config }));
            }
            let whole = (1usize << doublings).is_multiple_of(config.unshuffle);
            return (doublings <= 3 && whole).then_some(Self::Rrdb(config));
        }
        let width = size("body.0.weight", 0)?;
        let layers = count(file, 0, |n| format!("body.{n}"));
        let last = size(&format!("body.{}.weight", layers - 1), 0)?;
        Some(Self::Srvgg(SRVGGNetCompactConfig {
            num_feat: width,
            num_conv: layers.checked_sub(3)? / 2,
            scale: square_root(last, 3)?,
        }))
    }

    /// What people call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rrdb(RRDBNetConfig { tail: Tail::Shuffle(_), .. }) => "RRDN",
            Self::Rrdb(_) => "RRDBNet (ESRGAN)",
            Self::Srvgg(_) => "SRVGGNetCompact (Real-ESRGAN)",
            Self::Rdn(_) => "RDN",
        }
    }
}

/// How many layers there are of these names, from the number `first` on.
fn count(file: &Shapes, first: usize, name: impl Fn(usize) -> String) -> usize {
    let is_there = |n: &usize| file.contains_key(format!("{}.weight", name(*n)).as_str());
    (first..first + MOST).take_while(is_there).count()
}

/// The s with s² · `channels` = `all`.
fn square_root(all: usize, channels: usize) -> Option<usize> {
    (1..=8).find(|s| s * s * channels == all)
}

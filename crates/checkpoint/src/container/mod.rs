//! The kinds of file that weights come in. Each module turns the head of one kind into a
//! [`Manifest`]; the numbers stay where they are until somebody asks for them.

mod gguf;
mod legacy;
mod safetensors;
mod shards;
mod tfjs;
mod torch;
mod views;
pub(crate) mod zip;

use std::fmt;
use std::io;

pub(crate) use shards::open as open_shards;
pub use tfjs::LAYERS;

use crate::source::Source;
use crate::{LoadError, Manifest};

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Container {
    /// A JSON header, then the numbers.
    Safetensors,
    /// `*.index.json`: which tensor is in which of several files.
    ShardIndex,
    /// What `torch.save` writes since version 1.6: a zip archive of a pickle and of the numbers.
    TorchZip,
    /// What `torch.save` wrote before: five pickles, then the numbers.
    TorchLegacy,
    /// The format of ggml, with quantized numbers, as stable-diffusion.cpp writes it.
    Gguf,
    /// `model.json` of TensorFlow.js, a layers model, beside files of raw numbers.
    TfjsLayers,
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "safetensors",
            Self::ShardIndex => "sharded",
            Self::TorchZip => "PyTorch zip",
            Self::TorchLegacy => "PyTorch legacy",
            Self::Gguf => "GGUF",
            Self::TfjsLayers => "TensorFlow.js layers model",
        })
    }
}

impl Container {
    /// What a file is, by its first bytes; the name says nothing. Whatever is not known goes to the
    /// safetensors reader, which finds words for it.
    pub(crate) fn sniff(head: &[u8]) -> Self {
        // A header of safetensors is at most 10⁸ bytes long, so the upper half of its length is
        // zero. No other kind has that and a JSON object's beginning after it.
        if let Some([_, _, _, _, 0, 0, 0, 0, b'{' | b' ' | b'\n' | b'\r' | b'\t']) = head.get(..9) {
            return Self::Safetensors;
        }
        match head {
            [b'P', b'K', 3, 4, ..] => Self::TorchZip,
            [b'G', b'G', b'U', b'F', ..] => Self::Gguf,
            [0x80, 0..=5, _, ..] => Self::TorchLegacy,
            _ if legacy::is_text_pickle(head) => Self::TorchLegacy,
            _ if head.trim_ascii_start().starts_with(b"{") => Self::ShardIndex,
            _ => Self::Safetensors,
        }
    }

    /// The manifest of one file of this kind.
    pub(crate) fn read(self, file: &str, source: &Source) -> Result<Manifest, LoadError> {
        let manifest = match self {
            Self::Safetensors | Self::ShardIndex | Self::TfjsLayers => {
                return safetensors::read(file, source);
            }
            Self::TorchZip => torch::read(source),
            Self::TorchLegacy => legacy::read(source),
            Self::Gguf => gguf::read(source),
        };
        manifest.map_err(|problem| problem.of(file))
    }
}

/// Why a file cannot be used, before its name is added.
#[derive(Debug)]
pub(crate) enum Problem {
    Read(io::Error),
    /// The bytes contradict each other.
    Damaged(String),
    /// The file needs to be so long.
    CutOff {
        promised: u64,
        actual: usize,
    },
    /// A pickle names something that weights have no need of.
    Refused(String),
    /// It is another kind of file, which…
    NotAModel(String),
    /// It is well-formed, and not supported.
    Unusable(String),
}

impl Problem {
    /// A contradiction, in words.
    pub fn damaged<T>(reason: impl Into<String>) -> Result<T, Self> {
        Err(Self::Damaged(reason.into()))
    }

    pub(crate) fn of(self, file: &str) -> LoadError {
        let file = file.to_owned();
        match self {
            Self::Read(source) => LoadError::Read { file, source },
            Self::Damaged(reason) => LoadError::Damaged { file, reason },
            Self::CutOff { promised, actual } => {
                LoadError::CutOff { file, promised, actual: actual as u64 }
            }
            Self::Refused(name) => LoadError::Refused { file, name },
            Self::NotAModel(what) => LoadError::NotAModel { file, what },
            Self::Unusable(reason) => LoadError::Unusable { file, reason },
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_their_first_bytes() {
        for (head, container) in [
            (&b"\x80\x02\0\0\0\0\0\0{\"a\":"[..], Container::Safetensors),
            (b"{\0\0\0\0\0\0\0 {\"a\":", Container::Safetensors),
            (b"PK\x03\x04\0\0\0\0\0\0", Container::TorchZip),
            (b"GGUF\x03\0\0\0", Container::Gguf),
            (b"\x80\x02\x8a\x0a", Container::TorchLegacy),
            (b"cos\nsystem\n(S'ls'\ntR.", Container::TorchLegacy),
            (b"cats\ndogs\nbirds\n", Container::Safetensors),
            (b"\n {\"weight_map\": {", Container::ShardIndex),
            (b"", Container::Safetensors),
            (b"\x89PNG", Container::Safetensors),
        ] {
            assert_eq!(Container::sniff(head), container, "{head:?}");
        }
    }
}

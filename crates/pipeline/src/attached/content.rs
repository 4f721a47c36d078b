//! What is in a file, in short.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use sha2::{Digest, Sha256};

/// By what a file is known again under another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its length.
    pub bytes: u64,
    /// The first twelve digits of the SHA-256 of the file, in a safetensors file of what is behind
    /// its head: the web UI's "Lora hash", Civitai's AutoV3.
    pub hash: String,
}

impl Content {
    /// That of a file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let mut start = [0; 9];
        let head = match file.read_exact(&mut start) {
            Ok(()) => u64::from_le_bytes(start[..8].try_into().unwrap_or_default()),
            Err(_) => 0,
        };
        let safetensors = start[8] == b'{' && head <= bytes.saturating_sub(8);
        file.seek(SeekFrom::Start(if safetensors { 8 + head } else { 0 }))?;
        let (mut sum, mut buffer) = (Sha256::new(), vec![0; 1 << 18]);
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                n => sum.update(&buffer[..n]),
            }
        }
        let hash = sum.finalize()[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { bytes, hash })
    }

    /// Whether this file has it. One of another length is not read.
    pub(super) fn is_of(&self, path: &Path) -> bool {
        path.metadata().is_ok_and(|found| found.len() == self.bytes)
            && Self::of(path).is_ok_and(|content| content == *self)
    }
}

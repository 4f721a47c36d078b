//! The bytes of a file, read piece by piece, so that a model of many gigabytes is never in memory
//! whole.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

/// Bytes that can be asked for by position. Positioned reads share no cursor, so several threads
/// may read from one file at the same time.
pub(crate) enum Source {
    /// A file that is part of the program, or was read by somebody else.
    Memory(Cow<'static, [u8]>),
    /// An open file and its length when it was opened.
    Disk(File, usize),
    /// Several, one after the other, and where each ends.
    Joined(Vec<(Source, usize)>),
}

impl Source {
    /// Opens the file at `path`. What has no length, such as a pipe, is read into memory.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_file() {
            let len = usize::try_from(about.len()).map_err(io::Error::other)?;
            return Ok(Self::Disk(file, len));
        }
        Ok(Self::Memory(std::fs::read(path)?.into()))
    }

    /// Several, one after the other.
    pub fn join(parts: Vec<Self>) -> Self {
        let mut end = 0usize;
        let ends = parts.into_iter().map(|part| {
            end = end.saturating_add(part.len());
            (part, end)
        });
        Self::Joined(ends.collect())
    }

    /// Bytes in all.
    pub fn len(&self) -> usize {
        match self {
            Self::Memory(bytes) => bytes.len(),
            Self::Disk(_, len) => *len,
            Self::Joined(parts) => parts.last().map_or(0, |(_, end)| *end),
        }
    }

    /// The bytes of `range`. Nothing is allocated for a range that the file does not have.
    pub fn read(&self, range: Range<usize>) -> io::Result<Cow<'_, [u8]>> {
        if range.start > range.end || range.end > self.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match self {
            Self::Memory(bytes) => Ok(Cow::Borrowed(&bytes[range])),
            Self::Disk(file, _) => {
                let mut bytes = vec![0; range.len()];
                read_exact_at(file, &mut bytes, range.start as u64)?;
                Ok(Cow::Owned(bytes))
            }
            Self::Joined(parts) => {
                let mut bytes = Vec::new();
                for (part, end) in parts {
                    let start = end - part.len();
                    let (from, to) = (range.start.max(start), range.end.min(*end));
                    if from < to {
                        let here = part.read(from - start..to - start)?;
                        if here.len() == range.len() {
                            return Ok(here);
                        }
                        bytes.extend_from_slice(&here);
                    }
                }
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// The bytes of `range`, in `buffer` if they are not in memory yet: for one piece after another.
    pub fn read_into<'a>(
        &'a self,
        range: Range<usize>,
        buffer: &'a mut Vec<u8>,
    ) -> io::Result<&'a [u8]> {
        match self {
            Self::Disk(file, len) if range.start <= range.end && range.end <= *len => {
                buffer.resize(range.len(), 0);
                read_exact_at(file, buffer, range.start as u64)?;
                Ok(buffer)
            }
            _ => match self.read(range)? {
                Cow::Borrowed(bytes) => Ok(bytes),
                Cow::Owned(bytes) => {
                    *buffer = bytes;
                    Ok(buffer)
                }
            },
        }
    }

    /// The bytes of `range` as far as the file has them.
    pub fn read_up_to(&self, range: Range<usize>) -> io::Result<Cow<'_, [u8]>> {
        self.read(range.start.min(self.len())..range.end.min(self.len()))
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], position: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, position)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut position: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !bytes.is_empty() {
        match file.seek_read(bytes, position) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                bytes = &mut bytes[count..];
                position += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_and_its_bytes_read_alike() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, b"0123456789").unwrap();
        let parts = [&b"012"[..], b"", b"3456", b"789"].map(|part| Source::Memory(part.into()));
        let joined = Source::join(parts.into());
        for source in [Source::open(&path).unwrap(), Source::Memory(b"0123456789".into()), joined] {
            assert_eq!(source.len(), 10);
            assert_eq!(source.read(3..6).unwrap(), &b"345"[..]);
            assert_eq!(source.read(1..9).unwrap(), &b"12345678"[..]);
            assert_eq!(source.read(10..10).unwrap(), &b""[..]);
            assert_eq!(source.read_up_to(8..20).unwrap(), &b"89"[..]);
            let mut buffer = Vec::new();
            assert_eq!(source.read_into(1..9, &mut buffer).unwrap(), b"12345678");
            assert_eq!(source.read_into(3..6, &mut buffer).unwrap(), b"345");
            assert!(source.read_into(8..11, &mut buffer).is_err());
            let end = source.read(8..usize::MAX).unwrap_err();
            assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}

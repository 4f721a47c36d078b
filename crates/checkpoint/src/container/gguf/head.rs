//! Numbers and names, one after the other.

use std::borrow::Cow;

use crate::container::Problem;
use crate::source::Source;

/// The longest name, and the longest text that is read at all.
pub(super) const LONGEST_TEXT: usize = 1 << 16;

/// The head of a file, read a piece ahead.
pub(super) struct Head<'a> {
    source: &'a Source,
    at: usize,
    /// What has been read, and where it begins.
    ahead: (usize, Cow<'a, [u8]>),
}

impl<'a> Head<'a> {
    /// Begins behind the four bytes by which the format is known.
    pub(super) fn after_magic(source: &'a Source) -> Self {
        Self { source, at: 4, ahead: (0, Cow::Borrowed(&[])) }
    }

    /// Where it has come to.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn skip(&mut self, count: u64) -> Result<(), Problem> {
        let end = (self.at as u64).saturating_add(count);
        if end > self.source.len() as u64 {
            return Err(Problem::CutOff { promised: end, actual: self.source.len() });
        }
        self.at = end as usize;
        Ok(())
    }

    pub(super) fn bytes(&mut self, count: u64) -> Result<&[u8], Problem> {
        let start = self.at;
        self.skip(count)?;
        let (from, bytes) = &self.ahead;
        if start < *from || self.at > from + bytes.len() {
            let bytes = self.source.read_up_to(start..self.at.max(start + (1 << 16)))?;
            self.ahead = (start, bytes);
        }
        let (from, bytes) = &self.ahead;
        Ok(&bytes[start - from..self.at - from])
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        let bytes = self.bytes(N as u64)?;
        Ok(bytes.try_into().expect("as many as were asked for"))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Problem> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, Problem> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A name: text that is not long.
    pub(super) fn name(&mut self) -> Result<String, Problem> {
        let len = self.u64()?;
        if len > LONGEST_TEXT as u64 {
            return Problem::damaged(format!("it has a name of {len} bytes"));
        }
        match std::str::from_utf8(self.bytes(len)?) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Problem::damaged("it has a name that is no text"),
        }
    }
}

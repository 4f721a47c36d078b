//! The operands of instructions, and the constants made of them.

use std::ops::Range;

use super::machine::Machine;
use super::{Halt, Value};

impl Machine<'_> {
    pub(super) fn take(&mut self, count: usize) -> Result<Range<usize>, Halt> {
        let end = self.at.checked_add(count).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or(Halt::End)?;
        let range = self.at..end;
        self.at = end;
        Ok(range)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Halt> {
        let range = self.take(N)?;
        Ok(self.bytes[range].try_into().expect("as many as were taken"))
    }

    /// A little-endian number of `N` bytes.
    pub(super) fn length<const N: usize>(&mut self) -> Result<usize, Halt> {
        let range = self.take(N)?;
        let number = self.bytes[range].iter().rev().fold(0u64, |n, &byte| n << 8 | u64::from(byte));
        usize::try_from(number).map_err(|_| Halt::End)
    }

    /// The bytes up to the end of the line.
    pub(super) fn line(&mut self) -> Result<Range<usize>, Halt> {
        let rest = &self.bytes[self.at..];
        let count = rest.iter().position(|&byte| byte == b'\n').ok_or(Halt::End)?;
        let range = self.take(count + 1)?;
        Ok(range.start..range.end - 1)
    }

    pub(super) fn line_as_str(&mut self) -> Result<&str, Halt> {
        let range = self.line()?;
        match std::str::from_utf8(&self.bytes[range]) {
            Ok(text) => Ok(text),
            Err(_) => Halt::malformed("its pickle has a line that is no text"),
        }
    }

    pub(super) fn index_as_text(&mut self) -> Result<u32, Halt> {
        self.line_as_str()?.parse().or(Halt::malformed("its pickle counts in letters"))
    }

    pub(super) fn read_int(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<i64, Halt>,
    ) -> Result<(), Halt> {
        let value = read(self)?;
        self.push(Value::Int(value))
    }

    /// An integer of any length; those beyond 64 bits are nothing that weights need.
    pub(super) fn long(
        &mut self,
        length: impl Fn(&mut Self) -> Result<usize, Halt>,
    ) -> Result<(), Halt> {
        let count = length(self)?;
        let range = self.take(count)?;
        let bytes = &self.bytes[range];
        let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        let value = match wide.get_mut(..bytes.len()) {
            Some(low) => {
                low.copy_from_slice(bytes);
                Value::Int(i64::from_le_bytes(wide))
            }
            None => Value::Opaque,
        };
        self.push(value)
    }

    pub(super) fn int_as_text(&mut self) -> Result<(), Halt> {
        let value = match self.line_as_str()? {
            "00" => Value::Bool(false),
            "01" => Value::Bool(true),
            digits => digits.trim_end_matches('L').parse().map_or(Value::Opaque, Value::Int),
        };
        self.push(value)
    }

    /// `must` says whether it has to be UTF-8: the text of Python 2 may be bytes as well.
    pub(super) fn text(
        &mut self,
        length: impl Fn(&mut Self) -> Result<usize, Halt>,
        must: bool,
    ) -> Result<(), Halt> {
        let count = length(self)?;
        let range = self.take(count)?;
        let value = match std::str::from_utf8(&self.bytes[range.clone()]) {
            Ok(_) => Value::Text(range.start as u32, range.end as u32),
            Err(_) if must => return Halt::malformed("its pickle has text that is not UTF-8"),
            Err(_) => Value::Opaque,
        };
        self.push(value)
    }

    /// Text of protocol 0, which may be in quotes. With escapes in it, it is no name of a tensor.
    pub(super) fn text_line(&mut self, quoted: bool) -> Result<(), Halt> {
        let mut range = self.line()?;
        if quoted && range.len() >= 2 {
            range = range.start + 1..range.end - 1;
        }
        let plain = self.bytes[range.clone()].iter().all(|&b| b != b'\\' && b.is_ascii());
        let text = Value::Text(range.start as u32, range.end as u32);
        self.push(if plain { text } else { Value::Opaque })
    }

    pub(super) fn skip_bytes(
        &mut self,
        length: impl Fn(&mut Self) -> Result<usize, Halt>,
    ) -> Result<(), Halt> {
        let count = length(self)?;
        self.take(count)?;
        self.push(Value::Opaque)
    }
}

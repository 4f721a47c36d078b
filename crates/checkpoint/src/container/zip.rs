//! As much of the zip format as PyTorch's and NumPy's files need: entries that are stored, also
//! beyond 4 GiB, or deflated.
//!
//! The archive is read from the directory at its end (APPNOTE.TXT 6.3.10, §4.3). Checksums are not
//! compared: safetensors has none either, and a model would have to be read twice.

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;

use flate2::bufread::DeflateDecoder;

use super::Problem;
use crate::source::Source;

/// The longest comment that may stand after the end record, and the record.
const TAIL: usize = 65_535 + 22;
/// The value of a 32-bit field whose 64-bit one is elsewhere.
const ELSEWHERE: u64 = 0xffff_ffff;

/// The entries of an archive by name.
pub(crate) struct Archive {
    entries: BTreeMap<String, Stored>,
}

struct Stored {
    /// Where its local header is.
    header: usize,
    size: usize,
    /// Bytes in the file.
    packed: usize,
    method: usize,
}

/// The method of entries that are stored, and of those that are deflated.
const STORED: usize = 0;
const DEFLATED: usize = 8;
/// What deflating saves at most.
const MOST_RATIO: usize = 1032;

impl Archive {
    /// Reads the directory.
    pub fn open(source: &Source) -> Result<Self, Problem> {
        let (start, size, count) = directory(source)?;
        let bytes = source.read(start..start + size)?;
        let mut entries = BTreeMap::new();
        let mut rest = &*bytes;
        for _ in 0..count {
            let (name, entry, after) = record(rest)
                .ok_or_else(|| Problem::Damaged("its zip directory is no directory".into()))?;
            if entry.header.checked_add(entry.packed).is_none_or(|end| end > source.len()) {
                return Problem::damaged(format!("its entry `{name}` reaches beyond its end"));
            }
            if entries.insert(name.clone(), entry).is_some() {
                return Problem::damaged(format!("it has two entries `{name}`"));
            }
            rest = after;
        }
        Ok(Self { entries })
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Where the bytes of an entry are. `None` if there is no such entry.
    pub fn find(&self, source: &Source, name: &str) -> Result<Option<Range<usize>>, Problem> {
        let Some(entry) = self.entries.get(name) else { return Ok(None) };
        if entry.method != STORED || entry.packed != entry.size {
            return Err(Problem::Unusable(format!(
                "its entry `{name}` is compressed, which PyTorch never does; unpack it and zip it \
                 without compression"
            )));
        }
        entry.range(source, name).map(Some)
    }

    /// The bytes of an entry, unpacked. `None` if there is no such entry.
    pub fn unpacked(&self, source: &Source, name: &str) -> Result<Option<Vec<u8>>, Problem> {
        let Some(entry) = self.entries.get(name) else { return Ok(None) };
        let bytes = source.read(entry.range(source, name)?)?;
        match entry.method {
            STORED if entry.packed == entry.size => Ok(Some(bytes.into_owned())),
            // What claims to be larger than it can be is not even allocated.
            DEFLATED if entry.size / MOST_RATIO <= entry.packed => {
                let mut unpacked = Vec::with_capacity(entry.size);
                let mut decoder = DeflateDecoder::new(&*bytes).take(entry.size as u64 + 1);
                match decoder.read_to_end(&mut unpacked) {
                    Ok(len) if len == entry.size => Ok(Some(unpacked)),
                    _ => Problem::damaged(format!("its entry `{name}` cannot be unpacked")),
                }
            }
            DEFLATED | STORED => Problem::damaged(format!("its entry `{name}` has a wrong size")),
            method => Err(Problem::Unusable(format!(
                "its entry `{name}` is compressed by method {method}; save it again with numpy.savez"
            ))),
        }
    }
}

impl Stored {
    /// Where its bytes are.
    fn range(&self, source: &Source, name: &str) -> Result<Range<usize>, Problem> {
        let header = self.header;
        let local = source.read_up_to(header..header.saturating_add(30 + name.len()))?;
        let agrees = local.starts_with(b"PK\x03\x04")
            && u16_at(&local, 26) == Some(name.len())
            && local.get(30..) == Some(name.as_bytes());
        let extra = u16_at(&local, 28).filter(|_| agrees);
        let start = extra.map(|extra| header + 30 + name.len() + extra);
        match start.map(|start| start..start + self.packed) {
            Some(range) if range.end <= source.len() => Ok(range),
            _ => Problem::damaged(format!("its entry `{name}` is not where its directory says")),
        }
    }
}

/// Where the directory is, its size, and how many entries it has.
fn directory(source: &Source) -> Result<(usize, usize, usize), Problem> {
    let len = source.len();
    let from = len.saturating_sub(TAIL);
    let tail = source.read(from..len)?;
    let found = tail.windows(4).rposition(|window| window == b"PK\x05\x06");
    let end = found.map(|at| &tail[at..]).filter(|end| end.len() >= 22);
    let (Some(at), Some(end)) = (found, end) else {
        return Err(Problem::NotAModel(
            "is a zip archive that lacks the directory at its end, as if it were cut off; copy or \
             download it again"
                .into(),
        ));
    };
    let mut count = u16_at(end, 10).unwrap_or(0) as u64;
    let mut size = u32_at(end, 12).unwrap_or(0);
    let mut start = u32_at(end, 16).unwrap_or(0);
    if count == 0xffff || size == ELSEWHERE || start == ELSEWHERE {
        let record = (from + at).checked_sub(20).map(|locator| locator..locator + 20);
        let locator = record.map(|range| source.read(range)).transpose()?;
        let position = locator
            .filter(|bytes| bytes.starts_with(b"PK\x06\x07"))
            .and_then(|bytes| usize::try_from(u64_at(&bytes, 8)?).ok());
        if let Some(position) = position {
            let wide = source.read_up_to(position..position.saturating_add(56))?;
            if !wide.starts_with(b"PK\x06\x06") || wide.len() < 56 {
                return Problem::damaged("its zip directory is not where its end says");
            }
            count = u64_at(&wide, 32).unwrap_or(0);
            size = u64_at(&wide, 40).unwrap_or(0);
            start = u64_at(&wide, 48).unwrap_or(0);
        }
    }
    let fits = start.checked_add(size).is_some_and(|end| end <= (from + at) as u64);
    // A record has 46 bytes at least.
    if !fits || count > size / 46 {
        return Problem::damaged("its zip directory is not where its end says");
    }
    Ok((start as usize, size as usize, count as usize))
}

/// One entry of the directory, and what follows it.
fn record(bytes: &[u8]) -> Option<(String, Stored, &[u8])> {
    if !bytes.starts_with(b"PK\x01\x02") {
        return None;
    }
    let method = u16_at(bytes, 10)?;
    let (packed, size, header) = (u32_at(bytes, 20)?, u32_at(bytes, 24)?, u32_at(bytes, 42)?);
    let (name_len, extra_len) = (u16_at(bytes, 28)?, u16_at(bytes, 30)?);
    let comment_len = u16_at(bytes, 32)?;
    let name = String::from_utf8(bytes.get(46..46 + name_len)?.to_vec()).ok()?;
    let mut extra = bytes.get(46 + name_len..46 + name_len + extra_len)?;
    let after = bytes.get(46 + name_len + extra_len + comment_len..)?;

    // The zip64 field holds those of the three that do not fit, in this order.
    let mut wide = &[][..];
    while extra.len() >= 4 {
        let (kind, len) = (u16_at(extra, 0)?, u16_at(extra, 2)?);
        let field = extra.get(4..4 + len)?;
        if kind == 1 {
            wide = field;
        }
        extra = &extra[4 + len..];
    }
    let mut full = |narrow: u64| {
        if narrow != ELSEWHERE {
            return Some(narrow);
        }
        let value = u64_at(wide, 0)?;
        wide = &wide[8..];
        Some(value)
    };
    let size = full(size)?;
    let packed = full(packed)?;
    let header = full(header)?;
    let stored = Stored {
        header: usize::try_from(header).ok()?,
        size: usize::try_from(size).ok()?,
        packed: usize::try_from(packed).ok()?,
        method,
    };
    Some((name, stored, after))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?).into())
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?).into())
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

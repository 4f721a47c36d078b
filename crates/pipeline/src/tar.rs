//! As much of tar as data sets in shards need (POSIX.1-1988 `ustar`, pax headers, GNU's long
//! names): files one after the other, each with a name and a place.

use std::io::{self, Read, Seek, SeekFrom};

const BLOCK: usize = 512;
/// The longest name that is believed, and the largest file that is read.
const LONGEST_NAME: u64 = 1 << 16;
const LARGEST: u64 = 1 << 29;

/// The files of an archive, in its order.
pub struct Tar<R> {
    reader: R,
    /// Where the reader is, and where it ends.
    at: u64,
    end: u64,
    /// Bytes up to the next header.
    rest: u64,
}

/// A file in an archive: its bytes are there one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TarEntry {
    /// What it is called.
    pub name: String,
    /// Where its first byte is in the archive.
    pub offset: u64,
    /// How many there are.
    pub size: u64,
}

impl<R: Read + Seek> Tar<R> {
    /// An archive from its beginning.
    ///
    /// # Errors
    /// If nothing can be sought in it.
    pub fn new(mut reader: R) -> io::Result<Self> {
        let end = reader.seek(SeekFrom::End(0))?;
        reader.rewind()?;
        Ok(Self { reader, at: 0, end, rest: 0 })
    }

    /// Where the next file is. `None` at the end.
    ///
    /// # Errors
    /// If the archive is damaged or ends early.
    pub fn next_entry(&mut self) -> io::Result<Option<TarEntry>> {
        let (mut long_name, mut long_size) = (None, None);
        loop {
            let rest = std::mem::take(&mut self.rest);
            self.skip(rest)?;
            let mut header = [0; BLOCK];
            if !self.fill(&mut header)? || header.iter().all(|&byte| byte == 0) {
                return Ok(None);
            }
            check(&header)?;
            let size = match long_size.take() {
                Some(size) => size,
                None => number(&header[124..136])?,
            };
            let padded = size.checked_next_multiple_of(BLOCK as u64);
            let padded = padded.ok_or_else(|| damaged("a size in it is impossible"))?;
            match header[156] {
                b'L' => {
                    let name = self.read(size, LONGEST_NAME)?;
                    long_name = Some(text(&name));
                    self.rest = padded - size;
                }
                b'x' => {
                    for (key, value) in records(&self.read(size, LONGEST_NAME)?) {
                        match key.as_str() {
                            "path" => long_name = Some(value),
                            "size" => long_size = value.parse().ok(),
                            _ => {}
                        }
                    }
                    self.rest = padded - size;
                }
                b'0' | 0 | b'7' => {
                    // What is not there must be said now, not when it is asked for.
                    if padded > self.end - self.at {
                        return Err(damaged("it ends early"));
                    }
                    self.rest = padded;
                    let name = long_name.take().unwrap_or_else(|| name(&header));
                    return Ok(Some(TarEntry { name, offset: self.at, size }));
                }
                // Folders, links, and what is about all of the archive.
                _ => {
                    long_name = None;
                    self.rest = padded;
                }
            }
        }
    }

    /// The bytes of the file that [`Tar::next_entry`] found last, once.
    ///
    /// # Errors
    /// If it is larger than 512 MiB, or the archive ends early.
    pub fn bytes(&mut self, entry: &TarEntry) -> io::Result<Vec<u8>> {
        let bytes = self.read(entry.size, LARGEST)?;
        self.rest -= entry.size;
        Ok(bytes)
    }

    /// The next file that `wanted` says is wanted by its name, and its bytes. `None` at the end.
    ///
    /// # Errors
    /// If the archive is damaged or ends early.
    pub fn next_file(
        &mut self,
        wanted: impl Fn(&str) -> bool,
    ) -> io::Result<Option<(String, Vec<u8>)>> {
        while let Some(entry) = self.next_entry()? {
            if wanted(&entry.name) {
                let bytes = self.bytes(&entry)?;
                return Ok(Some((entry.name, bytes)));
            }
        }
        Ok(None)
    }

    /// Whether there was a block; an archive may end without its two empty ones.
    fn fill(&mut self, block: &mut [u8; BLOCK]) -> io::Result<bool> {
        if self.at == self.end {
            return Ok(false);
        }
        if self.end - self.at < BLOCK as u64 {
            return Err(damaged("it ends early"));
        }
        self.reader.read_exact(block)?;
        self.at += BLOCK as u64;
        Ok(true)
    }

    fn read(&mut self, size: u64, most: u64) -> io::Result<Vec<u8>> {
        if size > most {
            return Err(damaged("a file in it is too large"));
        }
        // No memory for what is only claimed.
        if size > self.end - self.at {
            return Err(damaged("it ends early"));
        }
        let mut bytes = vec![0; size as usize];
        self.reader.read_exact(&mut bytes)?;
        self.at += size;
        Ok(bytes)
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        if bytes > self.end - self.at {
            return Err(damaged("it ends early"));
        }
        // Less than the file's length, which fits.
        self.reader.seek_relative(bytes as i64)?;
        self.at += bytes;
        Ok(())
    }
}

fn damaged(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("it is no whole tar archive: {reason}"))
}

/// The sum of the header's bytes, its own place counted as spaces.
fn check(header: &[u8; BLOCK]) -> io::Result<()> {
    let byte = |(i, &b): (usize, &u8)| if (148..156).contains(&i) { 32 } else { u64::from(b) };
    let sum: u64 = header.iter().enumerate().map(byte).sum();
    if number(&header[148..156])? == sum { Ok(()) } else { Err(damaged("a header is wrong")) }
}

/// Octal digits, or GNU's binary form of larger numbers.
fn number(field: &[u8]) -> io::Result<u64> {
    if field[0] & 0x80 != 0 {
        let (high, low) = field.split_at(field.len() - 8);
        let zero = high[0] == 0x80 && high[1..].iter().all(|&byte| byte == 0);
        let value = low.iter().fold(0, |n: u64, &byte| n << 8 | u64::from(byte));
        return if zero { Ok(value) } else { Err(damaged("a number in it is impossible")) };
    }
    let text = text(field);
    match text.trim() {
        "" => Ok(0),
        digits => u64::from_str_radix(digits, 8).map_err(|_| damaged("a number in it is none")),
    }
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

fn name(header: &[u8; BLOCK]) -> String {
    let (name, prefix) = (text(&header[..100]), text(&header[345..500]));
    let ustar = header[257..].starts_with(b"ustar\0") && !prefix.is_empty();
    if ustar { format!("{prefix}/{name}") } else { name }
}

/// "25 path=some/where\n" … of a pax header.
fn records(bytes: &[u8]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while let Some(space) = rest.iter().position(|&byte| byte == b' ') {
        let Ok(len) = text(&rest[..space]).parse::<usize>() else { break };
        let Some(record) = rest.get(space + 1..len) else { break };
        let record = String::from_utf8_lossy(record);
        if let Some((key, value)) = record.trim_end_matches('\n').split_once('=') {
            found.push((key.to_owned(), value.to_owned()));
        }
        rest = &rest[len..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive of these files.
    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, data) in files {
            if name.len() > 100 {
                let record = format!("{} path={name}\n", name.len() + 10);
                assert_eq!(record.len(), name.len() + 10, "three digits");
                entry(&mut bytes, "pax", b'x', record.as_bytes());
            }
            entry(&mut bytes, &name[..name.len().min(100)], b'0', data);
        }
        bytes.extend([0; 2 * BLOCK]);
        bytes
    }

    fn entry(bytes: &mut Vec<u8>, name: &str, kind: u8, data: &[u8]) {
        let mut header = [0; BLOCK];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", data.len()).as_bytes());
        header[156] = kind;
        header[257..263].copy_from_slice(b"ustar\0");
        header[148..156].fill(b' ');
        let sum: u64 = header.iter().map(|&byte| u64::from(byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        bytes.extend(header);
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    }

    fn all(bytes: &[u8]) -> io::Result<Vec<(String, Vec<u8>)>> {
        let mut tar = Tar::new(io::Cursor::new(bytes))?;
        let mut found = Vec::new();
        while let Some(file) = tar.next_file(|name| !name.ends_with(".json"))? {
            found.push(file);
        }
        Ok(found)
    }

    #[test]
    fn files_in_order_without_those_that_are_not_wanted() {
        let long = format!("{}.png", "d/".repeat(60));
        let bytes = archive(&[("a.png", b"one"), ("a.json", &[1; 600]), (&long, &[7; 512])]);
        let found = all(&bytes).unwrap();
        assert_eq!(found, [("a.png".into(), b"one".to_vec()), (long, vec![7; 512])]);
        assert_eq!(all(&[]).unwrap(), []);
    }

    #[test]
    fn a_file_is_where_it_is_said_to_be() {
        let bytes = archive(&[("a.png", b"one"), ("b.txt", &[5; 513]), ("c", b"")]);
        let mut tar = Tar::new(io::Cursor::new(&bytes[..])).unwrap();
        for (name, content) in [("a.png", &b"one"[..]), ("b.txt", &[5; 513]), ("c", b"")] {
            let entry = tar.next_entry().unwrap().unwrap();
            assert_eq!(entry.name, name);
            assert_eq!(&bytes[entry.offset as usize..][..entry.size as usize], content);
            if name != "b.txt" {
                assert_eq!(tar.bytes(&entry).unwrap(), content);
            }
        }
        assert_eq!(tar.next_entry().unwrap(), None);
    }

    #[test]
    fn damaged_archives_are_errors_or_shorter() {
        let bytes = archive(&[("a.png", b"one"), ("b.png", &[1; 600])]);
        for end in 1..3 * BLOCK + 88 {
            if end % BLOCK != 0 || end == BLOCK || end > 2 * BLOCK {
                assert!(all(&bytes[..end]).is_err(), "{end}");
            }
        }
        // What follows the end of the checksum is of no meaning.
        for at in (0..BLOCK).filter(|&at| at != 155) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x55;
            assert!(all(&bytes).is_err(), "{at}");
        }
        let mut huge = bytes;
        huge[124] = 0x80;
        assert!(all(&huge).is_err());
    }
}

//! The parts of a form with files, RFC 7578. Nothing is copied but names.

/// The most parts of one form.
const MOST_PARTS: usize = 64;
/// The most bytes of the head of a part.
const MOST_HEAD: usize = 8192;
/// The longest boundary, RFC 2046.
const MOST_BOUNDARY: usize = 70;

/// A part of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    pub name: String,
    pub bytes: &'a [u8],
}

/// The boundary that a content type names.
pub(super) fn boundary(content_type: &str) -> Option<&str> {
    let mut parameters = content_type.split(';').skip(1);
    let value = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then_some(value.trim())
    })?;
    let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
    (!value.is_empty() && value.len() <= MOST_BOUNDARY).then_some(value)
}

/// The parts of a body, or a sentence about why there are none.
pub(super) fn parts<'a>(body: &'a [u8], boundary: &str) -> Result<Vec<Part<'a>>, &'static str> {
    let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
    // The first one may be at the beginning, without a line before it.
    let mut rest = match body.strip_prefix(&delimiter[2..]) {
        Some(rest) => rest,
        None => split(body, &delimiter).ok_or("the form has no beginning")?.1,
    };
    let mut parts = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Ok(parts);
        }
        // Blanks may follow, and a line ends.
        let blanks = rest.iter().take_while(|&&byte| byte == b' ' || byte == b'\t').count();
        rest = rest[blanks..].strip_prefix(b"\r\n").ok_or("a boundary is not on its own line")?;
        let most = rest.len().min(MOST_HEAD);
        // A part without a head is one without a name.
        let (head, _) = split(&rest[..most], b"\r\n\r\n").ok_or("a part has no end of its head")?;
        let (bytes, after) =
            split(&rest[head.len() + 4..], &delimiter).ok_or("a part of the form has no end")?;
        let name = name(head).ok_or("a part of the form has no name")?;
        parts.push(Part { name, bytes });
        if parts.len() > MOST_PARTS {
            return Err("the form has too many parts");
        }
        rest = after;
    }
}

/// What is before and after the first `at`.
fn split<'a>(bytes: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let mut from = 0;
    while let Some(next) = bytes[from..].iter().position(|&byte| byte == at[0]) {
        let start = from + next;
        if bytes[start..].starts_with(at) {
            return Some((&bytes[..start], &bytes[start + at.len()..]));
        }
        from = start + 1;
    }
    None
}

/// The name in a part's head.
fn name(head: &[u8]) -> Option<String> {
    let head = std::str::from_utf8(head).ok()?;
    let line = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    let mut rest = line.trim().strip_prefix("form-data")?;
    while let Some(parameter) = rest.trim_start().strip_prefix(';') {
        let (name, after) = parameter.split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(after) => quoted(after)?,
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            }
        };
        if name.trim().eq_ignore_ascii_case("name") {
            return Some(value);
        }
        rest = after;
    }
    None
}

/// What is before the closing quote, and what is after it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut value, mut escaped) = (String::new(), false);
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => return Some((value, &text[at + 1..])),
            '\\' if !escaped => escaped = true,
            c => {
                value.push(c);
                escaped = false;
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &[u8] =
        b"preamble\r\n--X\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na \
        cat\r\n--X \t\r\ncontent-type: image/png\r\ncontent-disposition: form-data; \
        filename=\"a;\\\"b\\\".png\"; name=\"image[]\"\r\n\r\n\x89PNG\r\n-X is no \
        end\r\n\r\n--X\r\nContent-Disposition: form-data; name=n\r\n\r\n\r\n--X--\r\nepilogue";

    #[test]
    fn parts_have_names_and_bytes() {
        let parts = parts(FORM, "X").expect("a form");
        let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
        assert_eq!(names, ["prompt", "image[]", "n"]);
        assert_eq!(parts[0].bytes, b"a cat");
        assert_eq!(parts[2].bytes, b"");
    }

    #[test]
    fn boundaries() {
        assert_eq!(boundary("multipart/form-data; boundary=----a"), Some("----a"));
        assert_eq!(boundary("multipart/form-data; charset=x; Boundary=\"a b\""), Some("a b"));
        for none in ["multipart/form-data", "a; boundary=", "a; boundary=\"\"", "a; x=y"] {
            assert_eq!(boundary(none), None, "{none}");
        }
        assert_eq!(boundary(&format!("a; boundary={}", "x".repeat(71))), None);
    }

    /// Whatever is done to a form, there is no panic, and nothing is in two parts.
    #[test]
    fn broken_forms_are_forms_or_sentences() {
        let mut state = 88172645463325252u64;
        let mut chance = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        for end in 0..FORM.len() {
            assert!(parts(&FORM[..end], "X").is_err() || end > FORM.len() - 12, "{end}");
        }
        let tokens: [&[u8]; 8] =
            [b"\r\n", b"--", b"X", b"\"", b";", b"\\", b"name=", b"Content-Disposition: form-data"];
        for _ in 0..20_000 {
            let mut form = FORM.to_vec();
            for _ in 0..1 + chance(8) {
                let at = chance(form.len() + 1);
                match chance(4) {
                    0 => form.truncate(at),
                    1 if at < form.len() => form[at] = chance(256) as u8,
                    2 => drop(form.splice(at..at, tokens[chance(8)].iter().copied())),
                    _ => drop(form.drain(at..(at + chance(20)).min(form.len()))),
                }
            }
            let boundary = ["X", "--", "\r\n", "XX"][chance(4)];
            if let Ok(parts) = parts(&form, boundary) {
                let bytes: usize = parts.iter().map(|p| p.bytes.len() + p.name.len()).sum();
                assert!(bytes <= form.len() && parts.len() <= MOST_PARTS);
            }
        }
        let many = b"\r\n--X\r\nContent-Disposition: form-data; name=a\r\n\r\n".repeat(100_000);
        assert_eq!(parts(&many, "X"), Err("the form has too many parts"));
    }
}

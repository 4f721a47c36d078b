//! Every byte as a character that can be printed, as GPT-2 has it, so that a vocabulary can be a
//! text file: bytes that are printable in Latin-1 stand for themselves, the other 68 for the
//! characters from U+0100 on, in order.

/// The end of a word, as CLIP writes it.
pub const END_OF_WORD: &str = "</w>";

/// The character that stands for a byte.
pub fn char_of(byte: u8) -> char {
    if printable(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|&other| !printable(other)).count() as u32;
    char::from_u32(0x100 + before).expect("68 characters from U+0100 on exist")
}

/// The 512 tokens that CLIP vocabularies begin with, in their order: every byte, printable ones
/// first, then every byte at the end of a word.
pub fn base_tokens() -> Vec<String> {
    let (first, last): (Vec<u8>, Vec<u8>) = (0..=255).partition(|&byte| printable(byte));
    let bytes: Vec<String> =
        first.into_iter().chain(last).map(|byte| char_of(byte).to_string()).collect();
    let ends: Vec<String> = bytes.iter().map(|byte| format!("{byte}{END_OF_WORD}")).collect();
    [bytes, ends].concat()
}

fn printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_characters() {
        assert_eq!(char_of(b'a'), 'a');
        assert_eq!(char_of(0), 'Ā');
        assert_eq!(char_of(b' '), 'Ġ');
        assert_eq!(char_of(0xad), 'Ń');
        assert_eq!(char_of(0xe9), 'é');
    }

    #[test]
    fn every_byte_has_its_own() {
        let mut tokens = base_tokens();
        assert_eq!((tokens[0].as_str(), tokens[93].as_str(), tokens[94].as_str()), ("!", "~", "¡"));
        assert_eq!((tokens[256].as_str(), tokens[511].as_str()), ("!</w>", "Ń</w>"));
        tokens.sort();
        tokens.dedup();
        assert_eq!(tokens.len(), 512);
    }
}

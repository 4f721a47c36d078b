//! The terminal graphics protocol of kitty: a PNG in Base64, in pieces.

use std::collections::BTreeMap;

use aquatint_pipeline::{Picture, png};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The most characters of a piece.
const PIECE: usize = 4096;

/// The picture over so many characters, without moving the cursor. `number` replaces what was drawn
/// under the same.
pub fn draw(picture: &Picture, columns: usize, rows: usize, number: usize) -> String {
    let data = STANDARD.encode(png::encode(picture, &BTreeMap::new()));
    let pieces = data.len().div_ceil(PIECE);
    let mut text = String::with_capacity(data.len() + 32 * pieces);
    for (i, piece) in data.as_bytes().chunks(PIECE).enumerate() {
        let more = u8::from(i + 1 < pieces);
        let what = match i {
            0 => format!("a=T,f=100,q=2,C=1,i={number},c={columns},r={rows},"),
            _ => String::new(),
        };
        text += &format!("\x1b_G{what}m={more};{}\x1b\\", String::from_utf8_lossy(piece));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_a_png() {
        let mut random = 1u32;
        let mut byte = || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 24) as u8
        };
        let rgb = (0..64 * 64 * 3).map(|_| byte()).collect();
        let picture = Picture { width: 64, height: 64, rgb };
        let text = draw(&picture, 20, 10, 3);
        assert!(text.starts_with("\x1b_Ga=T,f=100,q=2,C=1,i=3,c=20,r=10,m=1;"));
        let pieces: Vec<&str> = text.split("\x1b\\").filter(|piece| !piece.is_empty()).collect();
        assert!(pieces.len() > 2 && pieces.last().unwrap().starts_with("\x1b_Gm=0;"));
        let data: String = pieces.iter().map(|piece| piece.split_once(';').unwrap().1).collect();
        assert!(pieces.iter().all(|piece| piece.split_once(';').unwrap().1.len() <= PIECE));
        let bytes = STANDARD.decode(data).expect("Base64");
        assert_eq!(png::decode(&bytes).expect("a PNG").0, picture);
    }
}

//! The background colours that captions name.

/// A named background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    /// The word in captions.
    pub name: &'static str,
    /// sRGB.
    pub rgb: [u8; 3],
}

const fn colour(name: &'static str, red: u8, green: u8, blue: u8) -> Colour {
    Colour { name, rgb: [red, green, blue] }
}

/// All of them. The first, white, is what a caption without a colour means.
pub const COLOURS: [Colour; 10] = [
    colour("white", 255, 255, 255),
    colour("black", 20, 20, 20),
    colour("gray", 160, 160, 160),
    colour("red", 220, 60, 60),
    colour("orange", 245, 160, 60),
    colour("yellow", 250, 225, 90),
    colour("green", 80, 175, 90),
    colour("blue", 80, 130, 220),
    colour("purple", 150, 100, 200),
    colour("pink", 245, 165, 200),
];

/// The index of white in [`COLOURS`].
pub const WHITE: usize = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ten_colours() {
        let listed: Vec<String> = COLOURS
            .iter()
            .map(|Colour { name, rgb: [r, g, b] }| format!("{name} {r},{g},{b}"))
            .collect();
        assert_eq!(
            listed.join(" · "),
            "white 255,255,255 · black 20,20,20 · gray 160,160,160 · red 220,60,60 · \
             orange 245,160,60 · yellow 250,225,90 · green 80,175,90 · blue 80,130,220 · \
             purple 150,100,200 · pink 245,165,200"
        );
        assert_eq!(COLOURS[WHITE].name, "white");
    }
}

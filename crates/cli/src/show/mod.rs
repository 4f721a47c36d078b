//! Pictures in the terminal: while they are made, and when they are done.

mod half_blocks;
mod kitty;
mod sixel;

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use aquatint_pipeline::{LatentPreview, Picture};
use aquatint_tensor::Tensor;
use clap::ValueEnum;

use crate::console;

/// The most columns and rows that a picture takes.
const MOST: (usize, usize) = (120, 40);
/// Rows that are left for what is below the picture.
const BELOW: usize = 4;
/// How long a picture of a step is looked at, at least.
const PAUSE: Duration = Duration::from_millis(100);

/// How pictures get onto the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// The best that the terminal is known to understand
    Auto,
    /// Two pixels a character, which every terminal understands that has colours
    Blocks,
    /// Pixels, in kitty and those that do as it does
    Kitty,
    /// Pixels, in xterm, foot, mlterm, WezTerm and others
    Sixel,
}

/// The place on the screen where pictures are drawn.
pub struct Show {
    way: Way,
    /// Whether characters may have any colour, or one of 256.
    all_colours: bool,
    preview: LatentPreview,
    /// Rows of what is to be drawn over.
    drawn: Cell<usize>,
    /// Pictures that are done.
    done: Cell<usize>,
    last: Cell<Option<Instant>>,
}

impl Way {
    /// The way that is meant, if there is a terminal.
    pub fn found(self) -> Option<Self> {
        let terminal = std::io::stderr().is_terminal();
        terminal.then(|| if self == Self::Auto { best(&variable) } else { self })
    }
}

impl Show {
    /// Shows latents by `preview`.
    pub fn new(way: Way, preview: LatentPreview) -> Self {
        let all_colours = matches!(variable("COLORTERM").as_str(), "truecolor" | "24bit");
        let (drawn, done, last) = (Cell::new(0), Cell::new(0), Cell::new(None));
        Self { way, all_colours, preview, drawn, done, last }
    }

    /// What a step makes of the first picture, over what was there before. `[N, h, w, C]`
    pub fn step(&self, denoised: &Tensor, around: impl FnOnce(&dyn Fn())) {
        if self.last.get().is_some_and(|last| last.elapsed() < PAUSE) {
            return;
        }
        let picture = &self.preview.pictures(&denoised.narrow_rows(0, 1))[0];
        around(&|| self.draw(picture));
        self.last.set(Some(Instant::now()));
    }

    /// A picture that is done, over what a step made of it.
    pub fn finished(&self, picture: &Picture) {
        self.draw(picture);
        self.drawn.set(0);
        self.last.set(None);
        self.done.set(self.done.get() + 1);
    }

    fn draw(&self, picture: &Picture) {
        let screen = ::console::Term::stderr().size_checked();
        let (rows, columns) =
            screen.map_or((24, 80), |(rows, columns)| (rows.into(), columns.into()));
        let (columns, rows) = cells([picture.width, picture.height], [columns, rows]);
        let up = match self.drawn.replace(rows) {
            0 => String::new(),
            drawn if drawn == rows => format!("\x1b[{drawn}A\r"),
            // Some terminals keep what is erased to scroll back to.
            drawn => format!("\x1b[{drawn}A\r\x1b[J"),
        };
        let drawing = match self.way {
            Way::Kitty => {
                beside_text(rows, &kitty::draw(picture, columns, rows, self.done.get() + 1))
            }
            Way::Sixel => beside_text(rows, &sixel::draw(picture, columns, rows)),
            Way::Auto | Way::Blocks => half_blocks::draw(picture, columns, rows, self.all_colours),
        };
        console::draw(&(up + &drawing));
    }
}

/// Makes room for so many rows, draws from the first one's beginning, and goes below the last.
fn beside_text(rows: usize, drawing: &str) -> String {
    format!("{}\x1b[{rows}A\x1b7{drawing}\x1b8\x1b[{rows}B\r", "\n".repeat(rows))
}

/// Columns and rows for a picture of this size, on a screen of so many: twice as high as wide, as
/// characters are.
fn cells(size: [usize; 2], screen: [usize; 2]) -> (usize, usize) {
    let most_columns = screen[0].saturating_sub(1).clamp(1, MOST.0) as f64;
    let most_rows = screen[1].saturating_sub(BELOW).clamp(1, MOST.1) as f64;
    let ratio = 2.0 * size[0].max(1) as f64 / size[1].max(1) as f64;
    let rows = most_rows.min(most_columns / ratio).max(1.0);
    let columns = (rows * ratio).min(most_columns).max(1.0);
    (columns.round() as usize, rows.round() as usize)
}

/// The way that a terminal with these variables understands.
fn best(variable: &dyn Fn(&str) -> String) -> Way {
    let (term, program) = (variable("TERM"), variable("TERM_PROGRAM").to_lowercase());
    // What is between takes pixels away.
    if !variable("TMUX").is_empty() || term.starts_with("screen") || term.starts_with("tmux") {
        return Way::Blocks;
    }
    let kitty = term == "xterm-kitty" || term == "xterm-ghostty" || program == "ghostty";
    if kitty || !variable("KITTY_WINDOW_ID").is_empty() {
        return Way::Kitty;
    }
    let sixel = ["foot", "mlterm", "contour", "yaft"].iter().any(|name| term.starts_with(name));
    let pixels = !variable("KONSOLE_VERSION").is_empty() || program == "wezterm";
    if sixel || term.contains("sixel") || pixels { Way::Sixel } else { Way::Blocks }
}

#[allow(clippy::disallowed_methods, reason = "what a terminal can do is only there to be read")]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_keep_their_ratio_and_fit() {
        assert_eq!(cells([512, 512], [80, 24]), (40, 20));
        assert_eq!(cells([1024, 128], [81, 24]), (80, 5));
        assert_eq!(cells([64, 2048], [80, 24]), (1, 20));
        assert_eq!(cells([512, 512], [300, 100]), (80, 40));
        assert_eq!(cells([512, 512], [1, 1]), (1, 1));
    }

    #[test]
    fn terminals_are_known_by_their_variables() {
        let way = |known: &[(&str, &str)]| {
            best(&|name| {
                let value = known.iter().find(|(n, _)| *n == name);
                value.map_or(String::new(), |(_, value)| (*value).into())
            })
        };
        assert_eq!(way(&[("TERM", "xterm-256color")]), Way::Blocks);
        assert_eq!(way(&[("TERM", "xterm-kitty")]), Way::Kitty);
        assert_eq!(way(&[("TERM", "xterm-kitty"), ("TMUX", "/tmp/x")]), Way::Blocks);
        assert_eq!(way(&[("TERM", "tmux-256color"), ("KITTY_WINDOW_ID", "1")]), Way::Blocks);
        assert_eq!(way(&[("TERM", "foot-extra")]), Way::Sixel);
        assert_eq!(way(&[("TERM_PROGRAM", "WezTerm")]), Way::Sixel);
        assert_eq!(way(&[]), Way::Blocks);
    }

    #[test]
    fn what_is_drawn_with_pixels_leaves_the_cursor_below() {
        assert_eq!(beside_text(2, "X"), "\n\n\x1b[2A\x1b7X\x1b8\x1b[2B\r");
    }
}

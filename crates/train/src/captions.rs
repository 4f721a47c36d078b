//! What a drawing can be called: "{style} emoji of {label}[, {tags}][, {colour} background]".
//!
//! A model that only ever saw whole captions would not know what to do with half of one, so some
//! draws leave something out. A caption that names no colour means a white background.

use aquatint_tensor::Rng;

use crate::colours::{COLOURS, WHITE};
use crate::data::Drawing;

/// Which parts a caption has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// "{style} emoji of {label}, {colour} background"
    Plain,
    /// "{style} emoji of {label}, {1-3 tags}, {colour} background"
    WithTags,
    /// "emoji of {label}[, {1-3 tags}], {colour} background"
    WithoutStyle,
    /// "{style} emoji of {label}[, {1-3 tags}]"; the background is white
    WithoutColour,
    /// "{1-3 tags}, {colour} background"
    OnlyTags,
}

impl Form {
    /// Draws a form: half of the draws are plain.
    pub fn draw(rng: &mut Rng) -> Self {
        match rng.below(20) {
            0..10 => Self::Plain,
            10..14 => Self::WithTags,
            14..16 => Self::WithoutStyle,
            16..18 => Self::WithoutColour,
            _ => Self::OnlyTags,
        }
    }

    /// Whether a caption of this form says what colour the background has.
    pub fn names_colour(self) -> bool {
        self != Self::WithoutColour
    }
}

/// The caption "{style} emoji of {label}, {colour} background", with what `drawing` knows of that.
pub fn plain(drawing: &Drawing, colour: usize) -> String {
    join(subject(drawing, true), &[], Some(colour))
}

/// A caption of the given form; which tags it mentions is drawn.
///
/// `colour` is an index in [`COLOURS`]; a form without a colour asks for [`WHITE`].
///
/// # Panics
/// If the form names no colour and `colour` is not white.
#[track_caller]
pub fn write(drawing: &Drawing, form: Form, colour: usize, rng: &mut Rng) -> String {
    assert!(form.names_colour() || colour == WHITE, "no colour in a caption means white");
    match form {
        Form::Plain => plain(drawing, colour),
        Form::WithTags => {
            let tags = some_tags(drawing, rng);
            join(subject(drawing, true), &tags, Some(colour))
        }
        Form::WithoutStyle => {
            let tags = if rng.below(2) == 0 { some_tags(drawing, rng) } else { Vec::new() };
            join(subject(drawing, false), &tags, Some(colour))
        }
        Form::WithoutColour => {
            let tags = if rng.below(2) == 0 { some_tags(drawing, rng) } else { Vec::new() };
            join(subject(drawing, true), &tags, None)
        }
        Form::OnlyTags => {
            let tags = some_tags(drawing, rng);
            if tags.is_empty() {
                return join(subject(drawing, false), &[], Some(colour));
            }
            join(String::new(), &tags, Some(colour))
        }
    }
}

/// A caption and the background that it asks for, both drawn.
pub fn draw(drawing: &Drawing, rng: &mut Rng) -> (String, usize) {
    let form = Form::draw(rng);
    let colour = if form.names_colour() { rng.below(COLOURS.len()) } else { WHITE };
    (write(drawing, form, colour, rng), colour)
}

/// What the picture is of. Without a label, its text has to say that.
fn subject(drawing: &Drawing, with_style: bool) -> String {
    match (&drawing.label, &drawing.style_word) {
        (Some(label), Some(style)) if with_style => format!("{style} emoji of {label}"),
        (Some(label), _) => format!("emoji of {label}"),
        (None, _) => drawing.text.clone(),
    }
}

/// One to three of the tags, in the order drawn; none if the drawing has none.
fn some_tags<'a>(drawing: &'a Drawing, rng: &mut Rng) -> Vec<&'a str> {
    if drawing.tags.is_empty() {
        return Vec::new();
    }
    let count = (1 + rng.below(3)).min(drawing.tags.len());
    let mut tags: Vec<&str> = drawing.tags.iter().map(String::as_str).collect();
    rng.shuffle(&mut tags);
    tags.truncate(count);
    tags
}

fn join(subject: String, tags: &[&str], colour: Option<usize>) -> String {
    let colour = colour.map(|colour| format!("{} background", COLOURS[colour].name));
    let parts = [subject.as_str()].into_iter().chain(tags.iter().copied()).chain(colour.as_deref());
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sunflower() -> Drawing {
        Drawing {
            text: "noto emoji of sunflower, white background".into(),
            style_word: Some("noto".into()),
            label: Some("sunflower".into()),
            tags: vec!["garden".into(), "plant".into()],
            ..Drawing::default()
        }
    }

    #[test]
    fn every_form() {
        let mut rng = Rng::new(0);
        let mut write = |form, colour| write(&sunflower(), form, colour, &mut rng);
        assert_eq!(write(Form::Plain, 7), "noto emoji of sunflower, blue background");
        let tags = write(Form::WithTags, 3);
        assert!(
            [
                "noto emoji of sunflower, garden, red background",
                "noto emoji of sunflower, plant, red background",
                "noto emoji of sunflower, garden, plant, red background",
                "noto emoji of sunflower, plant, garden, red background",
            ]
            .contains(&tags.as_str()),
            "{tags}"
        );
        assert!(write(Form::WithoutStyle, 0).starts_with("emoji of sunflower, "));
        let colourless = write(Form::WithoutColour, WHITE);
        assert!(colourless.starts_with("noto emoji of sunflower"));
        assert!(!colourless.contains("background"));
        let only_tags = write(Form::OnlyTags, 1);
        assert!(!only_tags.contains("sunflower") && only_tags.ends_with("black background"));
    }

    #[test]
    fn a_text_stands_in_for_a_missing_label() {
        let photo = Drawing { text: "a red bicycle".into(), ..Drawing::default() };
        assert_eq!(plain(&photo, WHITE), "a red bicycle, white background");
    }

    #[test]
    fn half_of_the_captions_are_plain_and_the_colour_is_the_one_named() {
        let (mut rng, drawing) = (Rng::new(1), sunflower());
        let mut plain_ones = 0;
        for _ in 0..2000 {
            let (caption, colour) = draw(&drawing, &mut rng);
            plain_ones += usize::from(caption == plain(&drawing, colour));
            match caption.strip_suffix(" background") {
                Some(rest) => assert!(rest.ends_with(COLOURS[colour].name), "{caption}"),
                None => assert_eq!(colour, WHITE),
            }
        }
        assert!((900..1100).contains(&plain_ones), "{plain_ones} of 2000 are plain");
    }

    #[test]
    fn the_same_stream_draws_the_same_captions() {
        let captions = |seed| {
            let mut rng = Rng::new(seed);
            (0..20).map(|_| draw(&sunflower(), &mut rng)).collect::<Vec<_>>()
        };
        assert_eq!(captions(5), captions(5));
        assert_ne!(captions(5), captions(6));
    }
}

//! From picture to picture: requests between requests, each of which can be made alone.

use super::{GenerateRequest, RequestError};
use crate::take_loras;

/// The most pictures of a journey.
pub const MAX_FRAMES: usize = 1000;

/// Where to go from a request: other prompts, other seeds, or both, one after the other.
///
/// What the text encoders say of two prompts is joined by straight lines, the noise of two seeds by
/// arcs, as `subseed` does it. The pictures at these places are those that a request without any of
/// it makes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Travel {
    /// The prompts to go to. Without any, the prompt stays.
    pub prompts: Vec<String>,
    /// The seeds to go to. Without any, the seed stays.
    pub seeds: Vec<u64>,
    /// How many pictures there are in all.
    pub frames: usize,
    /// Whether it goes back to the beginning, whose picture is not made again.
    pub closed: bool,
}

impl Travel {
    /// The request of every picture, the first of which is `request`.
    ///
    /// # Errors
    /// If there is nowhere to go, or not in so many pictures; or a picture is not possible.
    pub fn of(&self, request: &GenerateRequest) -> Result<Vec<GenerateRequest>, RequestError> {
        let (prompts, seeds) = (self.prompts.len(), self.seeds.len());
        let to = prompts.max(seeds);
        if to == 0 {
            return Err(RequestError::NowhereToGo);
        }
        if prompts.min(seeds) != 0 && prompts != seeds {
            return Err(RequestError::Waypoints { prompts, seeds });
        }
        let (frames, least) = (self.frames, to + 1);
        if !(least..=MAX_FRAMES).contains(&frames) {
            return Err(RequestError::Frames { frames, to, least });
        }
        if request.prompt_to.is_some() || request.prompt_mix != 0.0 {
            return Err(RequestError::OnTheWay("a prompt mix"));
        }
        if seeds > 0 && request.subseed_strength != 0.0 {
            return Err(RequestError::OnTheWay("a subseed"));
        }
        if request.count != 1 {
            return Err(RequestError::OnTheWay("a number of pictures"));
        }
        let loras = |prompt: &str| take_loras(prompt).1;
        if self.prompts.iter().any(|prompt| loras(prompt) != loras(&request.prompt)) {
            return Err(RequestError::OtherLoras);
        }
        // In whole numbers, so that the pictures of the places are met exactly.
        let (legs, whole) = if self.closed { (to + 1, frames) } else { (to, frames - 1) };
        let frame = |i: usize| self.between(request, i * legs / whole, (i * legs % whole, whole));
        let frames: Vec<GenerateRequest> = (0..frames).map(frame).collect();
        frames.iter().try_for_each(GenerateRequest::validate)?;
        Ok(frames)
    }

    /// The request so far after a place.
    fn between(
        &self,
        request: &GenerateRequest,
        place: usize,
        (far, whole): (usize, usize),
    ) -> GenerateRequest {
        let places = self.prompts.len().max(self.seeds.len()) + 1;
        // The first place is the request's.
        let prompt = |place: usize| match (place % places).checked_sub(1) {
            Some(i) if !self.prompts.is_empty() => &self.prompts[i],
            _ => &request.prompt,
        };
        let seed = |place: usize| match (place % places).checked_sub(1) {
            Some(i) if !self.seeds.is_empty() => self.seeds[i],
            _ => request.seed,
        };
        let mut frame = request.clone();
        frame.prompt.clone_from(prompt(place));
        frame.seed = seed(place);
        if far == 0 {
            return frame;
        }
        // In as many digits as people read, and as JSON keeps to the bit.
        let part = (far as f64 / whole as f64 * 1e6).round() / 1e6;
        if prompt(place) != prompt(place + 1) {
            (frame.prompt_to, frame.prompt_mix) = (Some(prompt(place + 1).clone()), part);
        }
        if seed(place) != seed(place + 1) {
            (frame.subseed, frame.subseed_strength) = (seed(place + 1), part);
        }
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> GenerateRequest {
        GenerateRequest { prompt: "a".into(), seed: 7, ..Default::default() }
    }

    fn travel(prompts: &[&str], seeds: &[u64], frames: usize) -> Travel {
        let prompts = prompts.iter().map(|&prompt| prompt.to_owned()).collect();
        Travel { prompts, seeds: seeds.to_vec(), frames, closed: false }
    }

    /// Prompt, the one to go to and how far; seed, the one to go to and how far.
    fn told(frame: &GenerateRequest) -> String {
        let GenerateRequest { prompt, prompt_to, prompt_mix, .. } = frame;
        let GenerateRequest { seed, subseed, subseed_strength, .. } = frame;
        let to = prompt_to.as_deref().unwrap_or("-");
        format!("{prompt} {to} {prompt_mix} {seed} {subseed} {subseed_strength}")
    }

    fn all(travel: &Travel) -> Vec<String> {
        travel.of(&start()).expect("possible").iter().map(told).collect()
    }

    #[test]
    fn places_are_met() {
        let frames = all(&travel(&["b", "c"], &[], 5));
        let expected =
            ["a - 0 7 0 0", "a b 0.5 7 0 0", "b - 0 7 0 0", "b c 0.5 7 0 0", "c - 0 7 0 0"];
        assert_eq!(frames, expected);
        let frames = all(&travel(&["b"], &[9], 3));
        assert_eq!(frames, ["a - 0 7 0 0", "a b 0.5 7 9 0.5", "b - 0 9 0 0"]);
        let frames = all(&travel(&["b", "c"], &[9, 9], 4));
        let between = "a b 0.666667 7 9 0.666667";
        assert_eq!(frames, ["a - 0 7 0 0", between, "b c 0.333333 9 0 0", "c - 0 9 0 0"]);
        let back = Travel { closed: true, ..travel(&[], &[8], 4) };
        assert_eq!(all(&back), ["a - 0 7 0 0", "a - 0 7 8 0.5", "a - 0 8 0 0", "a - 0 8 7 0.5"]);
    }

    #[test]
    fn what_is_no_journey() {
        let refused = |travel: &Travel| travel.of(&start()).unwrap_err().to_string();
        assert!(refused(&travel(&[], &[], 5)).starts_with("there is nowhere to go"));
        assert!(refused(&travel(&["b", "c"], &[1], 5)).starts_with("2 prompts and 1 seeds"));
        let error = refused(&travel(&["b", "c"], &[], 2));
        let expected = "2 pictures are not possible: with 2 places to go to, it must be 3 to 1000";
        assert_eq!(error, expected);
        assert!(refused(&travel(&["b"], &[], 1001)).starts_with("1001 pictures"));
        assert!(refused(&travel(&["b <lora:x:1>"], &[], 2)).contains("same LoRAs"));
        for (what, request) in [
            ("mix", GenerateRequest { prompt_mix: 0.5, ..start() }),
            ("subseed", GenerateRequest { subseed_strength: 0.5, ..start() }),
            ("number", GenerateRequest { count: 2, ..start() }),
        ] {
            let error = travel(&["b"], &[1], 3).of(&request).unwrap_err().to_string();
            assert!(error.contains(what) && error.ends_with("leave it out"), "{error}");
        }
    }
}

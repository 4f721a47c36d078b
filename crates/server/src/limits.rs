//! How much may be asked for, in one place.
//!
//! What multiplies work is limited one by one, and so is the product: the cost of a request is
//! counted in pixels that are denoised once, pixels × steps × pictures × passes of the network.

use std::time::Duration;

use aquatint_pipeline::{GenerateRequest, Plan, request};

use crate::Refusal;

/// How much may be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Pixels of one picture that is made by diffusion, and of one that is to be enlarged.
    pub pixels: usize,
    /// Sampling steps of one picture.
    pub steps: usize,
    /// Pictures of one request.
    pub count: usize,
    /// The cost of one request.
    pub cost: u64,
    /// Requests that wait.
    pub queue: usize,
    /// The cost of all that wait.
    pub queue_cost: u64,
    /// Bytes of the body of one request.
    pub body_bytes: usize,
    /// Bytes of all bodies that are in memory at once.
    pub all_bodies: usize,
    /// Pixels of a picture that is sent along.
    pub input_pixels: usize,
    /// Connections at once.
    pub connections: usize,
    /// How long a client may take to send the head of a request.
    pub head_timeout: Duration,
    /// How long a client may take to send its body.
    pub body_timeout: Duration,
    /// How long those who listen to events hear nothing, at most.
    pub heartbeat: Duration,
    /// Ended jobs whose events and previews are kept in memory.
    pub recent: usize,
    /// Bytes of the previews that are kept in memory.
    pub preview_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let pixels = request::MAX_PIXELS;
        Self {
            pixels,
            steps: 150,
            count: 16,
            // Four of the largest pictures with 50 steps and guidance.
            cost: pixels as u64 * 400,
            queue: 16,
            queue_cost: pixels as u64 * 400 * 4,
            body_bytes: 32 << 20,
            all_bodies: 128 << 20,
            input_pixels: 16 << 20,
            connections: 256,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            heartbeat: Duration::from_secs(10),
            recent: 50,
            preview_bytes: 64 << 20,
        }
    }
}

impl Limits {
    /// Looks at the numbers in a request that say how much it is.
    ///
    /// # Errors
    /// If one is larger than allowed here.
    pub fn check(&self, request: &GenerateRequest) -> Result<(), Refusal> {
        let hires = request.hires.as_ref().and_then(|hires| hires.steps).unwrap_or(0);
        let steps = request.steps.max(hires);
        if steps > self.steps {
            let most = self.steps;
            return Err(Refusal::too_large(format!(
                "{steps} steps are too many: this server takes at most {most}"
            ))
            .about("steps"));
        }
        if request.count > self.count {
            let (count, most) = (request.count, self.count);
            return Err(Refusal::too_large(format!(
                "{count} pictures are too many for one request: this server makes at most {most}"
            ))
            .about("count"));
        }
        if let (Some(width), Some(height)) = (request.width, request.height) {
            self.check_pixels(width, height)?;
        }
        Ok(())
    }

    /// Looks at the size of a picture that is to be made.
    ///
    /// # Errors
    /// If it is larger than allowed here.
    pub fn check_pixels(&self, width: usize, height: usize) -> Result<(), Refusal> {
        let most = self.pixels;
        if width.saturating_mul(height) > most {
            return Err(Refusal::too_large(format!(
                "{width}x{height} is too large: this server makes pictures of at most {most} pixels"
            ))
            .about("width"));
        }
        Ok(())
    }

    /// Looks at the size of a picture that was sent, before it is decoded.
    ///
    /// # Errors
    /// If it is larger than allowed here.
    pub fn check_input(&self, width: usize, height: usize) -> Result<(), Refusal> {
        let most = self.input_pixels;
        if width.saturating_mul(height) > most {
            return Err(Refusal::too_large(format!(
                "the picture has {width}x{height} pixels: this server reads at most {most}"
            )));
        }
        Ok(())
    }

    /// Looks at the whole of a request.
    ///
    /// # Errors
    /// If it is more than allowed here.
    pub fn check_cost(&self, cost: u64) -> Result<(), Refusal> {
        if cost > self.cost {
            let percent = (cost as f64 / self.cost as f64 * 100.0).ceil();
            return Err(Refusal::too_large(format!(
                "this request is {percent} % of the most work that this server takes at once: ask \
                 for fewer pixels, steps or pictures"
            )));
        }
        Ok(())
    }
}

/// What a request costs that comes to `plan`; `guided` says whether there is anything to be guided
/// away from.
pub(crate) fn cost(request: &GenerateRequest, plan: &Plan, guided: bool) -> u64 {
    let pixels = (plan.size.0 * plan.size.1) as u64;
    // Each prompt that AND joins is a pass more in every step.
    let prompts = 1 + request.prompt.matches(" AND ").count() as u64;
    let passes = prompts + u64::from(guided && request.guidance_scale != 1.0);
    // What is decoded costs about as much as two steps.
    let steps = plan.steps as u64 * passes + 2;
    pixels.saturating_mul(steps).saturating_mul(request.count as u64)
}

/// What it costs to enlarge a picture by a network in one pass.
pub(crate) fn enlarging_cost(width: usize, height: usize, scale: usize) -> u64 {
    (width * height * scale * scale) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_said() {
        let limits = Limits { steps: 20, count: 2, pixels: 64 * 64, ..Default::default() };
        let request = |steps, count, side| GenerateRequest {
            steps,
            count,
            width: Some(side),
            height: Some(side),
            ..Default::default()
        };
        assert_eq!(limits.check(&request(20, 2, 64)), Ok(()));
        for (request, word) in [
            (request(21, 1, 64), "21 steps are too many"),
            (request(1, 3, 64), "3 pictures are too many"),
            (request(1, 1, 128), "128x128 is too large"),
        ] {
            let refusal = limits.check(&request).expect_err(word);
            assert!(refusal.message.contains(word), "{}", refusal.message);
            assert_eq!(refusal.status().as_u16(), 413);
        }
        assert!(limits.check_cost(limits.cost).is_ok());
        let refusal = limits.check_cost(2 * limits.cost).expect_err("twice as much");
        assert!(refusal.message.starts_with("this request is 200 %"), "{}", refusal.message);
    }
}

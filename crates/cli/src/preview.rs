//! How a picture came to be: its latents after each of about ten steps.

use std::cell::{Cell, RefCell};

use aquatint_pipeline::{GenerateError, Picture, contact_sheet, resize};
use aquatint_tensor::Tensor;

/// Pictures on a preview, if there are as many steps.
const FRAMES: usize = 10;
const COLUMNS: usize = 5;

/// Collects the latents of the first picture while it is made.
pub struct Preview {
    total: usize,
    done: Cell<usize>,
    /// Whether the latents that the U-Net sees next are wanted.
    wanted: Cell<bool>,
    frames: RefCell<Vec<Tensor>>,
}

impl Preview {
    pub fn new(total: usize) -> Self {
        let (done, wanted) = (Cell::new(0), Cell::new(false));
        Self { total, done, wanted, frames: RefCell::default() }
    }

    /// One more step was taken.
    pub fn step(&self) {
        self.done.set(self.done.get() + 1);
        self.wanted.set(is_frame(self.done.get(), self.total));
    }

    /// The U-Net is about to see these latents: those after the step that was taken last.
    pub fn look(&self, latents: &Tensor) {
        if self.wanted.replace(false) {
            self.frames.borrow_mut().push(latents.narrow_rows(0, 1));
        }
    }

    /// The sheet of what was collected, and the finished latents. Frames of a first pass are
    /// enlarged to the size of the second.
    pub fn sheet(
        &self,
        finished: &Tensor,
        decode: &dyn Fn(&Tensor) -> Result<Vec<Picture>, GenerateError>,
    ) -> Result<Picture, GenerateError> {
        let mut frames = self.frames.take();
        frames.push(finished.narrow_rows(0, 1));
        let mut pictures = Vec::with_capacity(frames.len());
        for latents in &frames {
            pictures.extend(decode(latents)?);
        }
        let last = &pictures[pictures.len() - 1];
        let (width, height) = (last.width, last.height);
        for picture in pictures.iter_mut().filter(|p| (p.width, p.height) != (width, height)) {
            *picture = resize(picture, width, height);
        }
        Ok(contact_sheet(&pictures, COLUMNS))
    }
}

/// Whether what there is after `done` of `total` steps is one of the frames, which are spread
/// evenly. The last is the finished picture, and no matter of this function.
fn is_frame(done: usize, total: usize) -> bool {
    // Of further batches nothing is collected.
    let frames = FRAMES.min(total);
    done < total && done * frames / total > (done - 1) * frames / total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_spread_evenly() {
        let frames = |total| (1..=total).filter(|&done| is_frame(done, total)).collect::<Vec<_>>();
        assert_eq!(frames(50), [5, 10, 15, 20, 25, 30, 35, 40, 45]);
        assert_eq!(frames(3), [1, 2]);
        assert_eq!(frames(12).len(), 9);
        assert!(frames(1).is_empty());
    }
}

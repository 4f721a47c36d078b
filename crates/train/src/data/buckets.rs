//! Sizes of one area and different shapes, so that a wide picture stays wide.
//!
//! Every picture goes to the size that is nearest to it in shape and is scaled and cropped to that;
//! a mini-batch is of one size.

use super::DataConfig;
use crate::error::TrainError;

/// The sizes, [height, width] each: the square first, then by their width for height. Without
/// buckets the square is the only one.
pub fn shapes(config: &DataConfig) -> Vec<[usize; 2]> {
    let size = config.size;
    let mut shapes = vec![[size, size]];
    let Some(buckets) = config.buckets else { return shapes };
    for long in (size..).step_by(buckets.step).skip(1) {
        // The largest area that is no larger than the square's.
        let short = size * size / long / buckets.step * buckets.step;
        if short == 0 || long as f64 > buckets.largest_aspect * short as f64 {
            break;
        }
        shapes.extend([[short, long], [long, short]]);
    }
    shapes[1..].sort_by_key(|&[height, width]| width * 65_536 / height);
    shapes
}

/// The index of the size that is nearest in shape to a picture of `[width, height]`: by what the
/// one has to be stretched to become the other. Of two the first.
pub fn nearest(shapes: &[[usize; 2]], [width, height]: [usize; 2]) -> usize {
    let stretched = |&[rows, columns]: &[usize; 2]| {
        let (a, b) = ((width * rows) as f64, (height * columns) as f64);
        a.max(b) / a.min(b)
    };
    let far = shapes.iter().map(stretched).enumerate();
    far.min_by(|(_, a), (_, b)| a.total_cmp(b)).map_or(0, |(index, _)| index)
}

/// Refuses buckets where `why` there can be none.
pub fn refuse(config: &DataConfig, why: &str) -> Result<(), TrainError> {
    match config.buckets {
        Some(_) => Err(TrainError::Data(format!("`data.buckets` must not be there: {why}"))),
        None => Ok(()),
    }
}

/// Refuses a step that the networks do not divide: the autoencoder makes one latent of `factor`
/// pixels, and the U-Net halves its latents so many times.
pub fn fit(config: &DataConfig, factor: usize, halvings: usize) -> Result<(), TrainError> {
    let Some(buckets) = config.buckets else { return Ok(()) };
    let least = factor << halvings;
    if buckets.step.is_multiple_of(least) {
        return Ok(());
    }
    Err(TrainError::Data(format!(
        "`data.buckets.step` is {}; for an autoencoder that makes latents {factor} times smaller and \
         a U-Net that halves them {halvings} times it must be a multiple of {least}",
        buckets.step
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::BucketsConfig;

    fn of(size: usize, step: usize, largest_aspect: f64) -> DataConfig {
        let buckets = Some(BucketsConfig { step, largest_aspect });
        DataConfig { buckets, ..DataConfig::new("d", size) }
    }

    #[test]
    fn the_sizes_of_stable_diffusion() {
        let wanted = [[512, 512], [640, 384], [576, 448], [448, 576], [384, 640]];
        assert_eq!(shapes(&of(512, 64, 2.0)), wanted);
        assert_eq!(shapes(&of(512, 64, 1.0)), [[512, 512]]);
        assert_eq!(shapes(&DataConfig::new("d", 100)), [[100, 100]]);
    }

    #[test]
    fn all_sizes_are_of_nearly_one_area_and_within_the_limit() {
        for (size, step, most) in [(512, 64, 2.0), (128, 16, 3.0), (1024, 64, 8.0), (64, 8, 2.5)] {
            let shapes = shapes(&of(size, step, most));
            assert!(shapes.len() > 2);
            for &[height, width] in &shapes {
                assert!(height.is_multiple_of(step) && width.is_multiple_of(step));
                assert!(height * width <= size * size);
                assert!(height.max(width) as f64 <= most * height.min(width) as f64);
                assert!(shapes.contains(&[width, height]));
            }
        }
    }

    #[test]
    fn a_picture_goes_to_the_nearest_shape() {
        let shapes = shapes(&of(512, 64, 2.0));
        let nearest = |size| shapes[nearest(&shapes, size)];
        assert_eq!(nearest([700, 700]), [512, 512]);
        assert_eq!(nearest([4000, 3000]), [448, 576]);
        assert_eq!(nearest([1, 9]), [640, 384]);
        assert_eq!(nearest([9000, 1]), [384, 640]);
    }

    #[test]
    fn steps_that_do_not_fit_are_refused() {
        assert!(
            fit(&of(128, 32, 2.0), 8, 2).is_ok() && fit(&DataConfig::new("d", 9), 8, 3).is_ok()
        );
        let message = fit(&of(128, 16, 2.0), 8, 2).unwrap_err().to_string();
        assert!(message.ends_with("it must be a multiple of 32"), "{message}");
        let message = refuse(&of(128, 16, 2.0), "a mask is a square").unwrap_err().to_string();
        assert_eq!(message, "`data.buckets` must not be there: a mask is a square");
    }
}

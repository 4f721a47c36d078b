//! The sizes of a group normalisation, and how its activations are cut into work.

/// What [`group_norm`](super::group_norm) works on: activations `[n, pixels, c]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupNormShape {
    /// Pictures.
    pub n: usize,
    /// Height times width.
    pub pixels: usize,
    /// Channels.
    pub c: usize,
    /// Groups; divides `c`.
    pub groups: usize,
    /// Added to the variance.
    pub eps: f32,
    /// Whether SiLU is applied to the result.
    pub silu: bool,
}

/// Elements of a block: small enough to stay in the second-level cache between two loops.
const BLOCK: usize = 1 << 14;

/// Rows narrower than this are handled several at a time, as one wide row.
const WIDTH: usize = 128;

/// A block is a run of whole pixels of one picture. The loops see it as rows of `width` elements,
/// the last one possibly shorter, and have their parameters as one such row.
impl GroupNormShape {
    /// Panics unless the slices have the lengths that the sizes ask for.
    #[track_caller]
    pub(super) fn check(&self, activations: &[usize], channels: &[usize], stats: usize) {
        let &Self { n, pixels, c, groups, .. } = self;
        assert!(groups > 0 && c > 0 && c.is_multiple_of(groups), "{groups} groups of {c} channels");
        assert!(pixels > 0, "group norm of pictures without pixels");
        assert!(
            activations.iter().all(|&len| len == n * pixels * c)
                && channels.iter().all(|&len| len == c)
                && stats == 2 * n * groups,
            "activations {activations:?}, channels {channels:?}, stats {stats} for {self:?}"
        );
    }

    /// Channels of a group.
    pub(super) fn per_group(&self) -> usize {
        self.c / self.groups
    }

    fn picture_len(&self) -> usize {
        self.pixels * self.c
    }

    fn block_len(&self) -> usize {
        (BLOCK / self.c).max(1) * self.c
    }

    pub(super) fn blocks_in_picture(&self) -> usize {
        self.picture_len().div_ceil(self.block_len())
    }

    /// The picture that a block belongs to.
    pub(super) fn picture_of(&self, block: usize) -> usize {
        block / self.blocks_in_picture()
    }

    /// A block, by its number among all blocks of all pictures.
    pub(super) fn block<'a>(&self, x: &'a [f32], block: usize) -> &'a [f32] {
        let picture = &x[self.picture_of(block) * self.picture_len()..][..self.picture_len()];
        let first = block % self.blocks_in_picture() * self.block_len();
        &picture[first..picture.len().min(first + self.block_len())]
    }

    /// All blocks, to be written in parallel.
    pub(super) fn blocks_mut<'a>(&self, x: &'a mut [f32]) -> Vec<&'a mut [f32]> {
        x.chunks_exact_mut(self.picture_len())
            .flat_map(|x| x.chunks_mut(self.block_len()))
            .collect()
    }

    /// Elements of a row: a multiple of `c`.
    pub(super) fn width(&self) -> usize {
        self.c * WIDTH.div_ceil(self.c)
    }

    /// A row of parameters, from a function of the group and the channel.
    pub(super) fn row(&self, f: impl Fn(usize, usize) -> f32) -> Vec<f32> {
        let mut row = Vec::with_capacity(self.width());
        for group in 0..self.groups {
            let first = group * self.per_group();
            row.extend((first..first + self.per_group()).map(|c| f(group, c)));
        }
        while row.len() < self.width() {
            row.extend_from_within(..self.c);
        }
        row
    }

    /// Sums a row of the loops over the channels of each group.
    pub(super) fn sum_by_group(&self, row: &[f32]) -> Vec<f64> {
        let mut sums = vec![0.0; self.groups];
        for row in row.chunks_exact(self.c) {
            for (sum, channels) in sums.iter_mut().zip(row.chunks_exact(self.per_group())) {
                *sum += channels.iter().map(|&v| f64::from(v)).sum::<f64>();
            }
        }
        sums
    }
}

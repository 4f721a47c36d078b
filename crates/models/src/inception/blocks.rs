//! The blocks of Inception v3: several ways from the same input, side by side as channels.
//!
//! (Szegedy et al. 2016, "Rethinking the Inception architecture", figures 5 to 7 and 10.)

use aquatint_nn::Module;
use aquatint_tensor::{Pool3, Tensor};

use super::conv::BasicConv2d;

fn pointwise(inputs: usize, outputs: usize) -> BasicConv2d {
    BasicConv2d::same(inputs, outputs, [1, 1])
}

/// Figure 5: 1×1, 5×5, twice 3×3, and a mean.
#[derive(Debug, Module)]
pub(super) struct InceptionA {
    branch1x1: BasicConv2d,
    branch5x5_1: BasicConv2d,
    branch5x5_2: BasicConv2d,
    branch3x3dbl_1: BasicConv2d,
    branch3x3dbl_2: BasicConv2d,
    branch3x3dbl_3: BasicConv2d,
    branch_pool: BasicConv2d,
}

impl InceptionA {
    pub fn new(inputs: usize, pooled: usize) -> Self {
        Self {
            branch1x1: pointwise(inputs, 64),
            branch5x5_1: pointwise(inputs, 48),
            branch5x5_2: BasicConv2d::same(48, 64, [5, 5]),
            branch3x3dbl_1: pointwise(inputs, 64),
            branch3x3dbl_2: BasicConv2d::same(64, 96, [3, 3]),
            branch3x3dbl_3: BasicConv2d::same(96, 96, [3, 3]),
            branch_pool: pointwise(inputs, pooled),
        }
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        let five = self.branch5x5_2.forward(&self.branch5x5_1.forward(x));
        let three = self.branch3x3dbl_2.forward(&self.branch3x3dbl_1.forward(x));
        let three = self.branch3x3dbl_3.forward(&three);
        let pool = self.branch_pool.forward(&x.pool3(Pool3::Mean));
        Tensor::cat([&self.branch1x1.forward(x), &five, &three, &pool])
    }
}

/// Figure 10: half the resolution.
#[derive(Debug, Module)]
pub(super) struct InceptionB {
    branch3x3: BasicConv2d,
    branch3x3dbl_1: BasicConv2d,
    branch3x3dbl_2: BasicConv2d,
    branch3x3dbl_3: BasicConv2d,
}

impl InceptionB {
    pub fn new(inputs: usize) -> Self {
        Self {
            branch3x3: BasicConv2d::inside(inputs, 384, 3, 2),
            branch3x3dbl_1: pointwise(inputs, 64),
            branch3x3dbl_2: BasicConv2d::same(64, 96, [3, 3]),
            branch3x3dbl_3: BasicConv2d::inside(96, 96, 3, 2),
        }
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        let three = self.branch3x3dbl_2.forward(&self.branch3x3dbl_1.forward(x));
        let three = self.branch3x3dbl_3.forward(&three);
        let pool = x.pool3(Pool3::MaxOfEverySecond);
        Tensor::cat([&self.branch3x3.forward(x), &three, &pool])
    }
}

/// Figure 6: 7×7 as 1×7 and 7×1.
#[derive(Debug, Module)]
pub(super) struct InceptionC {
    branch1x1: BasicConv2d,
    branch7x7_1: BasicConv2d,
    branch7x7_2: BasicConv2d,
    branch7x7_3: BasicConv2d,
    branch7x7dbl_1: BasicConv2d,
    branch7x7dbl_2: BasicConv2d,
    branch7x7dbl_3: BasicConv2d,
    branch7x7dbl_4: BasicConv2d,
    branch7x7dbl_5: BasicConv2d,
    branch_pool: BasicConv2d,
}

impl InceptionC {
    pub fn new(inputs: usize, inner: usize) -> Self {
        let (row, column) = ([1, 7], [7, 1]);
        Self {
            branch1x1: pointwise(inputs, 192),
            branch7x7_1: pointwise(inputs, inner),
            branch7x7_2: BasicConv2d::same(inner, inner, row),
            branch7x7_3: BasicConv2d::same(inner, 192, column),
            branch7x7dbl_1: pointwise(inputs, inner),
            branch7x7dbl_2: BasicConv2d::same(inner, inner, column),
            branch7x7dbl_3: BasicConv2d::same(inner, inner, row),
            branch7x7dbl_4: BasicConv2d::same(inner, inner, column),
            branch7x7dbl_5: BasicConv2d::same(inner, 192, row),
            branch_pool: pointwise(inputs, 192),
        }
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        let seven = self.branch7x7_2.forward(&self.branch7x7_1.forward(x));
        let seven = self.branch7x7_3.forward(&seven);
        let twice = self.branch7x7dbl_2.forward(&self.branch7x7dbl_1.forward(x));
        let twice = self.branch7x7dbl_4.forward(&self.branch7x7dbl_3.forward(&twice));
        let twice = self.branch7x7dbl_5.forward(&twice);
        let pool = self.branch_pool.forward(&x.pool3(Pool3::Mean));
        Tensor::cat([&self.branch1x1.forward(x), &seven, &twice, &pool])
    }
}

/// Half the resolution again.
#[derive(Debug, Module)]
pub(super) struct InceptionD {
    branch3x3_1: BasicConv2d,
    branch3x3_2: BasicConv2d,
    branch7x7x3_1: BasicConv2d,
    branch7x7x3_2: BasicConv2d,
    branch7x7x3_3: BasicConv2d,
    branch7x7x3_4: BasicConv2d,
}

impl InceptionD {
    pub fn new(inputs: usize) -> Self {
        Self {
            branch3x3_1: pointwise(inputs, 192),
            branch3x3_2: BasicConv2d::inside(192, 320, 3, 2),
            branch7x7x3_1: pointwise(inputs, 192),
            branch7x7x3_2: BasicConv2d::same(192, 192, [1, 7]),
            branch7x7x3_3: BasicConv2d::same(192, 192, [7, 1]),
            branch7x7x3_4: BasicConv2d::inside(192, 192, 3, 2),
        }
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        let three = self.branch3x3_2.forward(&self.branch3x3_1.forward(x));
        let seven = self.branch7x7x3_2.forward(&self.branch7x7x3_1.forward(x));
        let seven = self.branch7x7x3_4.forward(&self.branch7x7x3_3.forward(&seven));
        Tensor::cat([&three, &seven, &x.pool3(Pool3::MaxOfEverySecond)])
    }
}

/// Figure 7: 1×3 and 3×1 side by side.
#[derive(Debug, Module)]
pub(super) struct InceptionE {
    branch1x1: BasicConv2d,
    branch3x3_1: BasicConv2d,
    branch3x3_2a: BasicConv2d,
    branch3x3_2b: BasicConv2d,
    branch3x3dbl_1: BasicConv2d,
    branch3x3dbl_2: BasicConv2d,
    branch3x3dbl_3a: BasicConv2d,
    branch3x3dbl_3b: BasicConv2d,
    branch_pool: BasicConv2d,
    #[module(skip)]
    pool: Pool3,
}

impl InceptionE {
    /// The last of the network takes the largest of neighbours where all others take the mean.
    pub fn new(inputs: usize, pool: Pool3) -> Self {
        let (row, column) = ([1, 3], [3, 1]);
        Self {
            branch1x1: pointwise(inputs, 320),
            branch3x3_1: pointwise(inputs, 384),
            branch3x3_2a: BasicConv2d::same(384, 384, row),
            branch3x3_2b: BasicConv2d::same(384, 384, column),
            branch3x3dbl_1: pointwise(inputs, 448),
            branch3x3dbl_2: BasicConv2d::same(448, 384, [3, 3]),
            branch3x3dbl_3a: BasicConv2d::same(384, 384, row),
            branch3x3dbl_3b: BasicConv2d::same(384, 384, column),
            branch_pool: pointwise(inputs, 192),
            pool,
        }
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        let three = self.branch3x3_1.forward(x);
        let twice = self.branch3x3dbl_2.forward(&self.branch3x3dbl_1.forward(x));
        Tensor::cat([
            &self.branch1x1.forward(x),
            &self.branch3x3_2a.forward(&three),
            &self.branch3x3_2b.forward(&three),
            &self.branch3x3dbl_3a.forward(&twice),
            &self.branch3x3dbl_3b.forward(&twice),
            &self.branch_pool.forward(&x.pool3(self.pool)),
        ])
    }
}

//! The operations, one file each: forward, backward, gradient check.

mod arithmetic;
mod attention;
mod broadcast;
mod conv2d;
mod conv2d_fused;
mod depthwise;
mod embedding;
mod known;
mod layout;
mod linear;
mod loss;
mod max_pool;
mod norm;
mod optimizer;
mod pool3;
mod recompute;
mod rectify;
mod reduce;
mod rounded;
mod shuffle;
mod unary;
mod upsample;

pub use attention::Mask;
pub use conv2d::Conv2dOptions;
pub use conv2d_fused::Conv2dFusion;
pub use linear::Epilogue;
pub use norm::GroupNormWeights;
pub use shuffle::ChannelOrder;

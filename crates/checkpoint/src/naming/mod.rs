//! Names: whose naming a file has, and how our tensors are made of its tensors and back.
//!
//! Our names are diffusers', so a diffusers file needs none of this but for a few old spellings.
//! The latent-diffusion authors' names follow from a part's configuration: `unet` walks the
//! levels as the constructors do and writes down what names begin with on either side. Each pair is
//! bound by an expression ([`Binding`]): the same, a 1×1 convolution for a linear layer, some rows
//! of a fused tensor, or transposed. All of them can be run backwards, so one table serves reading
//! and writing.
//!
//! [`Layout`] has the tables of a whole file, [`Plan`] is what becomes of a particular one,
//! [`outputs`] is that file in another naming, and [`IGNORED`] says which tensors are left out, and
//! why.

use std::collections::BTreeMap;

use crate::Manifest;

mod binding;
mod config;
mod convert;
mod esrgan;
mod ignored;
mod layout;
mod plan;
mod recode;
mod table;
mod text;
mod unet;
mod vae;

pub use binding::{Array, Binding, Rows, Then, store, stored_shape};
pub use convert::{Output, outputs};
pub use esrgan::super_resolution;
pub use ignored::{IGNORED, Pattern, ignored};
pub use layout::{Layout, Naming, PARTS, PartLayout};
pub use plan::Plan;
pub use recode::RecodeError;
pub use table::Table;

/// Names and shapes of a file's tensors: all that is needed to say what it is.
pub type Shapes<'a> = BTreeMap<&'a str, &'a [usize]>;

/// Those of a manifest.
pub fn shapes(manifest: &Manifest) -> Shapes<'_> {
    let tensors = manifest.tensors.iter();
    tensors.map(|(name, entry)| (name.as_str(), entry.shape.as_slice())).collect()
}

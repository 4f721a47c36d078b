//! Why a file cannot be added to a model: one sentence each.

use crate::LoadError;

/// An error of reading a LoRA, or of tying it to a model.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum LoraError {
    #[error(transparent)]
    Load(#[from] LoadError),
    /// `is` comes from [`crate::Detected::sentence`].
    #[error("{file} is no LoRA: it is {is}")]
    NotALora { file: String, is: String },
    #[error(
        "{file} cannot be used: it holds `{tensor}`, which belongs to {kind}; LoRA, LoHa, LoKr and full differences are supported"
    )]
    Unsupported { file: String, tensor: String, kind: &'static str },
    #[error("{file} cannot be used: nobody knows what its `{tensor}` is for")]
    Unknown { file: String, tensor: String },
    #[error(
        "{file} is incomplete: it changes `{layer}`, but has no `{lacks}` for it; copy or download it again"
    )]
    Incomplete { file: String, layer: String, lacks: &'static str },
    #[error("{file} changes `{layer}` in two ways at once, by `{}` and by `{}`", tensors[0], tensors[1])]
    Ambiguous { file: String, layer: String, tensors: [String; 2] },
    #[error(
        "{file} contradicts itself: the shapes of its tensors for `{layer}` do not fit each other ({shapes}); copy or download it again"
    )]
    Contradiction { file: String, layer: String, shapes: String },
    #[error("{file} cannot be used: its `{tensor}` is {found}, where one finite number is wanted")]
    Alpha { file: String, tensor: String, found: String },
    #[error(
        "{file} was made for {made_for}, but this model is {this}: give a LoRA that was made for {this}"
    )]
    OtherBase { file: String, made_for: &'static str, this: &'static str },
    #[error("{file} does not fit the model: it changes `{layer}`, which the model does not have{}; {fitting} of its {all} layers fit", nearest.as_ref().map_or(String::new(), |n| format!(" (the nearest is `{n}`)")))]
    Layer { file: String, layer: String, nearest: Option<String>, fitting: usize, all: usize },
    #[error(
        "{file} does not fit the model: its change of `{layer}` is {found:?}, but the model's `{parameter}` is {wanted:?}; {fitting} of its {all} layers fit"
    )]
    Shape {
        file: String,
        layer: String,
        parameter: String,
        found: Box<[usize]>,
        wanted: Box<[usize]>,
        fitting: usize,
        all: usize,
    },
    #[error(
        "{file} does not fit the model: it changes the bias of `{layer}`, which has none in the model"
    )]
    NoBias { file: String, layer: String },
}

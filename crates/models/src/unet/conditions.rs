//! What a U-Net is told besides the time and the context.

use aquatint_nn::{Embedding, Module};
use aquatint_tensor::Tensor;

use crate::choice::module_of_choice;
use crate::embeddings::{Sinusoids, TimestepEmbedding};
use crate::text_embedding::TextTimeEmbedding;

/// What some U-Nets want to hear besides the time and the context. `N` is the number of pictures.
#[derive(Clone, Debug, Default)]
pub struct UNetConditions {
    /// For models with a `class_embedding`: numbers of classes or, for the ×4 upscaler, levels of
    /// noise `[N]`; timesteps `[N]` for the kind `"timestep"`; vectors `[N, D]` for the kind
    /// `"projection"`.
    pub class_labels: Option<Tensor>,
    /// For SDXL (`addition_embed_type = "text_time"`): the pooled prompt, `[N, P]`.
    pub text_embeds: Option<Tensor>,
    /// For SDXL: the base's original height and width, top and left of the crop, and target
    /// height and width, in pixels; the refiner's original height and width, top and left of the
    /// crop, and aesthetic score. `[N, 6]` or `[N, 5]` (Podell et al. 2023, section 2.2)
    pub time_ids: Option<Tensor>,
    /// For distilled models (`time_cond_proj_dim`; Meng et al. 2023, section 3.1): the guidance
    /// scale as sinusoids, `[N, time_cond_proj_dim]`. Without it, nothing is added to the time's.
    pub timestep_cond: Option<Tensor>,
}

/// How the label of a picture becomes a vector that is added to the time's.
#[derive(Clone, Debug)]
pub(crate) enum ClassEmbedding {
    /// A table (`class_embed_type` is null and there are `num_class_embeds`).
    Table(Embedding),
    /// Sinusoids and two layers (`"timestep"`).
    Timestep(TimestepEmbedding),
    /// Two layers (`"projection"`).
    Projection(TimestepEmbedding),
}

module_of_choice!(ClassEmbedding { Table, Timestep, Projection });

impl ClassEmbedding {
    /// The layer of the kind that a configuration asks for; `kind` was validated.
    pub(crate) fn new(
        kind: Option<&str>,
        classes: Option<usize>,
        projected: Option<usize>,
        sinusoids: usize,
        time: usize,
    ) -> Option<Self> {
        match (kind, classes, projected) {
            (Some("timestep"), ..) => Some(Self::Timestep(TimestepEmbedding::new(sinusoids, time))),
            (Some(_), _, Some(inputs)) => {
                Some(Self::Projection(TimestepEmbedding::new(inputs, time)))
            }
            (None, Some(classes), _) => Some(Self::Table(Embedding::new(classes, time, 1.0))),
            _ => None,
        }
    }

    /// labels `[N]` or `[N, D]` → `[N, time]`.
    ///
    /// # Panics
    /// If the labels are not there, have another shape, or are not in the table.
    #[track_caller]
    pub(crate) fn forward(
        &self,
        labels: Option<&Tensor>,
        sinusoids: &Sinusoids,
        n: usize,
    ) -> Tensor {
        let Some(labels) = labels else { panic!("U-Net: class_labels are missing") };
        let flat = !matches!(self, Self::Projection(_));
        assert!(
            labels.dim(0) == n && labels.shape().len() == if flat { 1 } else { 2 },
            "U-Net: class_labels {:?}, expected {}",
            labels.shape(),
            if flat { format!("[{n}]") } else { format!("[{n}, D]") }
        );
        match self {
            Self::Table(table) => table.forward(&ids(labels), &[n]),
            Self::Timestep(layers) => layers.forward(&sinusoids.of(&labels.to_vec())),
            Self::Projection(layers) => layers.forward(labels),
        }
    }
}

/// Numbers of classes.
#[track_caller]
fn ids(labels: &Tensor) -> Vec<u32> {
    let id = |label: f32| {
        assert!(label >= 0.0 && label.fract() == 0.0, "U-Net: {label} is no class");
        label as u32
    };
    labels.to_vec().into_iter().map(id).collect()
}

/// How something else becomes a vector that is added to the time's (`addition_embed_type`).
#[derive(Clone, Debug)]
pub(crate) enum AddEmbedding {
    /// The whole context (`"text"`).
    Text(Box<TextTimeEmbedding>),
    /// The pooled prompt and the sizes of the picture (`"text_time"`).
    TextTime(Box<TextTime>),
}

module_of_choice!(AddEmbedding { Text, TextTime });

impl AddEmbedding {
    /// → `[N, time]`.
    #[track_caller]
    pub(crate) fn forward(&self, context: &Tensor, conditions: &UNetConditions) -> Tensor {
        match self {
            Self::Text(embedding) => embedding.forward(context),
            Self::TextTime(embedding) => embedding.forward(context.dim(0), conditions),
        }
    }
}

/// SDXL's conditioning on a pooled prompt and on sizes (Podell et al. 2023, section 2.2).
#[derive(Clone, Debug, Module)]
pub(crate) struct TextTime {
    #[module(flatten)]
    layers: TimestepEmbedding,
    #[module(skip)]
    sinusoids: Sinusoids,
    #[module(skip)]
    inputs: usize,
}

impl TextTime {
    /// From `inputs` channels, of which each number of `time_ids` takes as many as `sinusoids`
    /// has.
    pub(crate) fn new(inputs: usize, sinusoids: Sinusoids, time: usize) -> Self {
        Self { layers: TimestepEmbedding::new(inputs, time), sinusoids, inputs }
    }

    #[track_caller]
    fn forward(&self, n: usize, conditions: &UNetConditions) -> Tensor {
        let (Some(text), Some(ids)) = (&conditions.text_embeds, &conditions.time_ids) else {
            panic!("U-Net: text_embeds and time_ids are needed")
        };
        let &[a, p] = text.shape() else { panic!("U-Net: text_embeds {:?}", text.shape()) };
        let &[b, k] = ids.shape() else { panic!("U-Net: time_ids {:?}", ids.shape()) };
        let channels = k * self.sinusoids.channels;
        assert!(
            a == n && b == n && p + channels == self.inputs,
            "U-Net: text_embeds [{a}, {p}] and time_ids [{b}, {k}] for {n} pictures and {} inputs",
            self.inputs
        );
        let sizes = self.sinusoids.of(&ids.to_vec()).reshape(&[n, channels]);
        self.layers.forward(&Tensor::cat([text, &sizes]))
    }
}

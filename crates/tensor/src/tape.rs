//! The way back: reverse-mode differentiation over a graph of closures.
//!
//! Every tracked result holds a [`Node`] with its inputs' nodes and a closure that turns the
//! gradient of the result into gradients of the inputs. Nodes are numbered as they are made, so
//! a higher number never feeds a lower one, and going through the numbers downwards visits each
//! node after everything that used it. A node is dropped as soon as it was visited, and what its
//! closure had saved with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aquatint_kernels::elementwise;

use crate::Tensor;

/// A tensor's place in the graph.
pub(crate) type Track = Arc<Node>;

type Backward = Box<dyn Fn(&Tensor) -> Vec<Option<Tensor>> + Send + Sync>;

/// One result in the graph. A leaf has no inputs and no closure.
pub(crate) struct Node {
    number: u64,
    inputs: Vec<Option<Track>>,
    backward: Option<Backward>,
}

fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Node {
    pub(crate) fn leaf() -> Track {
        Arc::new(Self { number: next_number(), inputs: Vec::new(), backward: None })
    }

    /// A node for the result of an operation, or none if no input is tracked.
    pub(crate) fn record<const N: usize>(
        inputs: [Option<&Tensor>; N],
        backward: impl Fn(&Tensor, [bool; N]) -> [Option<Tensor>; N] + Send + Sync + 'static,
    ) -> Option<Track> {
        let tracks = inputs.map(|input| input.and_then(|t| t.track().cloned()));
        let needed: [bool; N] = std::array::from_fn(|i| tracks[i].is_some());
        if !needed.contains(&true) {
            return None;
        }
        Some(Arc::new(Self {
            number: next_number(),
            inputs: tracks.into(),
            backward: Some(Box::new(move |dy| backward(dy, needed).into())),
        }))
    }
}

/// The gradients that a backward pass found, by the leaf they belong to.
#[derive(Default)]
pub struct Grads(BTreeMap<u64, Tensor>);

impl Grads {
    /// The gradient with respect to `leaf`, if the loss depended on it.
    ///
    /// # Panics
    /// If `leaf` did not come from [`Tensor::tracked`].
    #[track_caller]
    pub fn get(&self, leaf: &Tensor) -> Option<&Tensor> {
        self.0.get(&leaf.track().expect("gradient asked of an untracked tensor").number)
    }

    /// Takes the gradient with respect to `leaf` out, if the loss depended on it.
    #[track_caller]
    pub fn take(&mut self, leaf: &Tensor) -> Option<Tensor> {
        self.0.remove(&leaf.track().expect("gradient asked of an untracked tensor").number)
    }
}

impl Tensor {
    /// Follows the tracks from this single number, a loss, back to every leaf.
    ///
    /// Consumes the loss so that what operations saved is freed on the way.
    ///
    /// # Panics
    /// If the tensor holds more than one number.
    #[track_caller]
    pub fn backward(self) -> Grads {
        assert_eq!(self.len(), 1, "backward() of a tensor of shape {:?}", self.shape());
        let mut grads = Grads::default();
        let Some(root) = self.track().cloned() else { return grads };
        let seed = Tensor::full(self.shape(), 1.0);
        drop(self);
        let mut waiting = BTreeMap::from([(root.number, (root, seed))]);
        while let Some((number, (node, dy))) = waiting.pop_last() {
            let Some(backward) = &node.backward else {
                grads.0.insert(number, dy);
                continue;
            };
            let found = backward(&dy);
            drop(dy);
            for (input, grad) in node.inputs.iter().zip(found) {
                let (Some(input), Some(grad)) = (input, grad) else { continue };
                match waiting.get_mut(&input.number) {
                    Some((_, sum)) => elementwise::add_assign(sum.data_mut(), grad.data()),
                    None => {
                        waiting.insert(input.number, (input.clone(), grad));
                    }
                }
            }
        }
        grads
    }
}

//! The way back: reverse-mode differentiation over a graph of closures.
//!
//! Every tracked result holds a [`Node`] with its inputs' nodes and a closure that turns the
//! gradient of the result into gradients of the inputs. Nodes are numbered as they are made, so
//! a higher number never feeds a lower one, and going through the numbers downwards visits each
//! node after everything that used it. A node is dropped as soon as it was visited, and what its
//! closure had saved with it. A node of [`Tensor::recomputed`] has saved nothing: it is replaced by
//! the graph that it makes anew, whose numbers are higher than all others, so that gradients are
//! added up in the order in which they would have been.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aquatint_kernels::elementwise;

use crate::Tensor;

/// A tensor's place in the graph.
pub(crate) type Track = Arc<Node>;

type Backward = Box<dyn Fn(&Tensor) -> Vec<Option<Tensor>> + Send + Sync>;

/// One result in the graph.
pub(crate) struct Node {
    number: u64,
    inputs: Vec<Option<Track>>,
    way: Way,
}

/// How the gradient goes on from a node.
enum Way {
    /// It ends here.
    Leaf,
    /// To its inputs.
    Operation(Backward),
    /// Through the graph of what this makes, which ends at its inputs.
    Again(Box<dyn Fn() -> Tensor + Send + Sync>),
}

pub(crate) fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Node {
    pub(crate) fn leaf() -> Track {
        Arc::new(Self { number: next_number(), inputs: Vec::new(), way: Way::Leaf })
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
            way: Way::Operation(Box::new(move |dy| backward(dy, needed).into())),
        }))
    }

    /// A node for the result at `root`, in place of the graph of all nodes from the number `begin` on,
    /// which `make` makes again; or none, if `root` was there before.
    pub(crate) fn again(
        root: &Track,
        begin: u64,
        make: impl Fn() -> Tensor + Send + Sync + 'static,
    ) -> Option<Track> {
        let (number, inputs) = (next_number(), used_from_before(root, begin));
        let way = Way::Again(Box::new(make));
        (root.number > begin).then(|| Arc::new(Self { number, inputs, way }))
    }

    fn is_leaf(&self) -> bool {
        matches!(self.way, Way::Leaf)
    }
}

/// What nodes numbered from `begin` on, from `root` down, use of nodes before, each as often as it
/// is used.
fn used_from_before(root: &Track, begin: u64) -> Vec<Option<Track>> {
    let (mut used, mut seen) = (Vec::new(), BTreeSet::from([root.number]));
    let mut waiting = vec![root];
    while let Some(node) = waiting.pop() {
        for input in node.inputs.iter().flatten() {
            if input.number < begin {
                used.push(Some(input.clone()));
            } else if seen.insert(input.number) {
                waiting.push(input);
            }
        }
    }
    used
}

/// How often the leaves below `root` are used, by their numbers.
fn uses_of_leaves(root: &Track) -> BTreeMap<u64, usize> {
    let (mut uses, mut seen) = (BTreeMap::new(), BTreeSet::new());
    let mut waiting = vec![root];
    while let Some(node) = waiting.pop() {
        for input in node.inputs.iter().flatten() {
            if input.is_leaf() {
                *uses.entry(input.number).or_insert(0) += 1;
            } else if seen.insert(input.number) {
                waiting.push(input);
            }
        }
    }
    uses
}

/// Takes a leaf's number and its gradient.
pub type Whole<'a> = dyn FnMut(u64, &Tensor) + 'a;

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

    /// Puts `grad` in place of the gradient with respect to `leaf`.
    #[track_caller]
    pub fn set(&mut self, leaf: &Tensor, grad: Tensor) {
        self.0.insert(leaf.leaf_number(), grad);
    }

    /// Adds the gradients of another loss.
    pub fn add(&mut self, other: Self) {
        for (number, grad) in other.0 {
            match self.0.get_mut(&number) {
                Some(sum) => elementwise::add_assign(sum.data_mut(), grad.data()),
                None => {
                    self.0.insert(number, grad);
                }
            }
        }
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
        self.backward_telling(None)
    }

    /// A tracked leaf's number, by which [`Tensor::backward_telling`] speaks of it.
    ///
    /// # Panics
    /// If the tensor did not come from [`Tensor::tracked`].
    #[track_caller]
    pub fn leaf_number(&self) -> u64 {
        self.track().expect("gradient asked of an untracked tensor").number
    }

    /// [`Tensor::backward`] that tells of a leaf's gradient as soon as it is whole. Most of them
    /// are long before the end, and can be on their way to other machines meanwhile.
    ///
    /// # Panics
    /// If the tensor holds more than one number.
    #[track_caller]
    pub fn backward_telling(self, mut whole: Option<&mut Whole<'_>>) -> Grads {
        assert_eq!(self.len(), 1, "backward() of a tensor of shape {:?}", self.shape());
        let mut grads = Grads::default();
        let Some(root) = self.track().cloned() else { return grads };
        let mut uses = whole.as_ref().map(|_| uses_of_leaves(&root)).unwrap_or_default();
        let seed = Tensor::full(self.shape(), 1.0);
        drop(self);
        let mut waiting = BTreeMap::from([(root.number, (root, seed))]);
        while let Some((number, (node, dy))) = waiting.pop_last() {
            let found = match &node.way {
                Way::Leaf => {
                    grads.0.insert(number, dy);
                    continue;
                }
                Way::Again(make) => {
                    let root = make().track().cloned().expect("it was tracked the first time");
                    waiting.insert(root.number, (root, dy));
                    continue;
                }
                Way::Operation(backward) => backward(&dy),
            };
            drop(dy);
            for (input, grad) in node.inputs.iter().zip(found) {
                let Some(input) = input else { continue };
                match (waiting.get_mut(&input.number), grad) {
                    (_, None) => {}
                    (Some((_, sum)), Some(grad)) => {
                        elementwise::add_assign(sum.data_mut(), grad.data());
                    }
                    (None, Some(grad)) => {
                        waiting.insert(input.number, (input.clone(), grad));
                    }
                }
                let (Some(whole), Some(left)) = (&mut whole, uses.get_mut(&input.number)) else {
                    continue;
                };
                *left -= 1;
                if let (0, Some((_, grad))) = (*left, waiting.get(&input.number)) {
                    whole(input.number, grad);
                }
            }
        }
        grads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gradient_is_told_of_once_it_is_whole() {
        let [early, late, unused] = [2.0, 3.0, 4.0].map(|x| Tensor::full(&[2], x).tracked());
        // `early` is used at the beginning and at the end, so it is the last to be whole.
        let middle = early.mul(&early).mul(&late);
        let loss = middle.add(&early.mul(&unused.detach())).sum();
        let mut told = Vec::new();
        let mut whole = |number, grad: &Tensor| told.push((number, grad.to_vec()));
        let mut grads = loss.backward_telling(Some(&mut whole));
        let expected = [(&late, vec![4.0; 2]), (&early, vec![16.0; 2])];
        assert_eq!(told, expected.map(|(leaf, grad)| (leaf.leaf_number(), grad)));
        assert_eq!(grads.get(&early).unwrap().to_vec(), [16.0; 2]);
        assert!(grads.get(&unused).is_none());

        grads.add(early.mul(&unused).sum().backward());
        assert_eq!(grads.get(&early).unwrap().to_vec(), [20.0; 2]);
        assert_eq!(grads.take(&unused).unwrap().to_vec(), [2.0; 2]);
        grads.set(&late, Tensor::full(&[2], 9.0));
        assert_eq!(grads.get(&late).unwrap().to_vec(), [9.0; 2]);
    }
}

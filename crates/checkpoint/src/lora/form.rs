//! How the change of one weight is computed from the tensors of the file.

use std::collections::BTreeMap;

use aquatint_tensor::Tensor;

use super::algebra::{kron, matmul, transposed, tucker};
use super::role::Role;
use crate::{LoadError, Weights};

/// A formula, with the names of the tensors that it is computed from.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// up · down (Hu et al. 2021, "LoRA"), or up · mid · down as convolutions.
    LowRank {
        /// `[r, in]` or `[r, in, kh, kw]`
        down: String,
        /// `[out, r]`
        up: String,
        /// `[r, r, kh, kw]`; then `down` is of single pixels.
        mid: Option<String>,
    },
    /// (a₁·b₁) ⊙ (a₂·b₂), number by number (Hyeon-Woo et al. 2022, "LoHa").
    Hadamard([Factor; 2]),
    /// left ⊗ right (Edalati et al. 2022, "LoKr").
    Kronecker([Factor; 2]),
    /// All of it.
    Whole(String),
}

/// A factor of a product: as it is, or itself a product.
#[derive(Clone, Debug, PartialEq)]
pub enum Factor {
    /// A tensor.
    Whole(String),
    /// a `[out, r]` · b `[r, in·kh·kw]`; with a core `[r, r, kh, kw]`, for which LoHa's `a` is
    /// `[r, out]` and LoKr's, too, and b is `[r, in]`, Tucker's product.
    Product {
        /// The left one.
        a: String,
        /// The right one.
        b: String,
        /// Between the two.
        core: Option<String>,
    },
}

/// The change of a weight, multiplied by everything that it is to be multiplied by.
#[derive(Clone, Debug)]
pub enum Delta {
    /// up `[out, r]` · down `[r, in·kh·kw]`.
    LowRank {
        /// The second factor.
        down: Tensor,
        /// The first factor.
        up: Tensor,
    },
    /// Numbers in the order of the weight's.
    Whole(Tensor),
}

impl Delta {
    /// All numbers of it, as a weight of this shape.
    #[track_caller]
    pub fn whole(&self, shape: &[usize]) -> Tensor {
        match self {
            Self::LowRank { down, up } => matmul(up, down).reshape(shape),
            Self::Whole(delta) => delta.reshape(shape),
        }
    }
}

impl Form {
    /// The formula of a layer's tensors; none if they change its bias alone.
    ///
    /// # Errors
    /// The role that is not there, or two formulas at once.
    pub(super) fn of(tensors: &BTreeMap<Role, String>) -> Result<Option<Self>, Misfit> {
        let get = |role| tensors.get(&role).cloned();
        let need = |role| get(role).ok_or(Misfit::Lacks(role));
        let product =
            |a, b, core| Ok(Factor::Product { a: need(a)?, b: need(b)?, core: get(core) });
        let factor = |whole, a, b, core: Option<Role>| match get(whole) {
            Some(name) => Ok(Factor::Whole(name)),
            None if get(a).is_none() && get(b).is_none() => Err(Misfit::Lacks(whole)),
            None => Ok(Factor::Product { a: need(a)?, b: need(b)?, core: core.and_then(get) }),
        };
        let first = |roles: &[Role]| roles.iter().find_map(|role| get(*role));
        use Role::{
            Diff, Down, HadaA1, HadaA2, HadaB1, HadaB2, HadaT1, HadaT2, Kron1, Kron2, KronA1,
            KronA2, KronB1, KronB2, KronT2, Mid, Up,
        };
        let kinds = [
            first(&[Down, Up, Mid]),
            first(&[HadaA1, HadaB1, HadaA2, HadaB2, HadaT1, HadaT2]),
            first(&[Kron1, KronA1, KronB1, Kron2, KronA2, KronB2, KronT2]),
            first(&[Diff]),
        ];
        let there: Vec<&String> = kinds.iter().flatten().collect();
        if let [first, second, ..] = there[..] {
            return Err(Misfit::Both([first.clone(), second.clone()]));
        }
        Ok(match kinds {
            [Some(_), ..] => {
                Some(Self::LowRank { down: need(Down)?, up: need(Up)?, mid: get(Mid) })
            }
            [_, Some(_), ..] => {
                let both = [product(HadaA1, HadaB1, HadaT1)?, product(HadaA2, HadaB2, HadaT2)?];
                Some(Self::Hadamard(both))
            }
            [_, _, Some(_), _] => Some(Self::Kronecker([
                factor(Kron1, KronA1, KronB1, None)?,
                factor(Kron2, KronA2, KronB2, Some(KronT2))?,
            ])),
            [.., Some(name)] => Some(Self::Whole(name)),
            _ => None,
        })
    }

    /// What a person calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::LowRank { .. } => "LoRA",
            Self::Hadamard(_) => "LoHa",
            Self::Kronecker(_) => "LoKr",
            Self::Whole(_) => "full difference",
        }
    }

    /// The r in its scale, alpha / r; none if it is not scaled.
    pub fn rank(&self, weights: &Weights) -> Option<usize> {
        let rows = |name: &str| weights.shape(name)?.first().copied();
        match self {
            Self::LowRank { down, .. } => rows(down),
            Self::Hadamard([first, _]) => first.rank(weights),
            Self::Kronecker([left, right]) => right.rank(weights).or(left.rank(weights)),
            Self::Whole(_) => None,
        }
    }

    /// The shape of the change, `[out, in, ..]`; kernels may be flattened. None if the shapes of the
    /// tensors do not fit each other.
    pub fn shape(&self, weights: &Weights) -> Option<Vec<usize>> {
        let shape = |name: &str| weights.shape(name).filter(|shape| !shape.contains(&0));
        match self {
            Self::LowRank { down, up, mid } => {
                let (down, up) = (shape(down)?, shape(up)?);
                let (&[r, inputs, ref kernel @ ..], &[outputs, columns, ref ones @ ..]) =
                    (down, up)
                else {
                    return None;
                };
                let fits = columns == r && ones.iter().all(|&n| n == 1);
                let kernel = match mid {
                    None => kernel,
                    Some(mid) => match shape(mid)? {
                        [p, q, core @ ..] if [*p, *q] == [r, r] && core.len() == 2 => {
                            kernel.iter().all(|&n| n == 1).then_some(core)?
                        }
                        _ => return None,
                    },
                };
                fits.then(|| [&[outputs, inputs], kernel].concat())
            }
            Self::Hadamard([first, second]) => {
                let (first, second) = (first.shape(weights)?, second.shape(weights)?);
                (first == second).then_some(first)
            }
            Self::Kronecker([left, right]) => {
                let (left, right) = (left.shape(weights)?, right.shape(weights)?);
                let (&[m, n], &[o, i, ref kernel @ ..]) = (&left[..], &right[..]) else {
                    return None;
                };
                let sizes = [m.checked_mul(o)?, n.checked_mul(i)?];
                Some([&sizes[..], kernel].concat())
            }
            Self::Whole(name) => shape(name).map(<[usize]>::to_vec),
        }
    }

    /// The change times `scale`, after [`Form::shape`] was compared with the weight's.
    ///
    /// # Errors
    /// If a tensor cannot be read.
    pub fn delta(&self, weights: &Weights, scale: f32) -> Result<Delta, LoadError> {
        let get = |name: &String| weights.get(name);
        let matrix = |x: Tensor| x.reshape(&[x.dim(0), x.len() / x.dim(0).max(1)]);
        Ok(match self {
            Self::LowRank { down, up, mid: None } => {
                Delta::LowRank { down: matrix(get(down)?), up: matrix(get(up)?).scale(scale) }
            }
            Self::LowRank { down, up, mid: Some(mid) } => {
                let (down, up) = (matrix(get(down)?), matrix(get(up)?).scale(scale));
                Delta::Whole(tucker(&get(mid)?, &transposed(&up), &down))
            }
            Self::Hadamard([first, second]) => {
                let first = first.value(weights)?;
                Delta::Whole(first.mul(&second.value(weights)?).scale(scale))
            }
            Self::Kronecker([left, right]) => {
                Delta::Whole(kron(&left.value(weights)?.scale(scale), &right.value(weights)?))
            }
            Self::Whole(name) => Delta::Whole(get(name)?.scale(scale)),
        })
    }

    /// The names of its tensors.
    pub(super) fn tensors(&self) -> Vec<&str> {
        let names: Vec<&String> = match self {
            Self::LowRank { down, up, mid } => [down, up].into_iter().chain(mid).collect(),
            Self::Hadamard(both) | Self::Kronecker(both) => {
                both.iter().flat_map(Factor::tensors).collect()
            }
            Self::Whole(name) => vec![name],
        };
        names.into_iter().map(String::as_str).collect()
    }
}

impl Factor {
    fn tensors(&self) -> Vec<&String> {
        match self {
            Self::Whole(name) => vec![name],
            Self::Product { a, b, core } => [a, b].into_iter().chain(core).collect(),
        }
    }

    fn rank(&self, weights: &Weights) -> Option<usize> {
        match self {
            Self::Whole(_) => None,
            Self::Product { b, .. } => weights.shape(b)?.first().copied(),
        }
    }

    fn shape(&self, weights: &Weights) -> Option<Vec<usize>> {
        let shape = |name: &str| weights.shape(name).filter(|shape| !shape.contains(&0));
        match self {
            Self::Whole(name) => shape(name).map(<[usize]>::to_vec),
            Self::Product { a, b, core: None } => match (shape(a)?, shape(b)?) {
                (&[outputs, r], &[rows, inputs]) if r == rows => Some(vec![outputs, inputs]),
                _ => None,
            },
            Self::Product { a, b, core: Some(core) } => {
                match (shape(a)?, shape(b)?, shape(core)?) {
                    (&[p, outputs], &[q, inputs], &[rows, columns, kh, kw])
                        if [p, q] == [rows, columns] =>
                    {
                        Some(vec![outputs, inputs, kh, kw])
                    }
                    _ => None,
                }
            }
        }
    }

    fn value(&self, weights: &Weights) -> Result<Tensor, LoadError> {
        Ok(match self {
            Self::Whole(name) => weights.get(name)?,
            Self::Product { a, b, core: None } => matmul(&weights.get(a)?, &weights.get(b)?),
            Self::Product { a, b, core: Some(core) } => {
                tucker(&weights.get(core)?, &weights.get(a)?, &weights.get(b)?)
            }
        })
    }
}

/// Why the tensors of a layer are no formula.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Misfit {
    /// This one is missing.
    Lacks(Role),
    /// They are two formulas: one tensor of each.
    Both([String; 2]),
}

//! How the numbers of a tensor are stored.

use aquatint_kernels::{Activations, Numbers, Precision, Weight, has_pairs, widen};
use half::{bf16, f16};

use crate::Tensor;
use crate::pool::Buffer;

/// The numbers of a tensor.
pub(crate) enum Storage {
    /// f32: what every operation makes, and takes.
    Plain(Buffer),
    /// A weight in the 16 bits that a file has it in.
    F16(Vec<f16>),
    /// A weight in the 16 bits that a file has it in.
    Bf16(Vec<bf16>),
    /// A weight in the form in which products read it.
    Prepared(Weight),
    /// Activations of an even number of channels, rounded to bf16 for products that would round
    /// them anyway: two numbers in each element.
    Rounded(Buffer),
}

impl Storage {
    /// What a message calls it.
    pub fn what(&self) -> &'static str {
        match self {
            Self::Plain(_) => "of 32 bits",
            Self::F16(_) | Self::Bf16(_) => "of 16 bits, for tables and products only",
            Self::Prepared(_) => "prepared, for products in inference only",
            Self::Rounded(_) => "rounded, for products only",
        }
    }

    /// The numbers of a weight, unless they are prepared.
    pub fn numbers(&self) -> Option<Numbers<'_>> {
        Some(match self {
            Self::Plain(x) => Numbers::F32(x),
            Self::F16(x) => Numbers::F16(x),
            Self::Bf16(x) => Numbers::Bf16(x),
            Self::Prepared(_) | Self::Rounded(_) => return None,
        })
    }
}

/// What a weight does in its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Anything: f32 is wanted.
    Any,
    /// The matrix `[out, in]` of [`Tensor::linear`].
    Linear,
    /// The same, of [`Tensor::linear_with`] where a GEGLU follows.
    LinearGeglu,
    /// The kernels `[out, in, kh, kw]` of [`Tensor::conv2d`].
    Conv2d,
    /// The kernels of one that keeps the size of the picture.
    Conv2dSame,
    /// The same, where rounding errors weigh more than elsewhere.
    Conv2dSameFine,
    /// The table `[ids, channels]` of [`Tensor::embedding`].
    Table,
}

impl Tensor {
    /// A weight of 16 bits a number, as it is in a file.
    #[track_caller]
    pub fn from_f16(values: Vec<f16>, shape: &[usize]) -> Self {
        assert_eq!(values.len(), shape.iter().product::<usize>(), "numbers of shape {shape:?}");
        Self::from_storage(Storage::F16(values), shape)
    }

    /// A weight of 16 bits a number, as it is in a file.
    #[track_caller]
    pub fn from_bf16(values: Vec<bf16>, shape: &[usize]) -> Self {
        assert_eq!(values.len(), shape.iter().product::<usize>(), "numbers of shape {shape:?}");
        Self::from_storage(Storage::Bf16(values), shape)
    }

    /// The numbers in the bits they are stored in, unless they are [prepared](Tensor::prepared).
    pub fn numbers(&self) -> Option<Numbers<'_>> {
        self.storage().numbers()
    }

    /// Whether this is a weight of 8 bits.
    pub fn is_int8(&self) -> bool {
        matches!(self.storage(), Storage::Prepared(weight) if weight.is_int8())
    }

    /// Whether activations of so many channels are rounded if only products in `precision` will
    /// read them.
    pub(crate) fn rounds(precision: Precision, channels: usize) -> bool {
        has_pairs(precision) && channels.is_multiple_of(2)
    }

    /// Rounded activations, see [`Storage::Rounded`].
    #[track_caller]
    pub(crate) fn from_rounded(pairs: Buffer, shape: &[usize]) -> Self {
        assert_eq!(2 * pairs.len(), shape.iter().product::<usize>(), "pairs of shape {shape:?}");
        Self::from_storage(Storage::Rounded(pairs), shape)
    }

    /// The numbers for a product, rounded or not.
    #[track_caller]
    pub(crate) fn activations(&self) -> Activations<'_> {
        match self.storage() {
            Storage::Rounded(pairs) => Activations::Bf16(pairs),
            _ => Activations::F32(self.data()),
        }
    }

    /// The same numbers in f32, if they have 16 bits.
    pub fn in_f32(self) -> Self {
        self.widened().unwrap_or(self)
    }

    /// The same numbers in f32, if they have 16 bits now.
    pub(crate) fn widened(&self) -> Option<Self> {
        let numbers = match self.storage() {
            Storage::F16(x) => Numbers::F16(x),
            Storage::Bf16(x) => Numbers::Bf16(x),
            Storage::Rounded(pairs) => {
                let mut wide = Buffer::stale(self.len());
                widen(pairs, self.channels(), &mut wide);
                let wide = Self::from_buffer(wide, self.shape());
                return Some(wide.with_precision(self.precision()));
            }
            Storage::Plain(_) | Storage::Prepared(_) => return None,
        };
        let mut wide = Buffer::stale(numbers.len());
        numbers.widen_all(&mut wide);
        Some(Self::from_buffer(wide, self.shape()).with_precision(self.precision()))
    }

    /// The same numbers rounded to bf16, if they have 32 bits: a weight that stays as it is while
    /// gradients flow past it. In each product it is widened again, for as long as that takes.
    pub fn in_bf16(self) -> Self {
        let Storage::Plain(numbers) = self.storage() else { return self };
        let numbers = numbers.iter().map(|&x| bf16::from_f32(x)).collect();
        Self::from_bf16(numbers, self.shape()).with_precision(self.precision())
    }

    /// This weight made ready for its use in inference, in this tensor's precision: packed for
    /// products, in no more bits than it has now, or transformed for Winograd's convolution. Its
    /// numbers cannot be had back, nor changed, and no gradient flows through it. Packed weights
    /// give the same bits as before, transformed ones the same numbers but for rounding; and a
    /// convolution of few channels that keeps the size of the picture is always computed in f32.
    #[track_caller]
    pub fn prepared(self, use_: Use) -> Self {
        let precision = self.precision();
        self.prepared_by(use_, |numbers, shape| match (use_, shape) {
            (Use::Linear, &[n, k]) => Weight::linear(precision, numbers, [n, k]),
            (Use::LinearGeglu, &[n, k]) => Weight::geglu(precision, numbers, [n, k]),
            (Use::Conv2d, &[o, c, h, w]) => Weight::conv2d(precision, numbers, [o, c, h, w]),
            (Use::Conv2dSame, &[o, c, h, w]) => {
                Weight::conv2d_same(precision, numbers, [o, c, h, w])
            }
            (Use::Conv2dSameFine, &[o, c, h, w]) => {
                Weight::conv2d_same_fine(precision, numbers, [o, c, h, w])
            }
            _ => panic!("{use_:?} weight of shape {shape:?}"),
        })
    }

    /// This weight [prepared](Tensor::prepared) with its numbers rounded to 8 bits, which what it
    /// is multiplied with will be too; or in bf16, where that is faster.
    #[track_caller]
    pub fn quantized(self, use_: Use) -> Self {
        self.prepared_by(use_, |numbers, shape| match (use_, shape) {
            (Use::Linear, &[n, k]) => Weight::linear_int8(numbers, [n, k]),
            (Use::LinearGeglu, &[n, k]) => Weight::geglu_int8(numbers, [n, k]),
            (Use::Conv2d, &[o, c, h, w]) => Weight::conv2d_int8(numbers, [o, c, h, w]),
            (Use::Conv2dSame | Use::Conv2dSameFine, &[o, c, h, w]) => {
                Weight::conv2d_same_int8(numbers, [o, c, h, w])
            }
            _ => panic!("{use_:?} weight of shape {shape:?}"),
        })
    }

    #[track_caller]
    fn prepared_by(self, use_: Use, prepare: impl FnOnce(Numbers, &[usize]) -> Weight) -> Self {
        match use_ {
            Use::Table => return self,
            Use::Any => return self.in_f32(),
            _ => {}
        }
        if matches!(self.storage(), Storage::Prepared(_)) {
            return self;
        }
        let numbers = self.storage().numbers().expect("it is a weight");
        let weight = prepare(numbers, self.shape());
        Self::from_storage(Storage::Prepared(weight), self.shape()).with_precision(self.precision())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Conv2dOptions, Rng};

    /// Numbers that 16 bits can hold.
    fn exact(shape: &[usize], seed: u64) -> (Tensor, Vec<f16>) {
        let halves: Vec<f16> =
            Rng::new(seed).randn(shape).to_vec().into_iter().map(f16::from_f32).collect();
        (Tensor::new(halves.iter().map(|h| h.to_f32()).collect(), shape), halves)
    }

    #[test]
    fn a_prepared_weight_computes_the_same() {
        let mut rng = Rng::new(1);
        let (w, halves) = exact(&[5, 7], 2);
        let x = rng.randn(&[3, 7]);
        for precision in [Precision::F32, Precision::Bf16] {
            let plain = x.linear(&w.clone().with_precision(precision), None).to_vec();
            for weight in [w.clone(), Tensor::from_f16(halves.clone(), &[5, 7])] {
                let weight = weight.with_precision(precision).prepared(Use::Linear);
                assert_eq!(x.linear(&weight, None).to_vec(), plain);
            }
        }
        let (w, halves) = exact(&[4, 3, 3, 3], 3);
        let x = rng.randn(&[2, 5, 6, 3]);
        let options = Conv2dOptions { stride: 2, padding: [0, 1, 0, 1] };
        let weight = Tensor::from_f16(halves, &[4, 3, 3, 3]).prepared(Use::Conv2d);
        assert_eq!(x.conv2d(&weight, None, options).to_vec(), x.conv2d(&w, None, options).to_vec());
    }

    #[test]
    fn a_quantized_weight_computes_nearly_the_same() {
        let mut rng = Rng::new(1);
        let (w, halves) = exact(&[40, 64], 2);
        let x = rng.randn(&[30, 64]);
        let near = |y: &Tensor, exact: &Tensor| {
            let error = y.sub(exact).sum_of_squares() / exact.sum_of_squares();
            assert!(error > 0.0 && error.sqrt() < 0.015, "{}", error.sqrt());
        };
        let y = x.linear(&Tensor::from_f16(halves, &[40, 64]).quantized(Use::Linear), None);
        near(&y, &x.linear(&w, None));
        assert_eq!(y.to_vec(), x.linear(&w.quantized(Use::Linear), None).to_vec());
        let (w, _) = exact(&[5, 32, 3, 3], 3);
        let x = rng.randn(&[2, 5, 6, 32]);
        for (use_, options) in [
            (Use::Conv2d, Conv2dOptions { stride: 2, padding: [0, 1, 0, 1] }),
            (Use::Conv2dSame, Conv2dOptions::same(3)),
        ] {
            let y = x.conv2d(&w.clone().quantized(use_), None, options);
            near(&y, &x.conv2d(&w, None, options));
        }
    }

    #[test]
    fn gradients_flow_past_a_weight_of_16_bits() {
        let mut rng = Rng::new(4);
        let (w, _) = exact(&[6, 8], 2);
        let (kernels, _) = exact(&[4, 6, 3, 3], 3);
        let x = rng.randn(&[1, 5, 7, 8]).tracked();
        let gradient = |narrow: bool| {
            let [w, kernels] = [&w, &kernels].map(|w| {
                let w = w.clone().in_bf16();
                if narrow { w } else { w.in_f32() }
            });
            let y = x.linear(&w, None).conv2d(&kernels, None, Conv2dOptions::same(3));
            y.sqr().sum().backward().get(&x).expect("a gradient").to_vec()
        };
        assert_eq!(gradient(true), gradient(false));
    }

    #[test]
    fn a_table_of_16_bits_is_looked_up_exactly() {
        let (table, halves) = exact(&[5, 3], 4);
        let narrow = Tensor::from_f16(halves, &[5, 3]).prepared(Use::Table);
        let ids = [4, 0, 4];
        assert_eq!(narrow.embedding(&ids, &[3]).to_vec(), table.embedding(&ids, &[3]).to_vec());
        assert_eq!(narrow.to_vec(), table.to_vec());
    }

    #[test]
    #[should_panic(expected = "prepared, for products in inference only")]
    fn the_numbers_of_a_prepared_weight_are_gone() {
        Tensor::zeros(&[2, 2]).prepared(Use::Linear).to_vec();
    }

    #[test]
    #[should_panic(expected = "no gradient flows through a prepared weight")]
    fn no_gradient_flows_through_a_prepared_weight() {
        let w = Tensor::zeros(&[2, 2]).prepared(Use::Linear);
        Tensor::zeros(&[1, 2]).tracked().linear(&w, None);
    }
}

//! Step caching over one run: which calls of the U-Net reuse the deep features of an earlier one.

use aquatint_models::unet::DeepFeatures;
use aquatint_tensor::Tensor;

use crate::prompt::Told;

/// The deep features of one run (DeepCache with its uniform schedule; Ma et al. 2023, section
/// 3.3). Each run has one of its own, so that nothing gets from one picture into another.
pub(crate) struct StepCache {
    interval: usize,
    branch: usize,
    /// Under which conditions `features` were computed, in order.
    conditions: Vec<Told>,
    features: Option<Tensor>,
    /// How many more calls may use them.
    left: usize,
}

impl StepCache {
    /// Computes everything in every `interval`-th call, and in the others the layers above the
    /// skip connection `branch`.
    pub(crate) fn new(interval: usize, branch: usize) -> Self {
        Self { interval, branch, conditions: Vec::new(), features: None, left: 0 }
    }

    /// One call of the U-Net under the conditions `asked`, as many pictures under each as in all
    /// other calls.
    pub(crate) fn pass(
        &mut self,
        asked: &[Told],
        call: impl FnOnce(Option<&mut DeepFeatures>) -> Tensor,
    ) -> Tensor {
        if self.interval == 1 {
            return call(None);
        }
        let kept = if self.left > 0 { self.recall(asked) } else { None };
        let reusing = kept.is_some();
        let mut deep = DeepFeatures { branch: self.branch, kept };
        let answer = call(Some(&mut deep));
        if reusing {
            self.left -= 1;
        } else {
            self.left = self.interval - 1;
            self.features = deep.kept;
            self.conditions = asked.to_vec();
        }
        answer
    }

    /// The features under these conditions, if there are some under all of them: guidance may
    /// have ended since, or begun.
    fn recall(&self, asked: &[Told]) -> Option<Tensor> {
        let features = self.features.as_ref()?;
        if asked == self.conditions {
            return Some(features.clone());
        }
        let n = features.dim(0) / self.conditions.len();
        let rows = |condition: &Told| {
            let place = self.conditions.iter().position(|known| known == condition)?;
            Some(features.narrow_rows(place * n, n))
        };
        let parts: Option<Vec<Tensor>> = asked.iter().map(rows).collect();
        parts?.into_iter().reduce(|all, part| Tensor::cat_rows([&all, &part]))
    }
}

#[cfg(test)]
mod tests {
    use aquatint_diffusion::Condition::{NegativePrompt, Part, Prompt};

    use super::*;

    const BOTH: &[Told] = &[(NegativePrompt, 0), (Prompt, 0)];
    const ONE: &[Told] = &[(Prompt, 0)];
    /// The same after the prompt has changed.
    const LATER: &[Told] = &[(Prompt, 1)];

    /// What a call of one picture was given; a call without features leaves its number, ten more
    /// for the prompt.
    fn calls(interval: usize, asked: &[&[Told]]) -> Vec<Option<Vec<f32>>> {
        let mut cache = StepCache::new(interval, 0);
        let call = |(number, asked): (usize, &&[Told])| {
            let mut given = None;
            cache.pass(asked, |deep| {
                let deep = deep.expect("the cache is on");
                given = deep.kept.as_ref().map(Tensor::to_vec);
                let number = |(condition, _): &Told| match condition {
                    NegativePrompt => number as f32,
                    Prompt | Part(_) => number as f32 + 10.0,
                };
                let own = Tensor::new(asked.iter().map(number).collect(), &[asked.len(), 1]);
                deep.kept.get_or_insert(own).clone()
            });
            given
        };
        asked.iter().enumerate().map(call).collect()
    }

    #[test]
    fn every_third_call_computes() {
        let given = calls(3, &[ONE; 7]);
        let features = |number: f32| Some(vec![number]);
        let first = [None, features(10.0), features(10.0)];
        assert_eq!(given[..3], first);
        assert_eq!(given[3..], [None, features(13.0), features(13.0), None]);
    }

    #[test]
    fn conditions_keep_apart() {
        // Guidance ends and begins again: then the features of one are not enough.
        let given = calls(3, &[BOTH, ONE, BOTH, ONE, BOTH, ONE]);
        let expected = [None, Some(vec![10.0]), Some(vec![0.0, 10.0]), None, None];
        assert_eq!(given[..5], expected);
        assert_eq!(given[5], Some(vec![14.0]));
        assert_eq!(calls(3, &[ONE, LATER, LATER]), [None, None, Some(vec![11.0])]);
    }

    #[test]
    fn one_is_off() {
        let mut cache = StepCache::new(1, 0);
        for _ in 0..3 {
            cache.pass(ONE, |deep| {
                assert!(deep.is_none());
                Tensor::zeros(&[1])
            });
        }
    }
}

//! Contents as short texts, to see whether they changed.

use aquatint_nn::{Module, ModuleExt};
use aquatint_tensor::Tensor;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Two digits for each byte.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of texts, each with its length.
pub fn lines(texts: &[String]) -> String {
    let texts = serde_json::to_string(texts).expect("texts are plain data");
    hexadecimal(&Sha256::digest(texts))
}

/// SHA-256 of a network: names and bits of its weights, then its configuration as JSON.
pub fn network(module: &impl Module, config: &impl Serialize) -> String {
    let mut sum = Sha256::new();
    for (name, param) in module.named_parameters() {
        sum.update(name.as_bytes());
        param.value().to_vec().iter().for_each(|x| sum.update(x.to_le_bytes()));
    }
    let config = serde_json::to_string(config).expect("a configuration is plain data");
    sum.update(config.as_bytes());
    hexadecimal(&sum.finalize())
}

/// SHA-256 of the bits of all numbers.
pub fn tensors(all: &[&Tensor]) -> String {
    let mut sum = Sha256::new();
    for tensor in all {
        tensor.to_vec().iter().for_each(|x| sum.update(x.to_le_bytes()));
    }
    hexadecimal(&sum.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aquatint_nn::{Bias, Linear};

    #[test]
    fn digits() {
        assert_eq!(hexadecimal(&[0, 255, 16]), "00ff10");
    }

    #[test]
    fn a_network_is_its_weights_and_its_configuration() {
        let mut layer = Linear::new(2, 3, Bias::Yes);
        layer.init(1);
        let first = network(&layer, &"a");
        assert_eq!((first.len(), &first), (64, &network(&layer.clone(), &"a")));
        assert_ne!(first, network(&layer, &"b"));
        layer.init(2);
        assert_ne!(first, network(&layer, &"a"));
    }
}

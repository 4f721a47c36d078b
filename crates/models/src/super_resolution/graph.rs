//! What a network does, layer by layer, to be compared with a description of one that somebody
//! else wrote: weights do not say where rectifiers and sums are.

use std::collections::HashMap;

use super::{RRDBNetConfig, ResidualDenseConfig, SuperResolutionConfig, Tail};

/// Operations and what they take from, each once however often and under whatever name it is
/// described. So two descriptions are of the same computation if their results are one node.
#[derive(Default)]
struct Graph {
    nodes: HashMap<(String, Vec<usize>), usize>,
}

impl Graph {
    fn node(&mut self, operation: impl Into<String>, from: &[usize]) -> usize {
        let (operation, mut from) = (operation.into(), from.to_vec());
        if operation == "Add" {
            from.sort_unstable();
        }
        let next = self.nodes.len();
        *self.nodes.entry((operation, from)).or_insert(next)
    }

    fn conv(&mut self, name: &str, filters: usize, kernel: usize, from: usize) -> usize {
        self.node(format!("Conv2D {name} {filters} {kernel}x{kernel}"), &[from])
    }

    /// A convolution, a rectifier, and what was seen before beside the result.
    fn dense(&mut self, name: &str, filters: usize, seen: usize) -> usize {
        let made = self.conv(name, filters, 3, seen);
        let made = self.node("relu", &[made]);
        self.node("Concatenate axis=3", &[seen, made])
    }

    fn rdn(&mut self, config: &ResidualDenseConfig) -> usize {
        let &ResidualDenseConfig { features, growth, layers, blocks, scale } = config;
        let picture = self.node("InputLayer", &[]);
        let shallow = self.conv("F_m1", features, 3, picture);
        let mut x = self.conv("F_0", features, 3, shallow);
        let mut all = Vec::with_capacity(blocks);
        for d in 1..=blocks {
            let seen = (1..=layers).fold(x, |x, c| self.dense(&format!("F_{d}_{c}"), growth, x));
            let made = self.conv(&format!("LFF_{d}"), features, 1, seen);
            x = self.node("Add", &[made, x]);
            all.push(x);
        }
        let mut x = match all.as_slice() {
            [one] => *one,
            all => self.node("Concatenate axis=3", all),
        };
        x = self.conv("GFF_1", features, 1, x);
        x = self.conv("GFF_2", features, 3, x);
        x = self.node("Add", &[x, shallow]);
        for (name, filters, kernel) in [("UPN1", 64, 5), ("UPN2", 32, 3)] {
            x = self.conv(name, filters, kernel, x);
            x = self.node("relu", &[x]);
        }
        x = self.conv("UPN3", 3 * scale * scale, 3, x);
        x = self.node(format!("UpSampling2D {scale}x{scale} nearest"), &[x]);
        self.conv("SR", 3, 3, x)
    }

    fn rrdn(&mut self, config: &RRDBNetConfig, scale: usize) -> usize {
        let &RRDBNetConfig { num_feat: width, num_block, num_grow_ch: growth, .. } = config;
        let picture = self.node("InputLayer", &[]);
        let first = self.conv("Pre_blocks_conv", width, 3, picture);
        let mut x = first;
        for t in 1..=num_block {
            let before = x;
            for d in 1..=3 {
                let seen = (1..=4).fold(x, |x, c| self.dense(&format!("F_{t}_{d}_{c}"), growth, x));
                let made = self.conv(&format!("LFF_{t}_{d}"), width, 3, seen);
                let made = self.node("MultiplyBeta", &[made]);
                x = self.node("Add", &[x, made]);
            }
            let made = self.node("MultiplyBeta", &[x]);
            x = self.node("Add", &[before, made]);
        }
        x = self.conv("post_blocks_conv", width, 3, x);
        x = self.node("Add", &[x, first]);
        x = self.conv("PreShuffle", 3 * scale * scale, 3, x);
        x = self.node(format!("PixelShuffle{scale}x"), &[x]);
        self.conv("SR", 3, 3, x)
    }
}

impl SuperResolutionConfig {
    /// Compares the network with a description: a line for each layer, which says what it does, its
    /// name, and what it takes from, with tabs between; the last line says which is the result.
    ///
    /// # Errors
    /// The layer that is not ours, or why there is no telling.
    pub fn check_layers(&self, text: &str) -> Result<(), String> {
        let mut graph = Graph::default();
        let result = match self {
            Self::Rdn(config) => graph.rdn(config),
            Self::Rrdb(RRDBNetConfig { tail: Tail::Shuffle(scale), .. }) => {
                let Self::Rrdb(config) = self else { unreachable!("it was one") };
                graph.rrdn(config, *scale)
            }
            _ => return Err("was never published as a layers model".into()),
        };
        let known = graph.nodes.len();
        let mut layers: HashMap<&str, usize> = HashMap::new();
        for line in text.lines() {
            let mut fields = line.split('\t');
            let (Some(operation), Some(name), Some(from)) =
                (fields.next(), fields.next(), fields.next())
            else {
                return Err("is described in a way that is not known".into());
            };
            let from = from.split(',').filter(|name| !name.is_empty());
            let from: Option<Vec<usize>> = from.map(|name| layers.get(name).copied()).collect();
            let Some(from) = from else {
                return Err(format!("takes from a layer that comes after `{name}`"));
            };
            if operation == "output" {
                return match from.as_slice() {
                    [node] if *node == result => Ok(()),
                    _ => Err("ends before the last layer".into()),
                };
            }
            let node = graph.node(operation, &from);
            if node >= known {
                return Err(format!("has a layer `{name}` ({operation}) that it should not have"));
            }
            layers.insert(name, node);
        }
        Err("has no result".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RDN: &str = "InputLayer\tLR\t\nConv2D F_m1 4 3x3\tF_m1\tLR\nConv2D F_0 4 3x3\tF_0\tF_m1\n\
        Conv2D F_1_1 2 3x3\tF_1_1\tF_0\nrelu\ta\tF_1_1\nConcatenate axis=3\tb\tF_0,a\n\
        Conv2D LFF_1 4 1x1\tLFF_1\tb\nAdd\tc\tLFF_1,F_0\nConv2D GFF_1 4 1x1\tGFF_1\tc\n\
        Conv2D GFF_2 4 3x3\tGFF_2\tGFF_1\nAdd\td\tF_m1,GFF_2\nConv2D UPN1 64 5x5\tUPN1\td\n\
        relu\te\tUPN1\nConv2D UPN2 32 3x3\tUPN2\te\nrelu\tf\tUPN2\nConv2D UPN3 12 3x3\tUPN3\tf\n\
        UpSampling2D 2x2 nearest\tg\tUPN3\nConv2D SR 3 3x3\tSR\tg\noutput\t\tSR\n";

    #[test]
    fn another_computation_is_named() {
        let config = ResidualDenseConfig { features: 4, growth: 2, layers: 1, blocks: 1, scale: 2 };
        let check = |text: &str| SuperResolutionConfig::Rdn(config.clone()).check_layers(text);
        assert_eq!(check(RDN), Ok(()));
        // Names of what holds no weights are nobody's business, nor the order of a sum.
        assert_eq!(
            check(&RDN.replace("\tc\t", "\tLRL\t").replace("GFF_1\tc", "GFF_1\tLRL")),
            Ok(())
        );
        assert_eq!(check(&RDN.replace("LFF_1,F_0", "F_0,LFF_1")), Ok(()));
        for (from, to, said) in [
            ("relu\ta", "tanh\ta", "has a layer `a` (tanh)"),
            ("F_0,a", "a,F_0", "has a layer `b` (Concatenate axis=3)"),
            ("LFF_1,F_0", "LFF_1,F_m1", "has a layer `c` (Add)"),
            ("SR 3 3x3", "SR 3 3x3 padding=\"valid\"", "has a layer `SR` (Conv2D SR 3 3x3 pad"),
            ("2x2 nearest", "2x2 bilinear", "(UpSampling2D 2x2 bilinear)"),
            ("output\t\tSR", "output\t\tg", "ends before the last layer"),
            ("output\t\tSR\n", "", "has no result"),
            ("\tF_m1\tLR", "\tF_m1\tHR", "takes from a layer that comes after `F_m1`"),
        ] {
            let error = check(&RDN.replace(from, to)).expect_err(to);
            assert!(error.contains(said), "{to}: {error}");
        }
    }
}

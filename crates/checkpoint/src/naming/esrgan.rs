//! Names of the networks that enlarge pictures. Ours are BasicSR's; ESRGAN was published in two
//! others, and idealo's networks number what they hold from one.

use std::collections::BTreeMap;

/// The tensors of a file by our names, if it has another naming: our name → the file's.
///
/// A name that no naming explains stays as it is, so that a strict comparison reports it.
pub fn super_resolution<'a>(names: impl Iterator<Item = &'a str>) -> BTreeMap<String, &'a str> {
    let names: Vec<&str> = names.collect();
    let numbered = numbered(&names);
    let ours = |name: &str| {
        let (layer, kind) = name.rsplit_once('.')?;
        let layer = match layer.strip_prefix("model.") {
            Some(rest) => sequential(rest, &numbered)?,
            None => named(layer)?,
        };
        Some(format!("{layer}.{kind}"))
    };
    // idealo's other network has these names too.
    let rdn = names.contains(&"F_m1.weight");
    let pairs = names.iter().map(|&name| {
        let ours = if rdn { None } else { ours(name) };
        (ours.unwrap_or_else(|| name.to_owned()), name)
    });
    pairs.collect()
}

/// The layers after the blocks, which the first ESRGAN counts with those that hold nothing between
/// them: `model.3`, `model.6`, … in order.
fn numbered(names: &[&str]) -> Vec<usize> {
    let number = |name: &&str| name.strip_prefix("model.")?.strip_suffix(".weight")?.parse().ok();
    let mut numbers: Vec<usize> = names.iter().filter_map(number).filter(|&n| n > 1).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// `1.sub.3.RDB2.conv4.0` → `body.3.rdb2.conv4`, and the like.
fn sequential(layer: &str, numbered: &[usize]) -> Option<String> {
    if layer == "0" {
        return Some("conv_first".into());
    }
    let Some(sub) = layer.strip_prefix("1.sub.") else {
        let at = numbered.iter().position(|n| layer.parse() == Ok(*n))?;
        return Some(match numbered.len() - at {
            1 => "conv_last".into(),
            2 => "conv_hr".into(),
            _ => format!("conv_up{}", at + 1),
        });
    };
    match sub.split_once(".RDB") {
        Some((block, rest)) => {
            let conv = rest.strip_suffix(".0").unwrap_or(rest);
            Some(format!("body.{block}.rdb{conv}"))
        }
        // After the last block.
        None => sub.parse::<usize>().is_ok().then(|| "conv_body".into()),
    }
}

/// `RRDB_trunk.3.RDB2.conv4` → `body.3.rdb2.conv4`; `F_4_2_4` → `body.3.rdb2.conv4`, and the like.
fn named(layer: &str) -> Option<String> {
    if let Some(rest) = layer.strip_prefix("RRDB_trunk.") {
        return Some(format!("body.{}", rest.replacen(".RDB", ".rdb", 1)));
    }
    let known = match layer {
        "trunk_conv" | "post_blocks_conv" => "conv_body",
        "Pre_blocks_conv" => "conv_first",
        "PreShuffle" | "HRconv" => "conv_hr",
        "SR" => "conv_last",
        _ => match layer.strip_prefix("upconv") {
            Some(n) => return Some(format!("conv_up{n}")),
            None => return keras(layer),
        },
    };
    Some(known.into())
}

fn keras(layer: &str) -> Option<String> {
    let (last, numbers) = match layer.strip_prefix("LFF_") {
        Some(numbers) => (Some(5), numbers),
        None => (None, layer.strip_prefix("F_")?),
    };
    let numbers: Vec<usize> =
        numbers.split('_').map(|n| n.parse().ok().filter(|&n| n > 0)).collect::<Option<_>>()?;
    match (numbers.as_slice(), last) {
        (&[block, dense], Some(conv)) | (&[block, dense, conv], None) => {
            Some(format!("body.{}.rdb{dense}.conv{conv}", block - 1))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(names: &[&str]) -> Vec<String> {
        let found = super_resolution(names.iter().copied());
        let of = |name: &&str| found.iter().find(|(_, stored)| *stored == name).unwrap().0.clone();
        names.iter().map(of).collect()
    }

    #[test]
    fn every_naming_is_ours_in_the_end() {
        assert_eq!(
            ours(&[
                "model.0.weight",
                "model.1.sub.22.RDB3.conv5.0.bias",
                "model.1.sub.23.weight",
                "model.3.weight",
                "model.6.weight",
                "model.8.weight",
                "model.10.weight",
            ]),
            [
                "conv_first.weight",
                "body.22.rdb3.conv5.bias",
                "conv_body.weight",
                "conv_up1.weight",
                "conv_up2.weight",
                "conv_hr.weight",
                "conv_last.weight",
            ]
        );
        assert_eq!(
            ours(&["model.3.weight", "model.5.weight", "model.7.weight", "model.7.odd.weight"]),
            ["conv_up1.weight", "conv_hr.weight", "conv_last.weight", "model.7.odd.weight"]
        );
        assert_eq!(
            ours(&[
                "RRDB_trunk.3.RDB2.conv4.weight",
                "trunk_conv.bias",
                "upconv2.weight",
                "HRconv.weight",
                "conv_last.weight"
            ]),
            [
                "body.3.rdb2.conv4.weight",
                "conv_body.bias",
                "conv_up2.weight",
                "conv_hr.weight",
                "conv_last.weight"
            ]
        );
        assert_eq!(
            ours(&[
                "F_10_2_4.weight",
                "LFF_10_3.bias",
                "Pre_blocks_conv.weight",
                "SR.weight",
                "F_0_1_1.weight",
                "F_1.weight"
            ]),
            [
                "body.9.rdb2.conv4.weight",
                "body.9.rdb3.conv5.bias",
                "conv_first.weight",
                "conv_last.weight",
                "F_0_1_1.weight",
                "F_1.weight"
            ]
        );
        let unchanged = ["F_m1.weight", "F_1_1.weight", "LFF_1.weight", "SR.weight"];
        assert_eq!(ours(&unchanged), unchanged);
        let unchanged = ["body.0.rdb1.conv1.weight", "body.0.weight", "conv_up1.bias"];
        assert_eq!(ours(&unchanged), unchanged);
    }
}

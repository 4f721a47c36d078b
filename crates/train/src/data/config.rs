//! Where the pictures are: the section `[data]` of a configuration.

use std::fmt;
use std::path::PathBuf;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

/// The section `[data]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// A folder with `metadata.jsonl` or `metadata.csv`; or a table, `.csv` or `.tsv`; or shards,
    /// `.tar` or `.parquet`: one, a pattern such as `shards-{000..003}.tar`, or a folder of them.
    #[serde(alias = "path")]
    pub folder: PathBuf,
    /// Width and height of the pictures in memory; others are cropped to a square and scaled.
    #[serde(default = "default_size")]
    pub size: usize,
    /// Sizes of the same area for pictures of other shapes: `true`, or a table.
    #[serde(
        default,
        deserialize_with = "switch_or_table",
        skip_serializing_if = "Option::is_none"
    )]
    pub buckets: Option<BucketsConfig>,
    /// A run begins if at most this part of the pictures cannot be read: they are left out.
    #[serde(default = "default_most_unreadable")]
    pub most_unreadable: f64,
    /// Gigabytes of pictures that are kept in memory; what is beyond is read when it is needed.
    #[serde(default = "default_memory_gb")]
    pub memory_gb: f64,
}

/// The section `[data.buckets]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BucketsConfig {
    /// Widths and heights are multiples of this.
    pub step: usize,
    /// The most that one side is longer than the other, as a factor.
    pub largest_aspect: f64,
}

impl Default for BucketsConfig {
    fn default() -> Self {
        Self { step: 64, largest_aspect: 2.0 }
    }
}

fn default_size() -> usize {
    128
}

fn default_most_unreadable() -> f64 {
    0.1
}

fn default_memory_gb() -> f64 {
    4.0
}

impl DataConfig {
    /// The pictures at `folder`, as squares of this size.
    pub fn new(folder: impl Into<PathBuf>, size: usize) -> Self {
        Self {
            folder: folder.into(),
            size,
            buckets: None,
            most_unreadable: default_most_unreadable(),
            memory_gb: default_memory_gb(),
        }
    }

    /// Says what is wrong with the keys that are about shapes and about what cannot be read.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Self { size, most_unreadable, memory_gb, .. } = *self;
        if !(0.0..1.0).contains(&most_unreadable) {
            let wanted = "it must be from 0 to less than 1";
            return Err(format!("`data.most_unreadable` is {most_unreadable}; {wanted}"));
        }
        if !(memory_gb.is_finite() && memory_gb >= 0.0) {
            return Err(format!("`data.memory_gb` is {memory_gb}; it must be 0 or more"));
        }
        let Some(BucketsConfig { step, largest_aspect }) = self.buckets else { return Ok(()) };
        if !(8..=1024).contains(&step) || !step.is_multiple_of(8) {
            let wanted = "it must be a multiple of 8 from 8 to 1024";
            return Err(format!("`data.buckets.step` is {step}; {wanted}"));
        }
        if !(1.0..=8.0).contains(&largest_aspect) {
            let wanted = "it must be from 1 to 8";
            return Err(format!("`data.buckets.largest_aspect` is {largest_aspect}; {wanted}"));
        }
        if !size.is_multiple_of(step) {
            return Err(format!(
                "`data.size` is {size}; with `data.buckets` it must be a multiple of their step, \
                 {step}"
            ));
        }
        Ok(())
    }
}

/// `true` for the usual buckets, `false` for none, or a table.
fn switch_or_table<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<BucketsConfig>, D::Error> {
    struct Either;
    impl<'de> Visitor<'de> for Either {
        type Value = Option<BucketsConfig>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("true, false or a table with `step` and `largest_aspect`")
        }

        fn visit_bool<E>(self, on: bool) -> Result<Self::Value, E> {
            Ok(on.then(BucketsConfig::default))
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            BucketsConfig::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
    }
    deserializer.deserialize_any(Either)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(lines: &str) -> Result<DataConfig, String> {
        toml::from_str(&format!("folder = 'd'\n{lines}")).map_err(|error| error.to_string())
    }

    #[test]
    fn buckets_are_switched_on_or_described() {
        let usual = Some(BucketsConfig { step: 64, largest_aspect: 2.0 });
        assert_eq!(parse("").unwrap(), DataConfig::new("d", 128));
        assert_eq!(parse("buckets = true").unwrap().buckets, usual);
        assert_eq!(parse("buckets = false").unwrap().buckets, None);
        let small = parse("buckets = { step = 16 }").unwrap().buckets;
        assert_eq!(small, Some(BucketsConfig { step: 16, largest_aspect: 2.0 }));
        assert!(parse("buckets = { stepp = 16 }").unwrap_err().contains("unknown field `stepp`"));
        assert!(parse("buckets = 3").unwrap_err().contains("expected true, false or a table"));
        let path: DataConfig = toml::from_str("path = 'x.tar'").unwrap();
        assert_eq!(path.folder, PathBuf::from("x.tar"));
    }

    #[test]
    fn what_cannot_be_is_said() {
        let said = |lines: &str| parse(lines).unwrap().check().unwrap_err();
        for (lines, sentence) in [
            ("most_unreadable = 1.0", "`data.most_unreadable` is 1; it must be from 0 to less"),
            ("most_unreadable = nan", "`data.most_unreadable` is NaN"),
            ("memory_gb = -1.0", "`data.memory_gb` is -1; it must be 0 or more"),
            ("buckets = { step = 12 }", "`data.buckets.step` is 12; it must be a multiple of 8"),
            ("buckets = { step = 0 }", "`data.buckets.step` is 0"),
            ("buckets = { largest_aspect = 0.5 }", "`data.buckets.largest_aspect` is 0.5; it must"),
            ("size = 96\nbuckets = true", "`data.size` is 96; with `data.buckets` it must be"),
        ] {
            assert!(said(lines).starts_with(sentence), "{lines}: {}", said(lines));
        }
        assert_eq!(parse("size = 512\nbuckets = true").unwrap().check(), Ok(()));
    }
}

//! What `tokenizer_config.json` says: how a text is framed, and which tokens stand for themselves
//! wherever they are spelled out.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokenizers::AddedToken;
use tokenizers::models::bpe::Vocab;
use tokenizers::normalizers::BertNormalizer;

use super::{END, PLACES, START};

/// The most ids that BERT's files can ask for: one less than what all of them say.
const MOST_OF_BERT: usize = 511;

/// A token that is found in a text before anything is normalized or split, as both
/// `added_tokens_decoder` and `tokenizer.json` describe it.
#[derive(Clone, Debug, Deserialize)]
pub struct Added {
    /// The id, which `tokenizer.json` has here and `added_tokens_decoder` as its key.
    pub id: Option<u32>,
    /// How it is spelled.
    pub content: String,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    normalized: bool,
}

impl Added {
    /// A token that a text must spell exactly.
    fn exactly(content: &str) -> Self {
        let no = false;
        let content = content.to_owned();
        Self { id: None, content, lstrip: no, rstrip: no, single_word: no, normalized: no }
    }

    /// A token of `added_tokens.json`, which may be spelled in capitals.
    pub fn loosely(content: String, id: u32) -> Self {
        Self { id: Some(id), normalized: true, ..Self::exactly(&content) }
    }

    fn token(&self) -> AddedToken {
        let token = AddedToken::from(self.content.as_str(), true).single_word(self.single_word);
        token.lstrip(self.lstrip).rstrip(self.rstrip).normalized(self.normalized)
    }

    fn json(&self) -> Value {
        json!({
            "content": self.content,
            "lstrip": self.lstrip,
            "normalized": self.normalized,
            "rstrip": self.rstrip,
            "single_word": self.single_word,
            "special": true,
        })
    }
}

/// The settings of a tokenizer; tokens by their spelling.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Before the tokens of a text.
    pub start: String,
    /// After them.
    pub end: String,
    /// Up to the full length.
    pub pad: String,
    /// In place of what the vocabulary cannot spell.
    pub unknown: String,
    /// How many ids a text has, at least two.
    pub max_length: usize,
    /// How BERT's texts are normalized; CLIP's know one way only.
    pub normalizer: BertNormalizer,
    bert: bool,
    /// Tokens that the files list.
    listed: Vec<Added>,
    /// Tokens that stand for themselves because of their part.
    named: Vec<Added>,
}

impl Settings {
    /// Those of `CLIPTokenizer`.
    pub fn clip(pad: &str, max_length: usize) -> Self {
        Self::of([START, END, pad, END], max_length, false)
    }

    /// Those of `BertTokenizer`, with the length that latent diffusion asks for.
    pub fn bert() -> Self {
        Self::of(["[CLS]", "[SEP]", "[PAD]", "[UNK]"], PLACES, true)
    }

    fn of([start, end, pad, unknown]: [&str; 4], max_length: usize, bert: bool) -> Self {
        let parts = [start, end, unknown, pad];
        let mask = bert.then_some("[MASK]");
        Self {
            start: start.into(),
            end: end.into(),
            pad: pad.into(),
            unknown: unknown.into(),
            max_length,
            normalizer: BertNormalizer::default(),
            bert,
            listed: Vec::new(),
            named: parts.into_iter().chain(mask).map(Added::exactly).collect(),
        }
    }

    /// Changes what the files change: `config` is `tokenizer_config.json`, `map` the older
    /// `special_tokens_map.json`, which counts where the former has no `added_tokens_decoder`, and
    /// `listed` the tokens that another file added.
    ///
    /// # Errors
    /// If a length is impossible or a token cannot be understood.
    pub fn read(mut self, config: &Value, map: &Value, listed: Vec<Added>) -> Result<Self, String> {
        let decoder = config.get("added_tokens_decoder").and_then(Value::as_object);
        self.listed = decoder.map_or(Ok(listed), parse_decoder)?;
        let names = if self.bert {
            ["cls_token", "sep_token", "unk_token", "pad_token", "mask_token"]
        } else {
            ["bos_token", "eos_token", "unk_token", "pad_token", ""]
        };
        for (i, name) in names.into_iter().take(self.named.len()).enumerate() {
            let value = if decoder.is_none() { map.get(name) } else { None };
            match value.or_else(|| config.get(name)) {
                None | Some(Value::Null) => {}
                Some(Value::String(content)) => self.named[i] = Added::exactly(content),
                Some(value) => {
                    self.named[i] = Added::deserialize(value)
                        .map_err(|error| format!("its {name} is no token: {error}"))?;
                }
            }
        }
        let part = |i: usize| self.named[i].content.clone();
        (self.start, self.end, self.unknown, self.pad) = (part(0), part(1), part(2), part(3));

        let length = config["model_max_length"].as_f64().unwrap_or(PLACES as f64);
        // transformers writes 1e30 for "no limit", which no text encoder has, and the pipeline of
        // latent diffusion asks for 77 ids although BERT's own limit, 512, is written there.
        let limit = if self.bert { MOST_OF_BERT as f64 } else { 1e6 };
        self.max_length = if length > limit { PLACES } else { length as usize };
        if self.max_length < 2 {
            let length = self.max_length;
            return Err(format!(
                "a text of {length} tokens has no room for a beginning and an end"
            ));
        }

        let flag = |name: &str| config.get(name).and_then(Value::as_bool);
        self.normalizer.lowercase = flag("do_lower_case").unwrap_or(true);
        self.normalizer.handle_chinese_chars = flag("tokenize_chinese_chars").unwrap_or(true);
        self.normalizer.strip_accents = flag("strip_accents");
        Ok(self)
    }

    /// Adds the tokens that the files list to a vocabulary that lacks them.
    ///
    /// # Errors
    /// If one of them has two ids, or is empty.
    pub fn extend(&self, vocabulary: &mut Vocab) -> Result<(), String> {
        for Added { id, content, .. } in &self.listed {
            let Some(id) = *id else {
                return Err(format!("the added token `{content}` has no id"));
            };
            let other = *vocabulary.entry(content.clone()).or_insert(id);
            if other != id {
                return Err(format!("the token `{content}` has two ids, {other} and {id}"));
            }
        }
        Ok(())
    }

    /// The tokens that stand for themselves: those that are listed, and the parts of the frame.
    pub fn special(&self, vocabulary: &Vocab) -> Vec<AddedToken> {
        let listed = |token: &Added| self.listed.iter().any(|other| other.content == token.content);
        let named = self.named.iter().filter(|token| !listed(token));
        let all = self.listed.iter().chain(named);
        all.filter(|token| vocabulary.contains_key(&token.content)).map(Added::token).collect()
    }

    /// `tokenizer_config.json`.
    pub fn json(&self) -> Value {
        let mut config = json!({
            "do_lower_case": self.normalizer.lowercase,
            "model_max_length": self.max_length,
            "pad_token": self.pad,
            "unk_token": self.unknown,
        });
        let more = if self.bert {
            json!({
                "cls_token": self.start,
                "mask_token": self.named[4].content,
                "sep_token": self.end,
                "strip_accents": self.normalizer.strip_accents,
                "tokenize_chinese_chars": self.normalizer.handle_chinese_chars,
                "tokenizer_class": "BertTokenizer",
            })
        } else {
            json!({
                "add_prefix_space": false,
                "bos_token": self.start,
                "eos_token": self.end,
                "errors": "replace",
                "tokenizer_class": "CLIPTokenizer",
            })
        };
        let entry = |token: &Added| Some((token.id?.to_string(), token.json()));
        let decoder: Map<String, Value> = self.listed.iter().filter_map(entry).collect();
        if let (Value::Object(config), Value::Object(more)) = (&mut config, more) {
            config.extend(more);
            if !decoder.is_empty() {
                config.insert("added_tokens_decoder".into(), decoder.into());
            }
        }
        config
    }
}

fn parse_decoder(decoder: &Map<String, Value>) -> Result<Vec<Added>, String> {
    let parse = |(id, value): (&String, &Value)| {
        let broken = |error: String| format!("its added token {id} cannot be understood: {error}");
        let id = id.parse().map_err(|error| broken(format!("{error}")))?;
        let token = Added::deserialize(value).map_err(|error| broken(error.to_string()))?;
        Ok(Added { id: Some(id), ..token })
    };
    decoder.iter().map(parse).collect()
}

//! Text to ids and nothing else.
//!
//! Two kinds of vocabulary are known, CLIP's byte pairs and BERT's word pieces; the crate
//! `tokenizers` applies them, set up as transformers' `CLIPTokenizer` and `BertTokenizer` set it
//! up. A prompt becomes a beginning, its tokens, an end, and padding up to the fixed length that
//! the text encoder was trained on; what is longer is cut.

mod bert;
mod clip;
mod files;
mod settings;
mod train;
mod words;

use std::fmt;
use std::io::Read;
use std::sync::Arc;

use flate2::read::GzDecoder;
use tokenizers::models::bpe::Vocab;
use tokenizers::{AddedToken, ModelWrapper, NormalizerWrapper, PreTokenizerWrapper};

use settings::Settings;

pub use files::FILES;
pub use words::Unit;

/// Before the tokens of a text, in CLIP's vocabularies.
pub const START: &str = "<|startoftext|>";
/// After the tokens of a text, in CLIP's vocabularies.
pub const END: &str = "<|endoftext|>";

/// How many ids a prompt has for the text encoders of CLIP, OpenCLIP and latent diffusion.
const PLACES: usize = 77;

/// A vocabulary and how a text is framed.
#[derive(Clone)]
pub struct Tokenizer {
    /// Text to ids without frame; shared, since it holds every token several times.
    pieces: Arc<tokenizers::Tokenizer>,
    /// The merges as their file has them, one a line, earliest first; `None` for BERT.
    merges: Option<Arc<str>>,
    settings: Settings,
    vocab_size: usize,
    max_id: u32,
    start: u32,
    end: u32,
    pad: u32,
    comma: Option<u32>,
    /// Those that were added, the longest first.
    words: Vec<words::Word>,
}

impl Tokenizer {
    /// The vocabulary of CLIP (49,408 tokens), 77 places, padded with the end of a text, as Stable
    /// Diffusion 1.x and the first text encoder of SDXL have it.
    pub fn clip() -> Self {
        Self::shipped_clip(END)
    }

    /// The same for text encoders of OpenCLIP, Stable Diffusion 2.x and the second one of SDXL:
    /// padded with the id 0, which is `!`. Since that makes `!` a special token, one in a prompt
    /// becomes the id 0 too, for transformers as for us.
    pub fn open_clip() -> Self {
        Self::shipped_clip("!")
    }

    /// The vocabulary of uncased BERT (30,522 word pieces), 77 places, as the text-to-image model
    /// of Rombach et al. (2022) has it.
    pub fn bert() -> Self {
        let words = unpack(include_bytes!("../../assets/bert-vocab.txt.gz"));
        Self::new(bert::vocabulary(&words), None, Settings::bert())
            .unwrap_or_else(|reason| panic!("the shipped vocabulary is complete, but {reason}"))
    }

    /// A vocabulary of the words of `texts`, whole, set up as BERT's; prompts will be `max_length`
    /// ids long. The same words in any order give the same vocabulary.
    ///
    /// # Panics
    /// If `max_length` leaves no room for a beginning and an end.
    #[track_caller]
    pub fn of_words<'a>(texts: impl IntoIterator<Item = &'a str>, max_length: usize) -> Self {
        Self::new(bert::words_of(texts), None, Settings::bert())
            .unwrap_or_else(|reason| panic!("a vocabulary of words is complete, but {reason}"))
            .with_max_length(max_length)
    }

    /// How many words [`Tokenizer::of_words`] sees in a text.
    pub fn word_count(text: &str) -> usize {
        bert::words(text).len()
    }

    fn shipped_clip(pad: &str) -> Self {
        let merges = unpack(include_bytes!("../../assets/clip-merges.txt.gz"));
        Self::from_merges(merges, Settings::clip(pad, PLACES))
            .unwrap_or_else(|reason| panic!("the shipped vocabulary is complete, but {reason}"))
    }

    /// Learns a vocabulary of at most `vocab_size` tokens from `captions`; prompts will be
    /// `max_length` ids long. The same captions in any order give the same vocabulary.
    ///
    /// # Panics
    /// If `vocab_size` leaves no room for the 512 bytes and the two special tokens, or
    /// `max_length` none for those two.
    #[track_caller]
    pub fn train<'a>(
        captions: impl IntoIterator<Item = &'a str>,
        vocab_size: usize,
        max_length: usize,
    ) -> Self {
        assert!(vocab_size >= 514, "a vocabulary of {vocab_size} tokens cannot hold every byte");
        let merges = train::learn_merges(captions, vocab_size);
        Self::from_merges(merges, Settings::clip(END, max_length))
            .unwrap_or_else(|reason| panic!("a learned vocabulary is complete, but {reason}"))
    }

    /// A CLIP vocabulary in its authors' order, which follows from the merges: bytes, bytes at the
    /// end of a word, what the merges make, the two special tokens.
    fn from_merges(merges: String, settings: Settings) -> Result<Self, String> {
        let mut names = clip::base_tokens();
        names.extend(merges.lines().map(|line| line.replacen(' ', "", 1)));
        names.extend([START.to_owned(), END.to_owned()]);
        Self::new(names.into_iter().zip(0..).collect(), Some(merges), settings)
    }

    fn new(
        mut vocabulary: Vocab,
        merges: Option<String>,
        settings: Settings,
    ) -> Result<Self, String> {
        settings.extend(&mut vocabulary)?;
        let id = |token: &str| match vocabulary.get(token) {
            Some(&id) => Ok(id),
            None => Err(format!("the vocabulary has no token `{token}`")),
        };
        let [start, end, pad] = [&settings.start, &settings.end, &settings.pad];
        let (start, end, pad) = (id(start)?, id(end)?, id(pad)?);
        id(&settings.unknown)?;
        let special: Vec<AddedToken> = settings.special(&vocabulary);
        let (vocab_size, max_id) =
            (vocabulary.len(), vocabulary.values().copied().max().unwrap_or(0));
        let parts: (ModelWrapper, NormalizerWrapper, PreTokenizerWrapper) = match &merges {
            Some(merges) => (
                clip::model(vocabulary, merges, &settings.unknown)?.into(),
                clip::normalizer().into(),
                clip::pre_tokenizer().into(),
            ),
            None => (
                bert::model(vocabulary, &settings.unknown)?.into(),
                settings.normalizer.into(),
                bert::pre_tokenizer().into(),
            ),
        };
        let pieces = assemble(parts, special).map_err(|error| error.to_string())?;
        let comma = match &merges {
            Some(_) => pieces.token_to_id(&format!(",{}", clip::END_OF_WORD)),
            None => pieces.token_to_id(","),
        };
        let (pieces, merges, words) = (Arc::new(pieces), merges.map(Arc::from), Vec::new());
        Ok(Self { pieces, merges, settings, vocab_size, max_id, start, end, pad, comma, words })
    }

    /// The ids of `text`, exactly [`Tokenizer::max_length`] of them.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = vec![self.start];
        ids.extend(self.tokens(text));
        ids.truncate(self.max_length() - 1);
        ids.push(self.end);
        ids.resize(self.max_length(), self.pad);
        ids
    }

    /// The ids of `text` alone: no beginning, end, padding or limit. The special tokens are
    /// recognised where they are spelled out.
    pub fn tokens(&self, text: &str) -> Vec<u32> {
        // The two things that can fail are an unknown token that the vocabulary lacks, which the
        // constructor looks for, and a regular expression that backtracks, which none does.
        let encoding = self.pieces.encode_fast(text, false).expect("every text has tokens");
        encoding.get_ids().to_vec()
    }

    /// What a token stands for, without the mark at a word's end; nothing if there is none of that id.
    pub fn text(&self, id: u32) -> String {
        let piece = self.pieces.id_to_token(id).unwrap_or_default();
        piece.trim_end_matches(clip::END_OF_WORD).to_owned()
    }

    /// How many ids a prompt has.
    pub fn max_length(&self) -> usize {
        self.settings.max_length
    }

    /// transformers' class of it.
    pub fn class_name(&self) -> &'static str {
        if self.merges.is_some() { "CLIPTokenizer" } else { "BertTokenizer" }
    }

    /// The same vocabulary for prompts of `length` ids.
    ///
    /// # Panics
    /// If there is no room for a beginning and an end.
    #[must_use]
    #[track_caller]
    pub fn with_max_length(mut self, length: usize) -> Self {
        assert!(length >= 2, "a text of {length} tokens has no room for a beginning and an end");
        self.settings.max_length = length;
        self
    }

    /// How many tokens there are.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// The largest id, which the text encoder's table must hold.
    pub fn max_id(&self) -> u32 {
        self.max_id
    }

    /// The ids of the beginning, the end and the padding.
    pub fn special_ids(&self) -> [u32; 3] {
        [self.start, self.end, self.pad]
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { settings, vocab_size, .. } = self;
        write!(f, "Tokenizer {{ vocab_size: {vocab_size}, settings: {settings:?} }}")
    }
}

fn assemble(
    (model, normalizer, pre_tokenizer): (ModelWrapper, NormalizerWrapper, PreTokenizerWrapper),
    special: Vec<AddedToken>,
) -> tokenizers::Result<tokenizers::Tokenizer> {
    let mut pieces = tokenizers::Tokenizer::new(model);
    pieces.with_normalizer(Some(normalizer))?;
    pieces.with_pre_tokenizer(Some(pre_tokenizer));
    pieces.add_special_tokens(special)?;
    Ok(pieces)
}

fn unpack(file: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).expect("a shipped file is whole");
    text
}

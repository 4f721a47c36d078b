//! A model without words, all of whose parts stay in memory once they were asked for.

use std::borrow::Cow;
use std::sync::OnceLock;

use aquatint_pipeline::{Autoencoder, Conditioner, Model, ModelError, Network, Outline};

/// One that loads each of its parts once, and lends them from then on.
pub(super) struct Kept<'a> {
    parts: Box<dyn Model + 'a>,
    network: OnceLock<Network<'static>>,
    encoder: OnceLock<Autoencoder<'static>>,
    decoder: OnceLock<Autoencoder<'static>>,
}

impl<'a> Kept<'a> {
    /// Of the parts of `parts`.
    pub fn new(parts: Box<dyn Model + 'a>) -> Self {
        let (encoder, decoder) = (OnceLock::new(), OnceLock::new());
        Self { parts, network: OnceLock::new(), encoder, decoder }
    }
}

impl Model for Kept<'_> {
    fn outline(&self) -> Outline {
        self.parts.outline()
    }

    fn conditioner(&self) -> Result<Conditioner<'_>, ModelError> {
        // A table of classes at most.
        self.parts.conditioner()
    }

    fn network(&self) -> Result<Network<'_>, ModelError> {
        let kept = once(&self.network, || {
            Ok(match self.parts.network()? {
                Network::Conditioned(unet) => Network::Conditioned(Cow::Owned(unet.into_owned())),
                Network::Plain(unet) => Network::Plain(Cow::Owned(unet.into_owned())),
            })
        })?;
        Ok(match kept {
            Network::Conditioned(unet) => Network::Conditioned(Cow::Borrowed(unet)),
            Network::Plain(unet) => Network::Plain(Cow::Borrowed(unet)),
        })
    }

    fn encoder(&self) -> Result<Autoencoder<'_>, ModelError> {
        once(&self.encoder, || self.parts.encoder().map(owned)).map(Autoencoder::lent)
    }

    fn decoder(&self) -> Result<Autoencoder<'_>, ModelError> {
        once(&self.decoder, || self.parts.decoder().map(owned)).map(Autoencoder::lent)
    }
}

/// What was loaded for us is ours already, so this copies nothing.
fn owned(vae: Autoencoder<'_>) -> Autoencoder<'static> {
    match vae {
        Autoencoder::Kl(vae) => Autoencoder::Kl(Cow::Owned(vae.into_owned())),
        Autoencoder::Vq(vae) => Autoencoder::Vq(Cow::Owned(vae.into_owned())),
        Autoencoder::Pixels => Autoencoder::Pixels,
    }
}

/// What is in the cell, or is put there now.
fn once<T>(
    cell: &OnceLock<T>,
    load: impl FnOnce() -> Result<T, ModelError>,
) -> Result<&T, ModelError> {
    if let Some(there) = cell.get() {
        return Ok(there);
    }
    let loaded = load()?;
    Ok(cell.get_or_init(|| loaded))
}

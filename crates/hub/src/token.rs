//! Who we are, to a hub.

use std::fmt;

use crate::HubError;

/// A secret that opens models to their owner's friends. It is never shown.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Takes the token, without the blanks and newlines around it; `None` if nothing is left.
    ///
    /// # Errors
    /// [`HubError::MalformedToken`] if it could not be sent.
    pub fn new(text: &str) -> Result<Option<Self>, HubError> {
        let text = text.trim();
        if !text.chars().all(|c| c.is_ascii_graphic()) {
            return Err(HubError::MalformedToken);
        }
        Ok((!text.is_empty()).then(|| Self(text.into())))
    }

    pub(crate) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

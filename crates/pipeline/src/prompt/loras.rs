//! Adapters that a prompt asks for: `<lora:name:0.8>`, as Stable Diffusion web UI reads them.

/// An adapter that a prompt asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptLora {
    /// The name of its file, without the ending.
    pub name: String,
    /// How much of it the U-Net takes.
    pub weight: f64,
    /// How much of it the text encoders take.
    pub text_encoder_weight: f64,
}

/// Takes the adapters out of a prompt: what remains to be read, and what is asked for, in order.
///
/// After the name may stand a weight for all, or one for the text encoders and then one for the
/// U-Net, or `te=0.5` and `unet=0.7`. `lyco` in place of `lora` is the same. Whatever else is in
/// angle brackets, `<like-this>` or with a weight that is none, is text.
pub fn take_loras(prompt: &str) -> (String, Vec<PromptLora>) {
    let (mut text, mut loras) = (String::with_capacity(prompt.len()), Vec::new());
    let mut rest = prompt;
    while let Some(open) = rest.find('<') {
        text.push_str(&rest[..open]);
        rest = &rest[open..];
        let tag = rest.find('>').and_then(|close| Some((close, parse(&rest[1..close])?)));
        match tag {
            Some((close, lora)) => {
                loras.push(lora);
                rest = &rest[close + 1..];
            }
            None => {
                text.push('<');
                rest = &rest[1..];
            }
        }
    }
    text.push_str(rest);
    (text, loras)
}

fn parse(tag: &str) -> Option<PromptLora> {
    let mut fields = tag.split(':');
    let kind = fields.next()?;
    let name = fields.next().filter(|name| !name.is_empty())?.to_owned();
    if kind != "lora" && kind != "lyco" {
        return None;
    }
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite());
    let (mut places, mut text_encoder, mut unet) = (Vec::new(), None, None);
    for field in fields {
        match field.split_once('=') {
            Some(("te", value)) => text_encoder = Some(number(value)?),
            Some(("unet", value)) => unet = Some(number(value)?),
            // Blocks of a LyCORIS file, which nobody here asks for.
            Some(_) => {}
            None => places.push(number(field)?),
        }
    }
    let text_encoder_weight = text_encoder.or(places.first().copied()).unwrap_or(1.0);
    let weight = unet.or(places.get(1).copied()).unwrap_or(text_encoder_weight);
    Some(PromptLora { name, weight, text_encoder_weight })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_out() {
        let (text, loras) = take_loras(
            "a <lora:one> cat<lora:two:0.8>, <lyco:three:0.5:0.7><lora:four:te=0:unet=2> <cat-toy>",
        );
        assert_eq!(text, "a  cat,  <cat-toy>");
        let found: Vec<_> =
            loras.iter().map(|l| (l.name.as_str(), l.weight, l.text_encoder_weight)).collect();
        let expected =
            [("one", 1.0, 1.0), ("two", 0.8, 0.8), ("three", 0.7, 0.5), ("four", 2.0, 0.0)];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_none_is_text() {
        for prompt in ["a < b > c", "<lora:>", "<lora", "<lora:x:heavy>", "<hypernet:x:1>", "1 < 2"]
        {
            assert_eq!(take_loras(prompt), (prompt.to_owned(), Vec::new()));
        }
        let (text, loras) = take_loras("<<lora:x:0.5>");
        assert_eq!((text.as_str(), loras.len()), ("<", 1));
    }
}

//! Pages that need nothing but themselves: styles and pictures are in them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::{Encoding, Picture, encode_picture};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
color:#222;background:#fff}table{border-collapse:collapse}td,th{padding:.2rem 1rem .2rem 0;text-align:left;\
border-bottom:1px solid #ddd}td.n{font-variant-numeric:tabular-nums;text-align:right}img,svg{max-width:100%;\
height:auto}h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}figure{display:inline-block;margin:0 1rem \
1rem 0}pre{overflow:auto;background:#f5f5f5;padding:1rem}footer{margin-top:3rem;color:#777}";

/// A page with a heading, `body` below it, and the program's version at the end.
pub fn page(title: &str, body: &str, version: &str) -> String {
    let (title, version) = (escaped(title), escaped(version));
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style><h1>{title}</h1>\
         {body}<footer>aquatint {version}</footer></html>"
    )
}

/// Text that is no markup.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A picture with its title for those who cannot see it. Nothing if it has no pixels.
pub fn picture(title: &str, picture: &Picture) -> String {
    let png = encode_picture(picture, &Default::default(), Encoding::default());
    // Pictures that are in memory can be written there as PNG.
    png.map_or(String::new(), |png| picture_file(title, picture.width, &png))
}

/// The same for the bytes of a PNG file, shown `width` pixels wide.
pub fn picture_file(title: &str, width: usize, png: &[u8]) -> String {
    let (title, data) = (escaped(title), STANDARD.encode(png));
    format!("<img width=\"{width}\" alt=\"{title}\" src=\"data:image/png;base64,{data}\">")
}

//! A question's pictures on the page, inside it and with a text alternative. Their files come in, HTML goes out.

use std::fmt::Write;
use std::path::Path;

use super::escape;
use crate::evaluate::ImageRef;
use crate::picture::PictureSource;

/// Width in pixels below which a picture is shown enlarged, pixel by pixel.
const SMALL: u32 = 96;

/// Draws the pictures in a row. One that can't be read is a sentence.
pub fn draw(images: &[ImageRef], out: &mut String) -> std::fmt::Result {
    if images.is_empty() {
        return Ok(());
    }
    out.push_str("<div class=\"pictures\">");
    for image in images {
        let source = PictureSource::from_text(&image.path, Path::new("/"));
        match source.and_then(|source| source.embedded()) {
            Ok(picture) => write!(
                out,
                "<img src=\"{}\" alt=\"{}\" width=\"{}\" height=\"{}\"{} />",
                picture.url(),
                escape(&alternative(image)),
                picture.size.0,
                picture.size.1,
                if picture.size.0 < SMALL { " class=\"small\"" } else { "" },
            )?,
            Err(why) => write!(out, "<p class=\"note\">{}</p>", escape(&why.to_string()))?,
        }
    }
    out.push_str("</div>\n");
    Ok(())
}

/// The picture's file name and size.
fn alternative(image: &ImageRef) -> String {
    let file = image.path.rsplit('/').next().unwrap_or_default();
    format!("{file}, {}x{}", image.width, image.height)
}

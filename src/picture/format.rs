//! The formats of pictures, told by their first bytes, and what else a file may be.

/// The formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Png,
    Jpeg,
    Gif,
    WebP,
    Bmp,
}

impl Format {
    /// The format of an encoded picture, or in words what the bytes are instead.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, &'static str> {
        let starts = |with: &[u8]| bytes.starts_with(with);
        let at = |place: usize, word: &[u8]| bytes.get(place..place + word.len()) == Some(word);
        Ok(match () {
            () if starts(b"\x89PNG\r\n\x1a\n") => Self::Png,
            () if starts(b"\xff\xd8\xff") => Self::Jpeg,
            () if starts(b"GIF87a") || starts(b"GIF89a") => Self::Gif,
            () if starts(b"RIFF") && at(8, b"WEBP") => Self::WebP,
            () if starts(b"BM") && bytes.len() > 26 => Self::Bmp,
            () => return Err(foreign(bytes)),
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::Gif => "GIF",
            Self::WebP => "WebP",
            Self::Bmp => "BMP",
        }
    }
}

/// How much of a text is looked at.
const START: usize = 1000;

fn foreign(bytes: &[u8]) -> &'static str {
    let start = &bytes[..bytes.len().min(START)];
    let holds = |word: &[u8]| start.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    match start {
        [] => "an empty file",
        [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => "a TIFF",
        [b'%', b'P', b'D', b'F', ..] => "a PDF",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "an AVIF, HEIC or film",
        _ if start.starts_with(b"version https://git-lfs") => {
            "a pointer of Git LFS (`git lfs pull` gets the file)"
        }
        _ if holds(b"<svg") => "an SVG drawing",
        _ if holds(b"<html") => "a web page",
        _ if !start.contains(&0) && text(start) => "a text",
        _ => "of an unknown format",
    }
}

/// Whether it is UTF-8 but for a character that the cut at its end may have split.
fn text(start: &[u8]) -> bool {
    std::str::from_utf8(start).map_or_else(|e| e.error_len().is_none(), |_| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_their_first_bytes() {
        assert_eq!(Format::of(b"\xff\xd8\xff\xe0"), Ok(Format::Jpeg));
        assert_eq!(Format::of(b"RIFF\0\0\0\0WEBPVP8 "), Ok(Format::WebP));
        let told = |bytes: &[u8]| Format::of(bytes).unwrap_err();
        assert_eq!(told(b""), "an empty file");
        assert_eq!(told(b"<?xml version=\"1.0\"?>\n<svg width=\"100000\">"), "an SVG drawing");
        assert_eq!(told("犬の写真".repeat(200).as_bytes()), "a text");
        assert_eq!(told(b"BM"), "a text");
        assert_eq!(told(b"RIFF\0\0\0\0WAVE"), "of an unknown format");
    }
}

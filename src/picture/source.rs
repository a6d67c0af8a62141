//! Where a picture's bytes are, and what can be asked of them.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use xxhash_rust::xxh3::xxh3_128;

use super::decode::{decode, header};
use super::{Picture, PictureError};
use crate::limits::{self, PICTURE_FILE};

/// Most characters of a data: URL that stand for it in a message.
const URL_SHOWN: usize = 40;

/// A picture that is not read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PictureSource {
    File(PathBuf),
    /// The encoded picture itself, with what messages call it.
    Bytes {
        name: String,
        bytes: Arc<[u8]>,
    },
}

impl PictureSource {
    /// What a data set says of a picture: a `data:` URL with base64, or a path, absolute or from the folder `beside`.
    ///
    /// # Errors
    /// A URL that is not of that form, or no text at all. Whether a file is there is not asked.
    pub fn from_text(text: &str, beside: &Path) -> Result<Self, PictureError> {
        let start: String = text.chars().take(URL_SHOWN).collect();
        let name = if start.len() < text.len() { format!("{start}…") } else { start };
        let wrong = |what: String| PictureError::Reference { name: name.clone(), what };
        let scheme = text.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
        match scheme.as_deref() {
            Some("data") => {
                let bytes = data_url(text).map_err(wrong)?;
                Ok(Self::Bytes { name, bytes: bytes.into() })
            }
            Some(scheme @ ("http" | "https" | "file" | "ftp" | "s3")) => Err(wrong(format!(
                "pictures are not fetched by {scheme}: save it beside the data and name its file"
            ))),
            _ if text.is_empty() => Err(PictureError::Reference {
                name: "the picture".to_owned(),
                what: "its name is empty: name a file beside the data".to_owned(),
            }),
            _ => Ok(Self::File(beside.join(text))),
        }
    }

    /// What messages call it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Bytes { name, .. } => name.clone(),
        }
    }

    /// Width and height of the upright picture. Nothing is decoded: format, size and the lengths of its parts are
    /// held against the bounds and the file's end.
    ///
    /// # Errors
    /// Not readable, of no format that is read, too large, or cut short.
    pub fn check(&self) -> Result<(u32, u32), PictureError> {
        header(&self.encoded()?, &self.name()).map(|header| header.upright())
    }

    /// The picture's pixels.
    ///
    /// # Errors
    /// As [`PictureSource::check`], or the picture is damaged.
    pub fn read(&self) -> Result<Picture, PictureError> {
        decode(&self.encoded()?, &self.name())
    }

    /// A digest of the bytes as they are stored: xxh3-128 in hexadecimal digits.
    ///
    /// # Errors
    /// The file is not readable or too long.
    pub fn digest(&self) -> Result<String, PictureError> {
        Ok(format!("{:032x}", xxh3_128(&self.encoded()?)))
    }

    /// The bytes as they are stored.
    ///
    /// # Errors
    /// The file is not readable, or there are more bytes than a picture may have.
    pub fn encoded(&self) -> Result<Cow<'_, [u8]>, PictureError> {
        match self {
            Self::File(path) => {
                let wrong = |source| PictureError::Read { name: self.name(), source };
                limits::read(path, PICTURE_FILE).map(Cow::Owned).map_err(wrong)
            }
            Self::Bytes { name, bytes } if bytes.len() as u64 > PICTURE_FILE => {
                Err(PictureError::Reference {
                    name: name.clone(),
                    what: format!(
                        "it has over {} MiB, the most that is read of a picture",
                        PICTURE_FILE >> 20
                    ),
                })
            }
            Self::Bytes { bytes, .. } => Ok(Cow::Borrowed(bytes)),
        }
    }
}

/// The bytes of `data:image/png;base64,iVBOR…`.
fn data_url(url: &str) -> Result<Vec<u8>, String> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let (about, data) = url.split_once(',').ok_or("a data: URL has a comma before its data")?;
    if !about.to_ascii_lowercase().ends_with(";base64") {
        return Err("only data: URLs in base64 are read".to_owned());
    }
    if data.len() as u64 > PICTURE_FILE / 3 * 4 {
        return Err(format!("it has over {} MiB, the most that is read of a picture", PICTURE_FILE >> 20));
    }
    let data: Vec<u8> = data.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    LENIENT.decode(&data).map_err(|e| format!("its base64 is damaged ({e})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_names_a_file_or_holds_the_picture() {
        let of = |text: &str| PictureSource::from_text(text, Path::new("/data"));
        assert_eq!(of("a/b.png").unwrap(), PictureSource::File("/data/a/b.png".into()));
        assert_eq!(of("/c.png").unwrap(), PictureSource::File("/c.png".into()));
        for text in ["data:image/png;base64,iVBORw0K", "DATA:;base64,iVBO\nRw0K"] {
            let source = of(text).unwrap();
            assert_eq!(source.encoded().unwrap().as_ref(), b"\x89PNG\r\n");
        }
        // 32,000 characters are not what a message should repeat.
        let long = format!("data:image/png;base64,{}", "A".repeat(32_000));
        assert!(of(&long).unwrap().name().chars().count() < 50);
        for (text, says) in [
            ("", "empty"),
            ("https://example.org/a.png", "not fetched by https"),
            ("data:image/png;base64", "comma"),
            ("data:image/svg+xml,<svg/>", "base64"),
            ("data:image/png;base64,%%%%", "damaged"),
        ] {
            let told = of(text).unwrap_err().to_string();
            assert!(told.contains(says), "{text}: {told}");
        }
    }

    #[test]
    fn a_digest_is_of_the_bytes() {
        let of =
            |bytes: &[u8]| PictureSource::Bytes { name: "a".into(), bytes: bytes.into() }.digest().unwrap();
        assert_eq!(of(b""), "99aa06d3014798d86001c324468d497f");
        assert_ne!(of(b"a"), of(b"b"));
    }
}

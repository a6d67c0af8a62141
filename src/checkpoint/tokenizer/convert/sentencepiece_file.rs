//! `tokenizer.model`, sentencepiece's protocol buffer. In: its bytes. Out: the pieces and the settings that decide how
//! text is split. Lengths are checked against the file before anything is allocated.

/// Upper limit for the bytes of a piece, because every split in two is tried. Published pieces have a few dozen bytes.
pub(super) const LONGEST: usize = 1024;

/// The kind of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PieceKind {
    Normal,
    Control,
    UserDefined,
    /// Unknown, unused, or a byte.
    Other,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) score: f32,
    pub(super) kind: PieceKind,
}

/// A sentencepiece model; missing fields take the format's defaults.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SentencePieceModel {
    /// Pieces in id order.
    pub(super) pieces: Vec<Piece>,
    pub(super) unigram: bool,
    pub(super) byte_fallback: bool,
    pub(super) unk_id: i32,
    pub(super) bos_id: i32,
    pub(super) eos_id: i32,
    pub(super) unk: String,
    pub(super) bos: String,
    pub(super) eos: String,
    /// The compiled table of the normaliser; empty if there is none.
    pub(super) charsmap: Vec<u8>,
    pub(super) add_dummy_prefix: bool,
    pub(super) remove_extra_whitespaces: bool,
    pub(super) escape_whitespaces: bool,
}

impl Default for SentencePieceModel {
    fn default() -> Self {
        Self {
            pieces: Vec::new(),
            unigram: true,
            byte_fallback: false,
            unk_id: 0,
            bos_id: 1,
            eos_id: 2,
            unk: "<unk>".to_owned(),
            bos: "<s>".to_owned(),
            eos: "</s>".to_owned(),
            charsmap: Vec::new(),
            add_dummy_prefix: true,
            remove_extra_whitespaces: true,
            escape_whitespaces: true,
        }
    }
}

/// The value of a field.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Float(f32),
    /// An eight-byte value; no field with such a value is needed.
    Wide,
}

impl<'a> Field<'a> {
    fn flag(&self) -> bool {
        matches!(self, Self::Number(n) if *n != 0)
    }

    fn number(&self) -> i32 {
        if let Self::Number(n) = self { *n as i32 } else { 0 }
    }

    fn bytes(&self) -> &'a [u8] {
        if let Self::Bytes(bytes) = self { bytes } else { &[] }
    }

    fn text(&self) -> Result<String, &'static str> {
        String::from_utf8(self.bytes().to_vec()).map_err(|_| "holds a piece that is not UTF-8")
    }
}

const DAMAGED: &str = "is no sentencepiece model, or is damaged";

/// Reads a model. An error completes a sentence about the file.
pub(super) fn read(bytes: &[u8]) -> Result<SentencePieceModel, &'static str> {
    let mut model = SentencePieceModel::default();
    each(bytes, &mut |number, field| {
        match number {
            1 => model.pieces.push(piece(field.bytes())?),
            2 => trainer(field.bytes(), &mut model)?,
            3 => normalizer(field.bytes(), &mut model)?,
            _ => {}
        }
        Ok(())
    })?;
    if model.pieces.is_empty() { Err(DAMAGED) } else { Ok(model) }
}

fn piece(bytes: &[u8]) -> Result<Piece, &'static str> {
    let mut out = Piece { text: String::new(), score: 0.0, kind: PieceKind::Normal };
    each(bytes, &mut |number, field| {
        match (number, &field) {
            (1, _) if field.bytes().len() > LONGEST => return Err("has a piece of over 1,024 bytes"),
            (1, _) => out.text = field.text()?,
            (2, Field::Float(score)) if score.is_finite() => out.score = *score,
            (2, _) => return Err("gives a piece a score that is no number"),
            (3, _) => {
                out.kind = match field.number() {
                    1 => PieceKind::Normal,
                    3 => PieceKind::Control,
                    4 => PieceKind::UserDefined,
                    _ => PieceKind::Other,
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(out)
}

fn trainer(bytes: &[u8], model: &mut SentencePieceModel) -> Result<(), &'static str> {
    each(bytes, &mut |number, field| {
        match number {
            3 => model.unigram = field.number() == 1,
            35 => model.byte_fallback = field.flag(),
            40 => model.unk_id = field.number(),
            41 => model.bos_id = field.number(),
            42 => model.eos_id = field.number(),
            45 => model.unk = field.text()?,
            46 => model.bos = field.text()?,
            47 => model.eos = field.text()?,
            _ => {}
        }
        Ok(())
    })
}

fn normalizer(bytes: &[u8], model: &mut SentencePieceModel) -> Result<(), &'static str> {
    each(bytes, &mut |number, field| {
        match number {
            2 => model.charsmap = field.bytes().to_vec(),
            3 => model.add_dummy_prefix = field.flag(),
            4 => model.remove_extra_whitespaces = field.flag(),
            5 => model.escape_whitespaces = field.flag(),
            _ => {}
        }
        Ok(())
    })
}

type Take<'t, 'a> = &'t mut dyn FnMut(u64, Field<'a>) -> Result<(), &'static str>;

/// Every field of a message, with its number.
fn each<'a>(mut rest: &'a [u8], take: Take<'_, 'a>) -> Result<(), &'static str> {
    while !rest.is_empty() {
        let tag = varint(&mut rest)?;
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut rest)?),
            1 => {
                cut(&mut rest, 8)?;
                Field::Wide
            }
            2 => {
                let length = varint(&mut rest)?;
                Field::Bytes(cut(&mut rest, length)?)
            }
            5 => {
                let four = cut(&mut rest, 4)?.first_chunk::<4>().ok_or(DAMAGED)?;
                Field::Float(f32::from_le_bytes(*four))
            }
            _ => return Err(DAMAGED),
        };
        take(tag >> 3, field)?;
    }
    Ok(())
}

fn varint(rest: &mut &[u8]) -> Result<u64, &'static str> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first().ok_or(DAMAGED)?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(DAMAGED)
}

fn cut<'a>(rest: &mut &'a [u8], length: u64) -> Result<&'a [u8], &'static str> {
    let length = usize::try_from(length).map_err(|_| DAMAGED)?;
    let (taken, after) = rest.split_at_checked(length).ok_or(DAMAGED)?;
    *rest = after;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &[u8] =
        include_bytes!("../../../../tests/golden/sentencepiece/models/llama/tokenizer.model");

    #[test]
    fn a_model_is_read_and_its_halves_are_refused() {
        let model = read(MODEL).unwrap();
        assert_eq!((model.pieces.len(), model.unigram, model.byte_fallback), (600, false, true));
        assert_eq!((model.pieces[1].text.as_str(), model.pieces[1].kind), ("<s>", PieceKind::Control));
        assert!(model.charsmap.is_empty() && model.add_dummy_prefix && !model.remove_extra_whitespaces);
        // A file cut between two pieces is a valid, shorter model; any other cut is refused.
        let whole = (0..MODEL.len()).filter(|cut| read(&MODEL[..*cut]).is_ok()).count();
        assert!((600..700).contains(&whole), "{whole}");
        assert!(read(b"{\"version\": 1}").is_err());
        assert!(read(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn mutants_never_panic(changes in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), 0_u8..), 1..5)) {
            let mut bytes = MODEL.to_vec();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let _ = read(&bytes);
        }
    }
}

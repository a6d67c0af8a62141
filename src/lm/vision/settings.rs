//! A checkpoint's settings for pictures. In: `processor_config.json` or `preprocessor_config.json`, of any version. Out:
//! checked [`Settings`]. A key that is absent or null has the default of transformers' class; one that would change the
//! result and is not supported is refused, with the file and its name.

use serde_json::{Map, Value};

use super::grid::Extent;
use super::resample::Filter;
use crate::checkpoint::{Checkpoint, VisionConfig, VisionLayout};
use crate::limits::{PICTURE_SIDE, shown};
use crate::lm::LmError;

/// transformers' classes of processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Clip,
    Siglip,
    Llava,
    LlavaNext,
}

/// `size`: what a picture is resized to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// Whatever its shape.
    Exact(Extent),
    /// Its shorter side, and the longer in proportion.
    Shortest(u32),
    /// The same, but the longer side is at most the second number.
    ShortestWithin(u32, u32),
}

/// How pictures are processed.
#[derive(Debug)]
pub(super) struct Settings {
    /// The checkpoint and the file, for messages.
    pub(super) file: String,
    pub(super) kind: Kind,
    /// The colour that makes a picture square before anything else.
    pub(super) background: Option<[u8; 3]>,
    pub(super) resize: Option<Size>,
    pub(super) filter: Filter,
    pub(super) crop: Option<Extent>,
    rescale: Option<f64>,
    /// Mean and standard deviation of each channel.
    normalize: Option<[(f64, f64); 3]>,
    /// `crop_size` and `size`, used or not: LLaVA-NeXT's tiles follow from them.
    crop_size: Option<Extent>,
    size: Size,
}

const CLIP_MEAN: [f64; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
const CLIP_STD: [f64; 3] = [0.268_629_54, 0.261_302_58, 0.275_777_11];
/// LLaVA-NeXT's sizes where a file names none.
const PINPOINTS: [Extent; 5] = [(336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008)];

/// Reads a checkpoint's settings.
///
/// # Errors
/// There are none, or one of them can't be used.
pub(super) fn read(checkpoint: &Checkpoint, config: &VisionConfig) -> Result<Settings, LmError> {
    let (processor, preprocessor) = ("processor_config.json", "preprocessor_config.json");
    let load = |name: &str| -> Result<Option<Map<String, Value>>, LmError> {
        let Some(bytes) = checkpoint.file(name) else { return Ok(None) };
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(map)) => Ok(Some(map)),
            Ok(_) => Err(LmError::Files(format!("{}: {name} is no JSON object", checkpoint.reference()))),
            Err(e) => {
                Err(LmError::Files(format!("{}: {name}: {}", checkpoint.reference(), shown(&e.to_string()))))
            }
        }
    };
    let nested = match load(processor)?.and_then(|mut map| map.remove("image_processor")) {
        Some(Value::Object(map)) => Some((processor, map)),
        _ => None,
    };
    let found = match nested {
        Some(found) => Some(found),
        None => load(preprocessor)?.map(|map| (preprocessor, map)),
    };
    let (name, raw) = found.ok_or_else(|| {
        let what = "is there to say how pictures are processed: fetch it with the model";
        LmError::Files(format!("{}: neither {preprocessor} nor {processor} {what}", checkpoint.reference()))
    })?;
    Keys { file: format!("{}: {name}", checkpoint.reference()), raw: &raw }.settings(config)
}

/// The keys of a file.
pub(super) struct Keys<'a> {
    pub(super) file: String,
    pub(super) raw: &'a Map<String, Value>,
}

impl Keys<'_> {
    fn wrong<T>(&self, key: &str, must: &str) -> Result<T, LmError> {
        let value = self.raw.get(key).map_or_else(|| "absent".to_owned(), Value::to_string);
        Err(LmError::Files(format!("{}: {key} is {}, and must be {must}", self.file, shown(&value))))
    }

    /// A value that is there and not null.
    fn get(&self, key: &str) -> Option<&Value> {
        self.raw.get(key).filter(|value| !value.is_null())
    }

    fn flag(&self, key: &str, default: bool) -> Result<bool, LmError> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => self.wrong(key, "true or false"),
        }
    }

    fn number(&self, key: &str, default: f64) -> Result<f64, LmError> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => match value.as_f64().filter(|x| x.is_finite()) {
                Some(number) => Ok(number),
                None => self.wrong(key, "a number"),
            },
        }
    }

    /// One number for each channel, or one for all.
    fn channels(&self, key: &str, default: [f64; 3]) -> Result<[f64; 3], LmError> {
        let must = "a number or a list of three";
        let numbers = match self.get(key) {
            None => return Ok(default),
            Some(Value::Array(list)) => list.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>(),
            Some(value) => value.as_f64().map(|one| vec![one; 3]),
        };
        match numbers.as_deref() {
            Some([red, green, blue]) => Ok([*red, *green, *blue]),
            _ => self.wrong(key, must),
        }
    }

    fn side(value: Option<&Value>) -> Option<u32> {
        let number = value?.as_u64().filter(|n| (1..=u64::from(PICTURE_SIDE)).contains(n))?;
        u32::try_from(number).ok()
    }

    /// `size`: a number, (height, width), or named sides.
    fn size(&self, default: Size) -> Result<Size, LmError> {
        let must =
            format!("a side or named sides from 1 to {PICTURE_SIDE}: shortest_edge, or height and width");
        let found = match self.get("size") {
            None => return Ok(default),
            Some(Value::Array(list)) if list.len() == 2 => {
                Self::side(list.first()).zip(Self::side(list.get(1))).map(Size::Exact)
            }
            Some(Value::Object(sides)) => {
                let side = |name: &str| sides.get(name).filter(|v| !v.is_null());
                match (side("shortest_edge"), side("longest_edge"), side("height"), side("width")) {
                    (Some(short), None, None, None) => Self::side(Some(short)).map(Size::Shortest),
                    (Some(short), Some(long), None, None) => Self::side(Some(short))
                        .zip(Self::side(Some(long)))
                        .map(|(short, long)| Size::ShortestWithin(short, long)),
                    (None, None, height @ Some(_), width @ Some(_)) => {
                        Self::side(height).zip(Self::side(width)).map(Size::Exact)
                    }
                    _ => None,
                }
            }
            number => Self::side(number).map(Size::Shortest),
        };
        found.map_or_else(|| self.wrong("size", &must), Ok)
    }

    fn crop_size(&self, default: Option<Extent>) -> Result<Option<Extent>, LmError> {
        let must = format!("a side, or height and width, from 1 to {PICTURE_SIDE}");
        let found = match self.get("crop_size") {
            None => return Ok(default),
            Some(Value::Array(list)) if list.len() == 2 => {
                Self::side(list.first()).zip(Self::side(list.get(1)))
            }
            Some(Value::Object(sides)) => Self::side(sides.get("height")).zip(Self::side(sides.get("width"))),
            number => Self::side(number).map(|side| (side, side)),
        };
        found.map_or_else(|| self.wrong("crop_size", &must), |size| Ok(Some(size)))
    }

    /// The class, or the one that transformers takes for the layout.
    fn kind(&self, layout: VisionLayout) -> Result<Kind, LmError> {
        let key = ["image_processor_type", "feature_extractor_type"]
            .into_iter()
            .find(|key| self.get(key).is_some());
        let Some(key) = key else {
            return Ok(if layout == VisionLayout::Llava { Kind::Llava } else { Kind::LlavaNext });
        };
        let class = self.get(key).and_then(Value::as_str).unwrap_or_default();
        let stem = ["Fast", "Pil"].iter().fold(class, |class, end| class.strip_suffix(end).unwrap_or(class));
        let stem = stem.strip_suffix("ImageProcessor").or_else(|| stem.strip_suffix("FeatureExtractor"));
        let kind = match stem {
            Some("CLIP") => Kind::Clip,
            Some("Siglip") => Kind::Siglip,
            Some("Llava") => Kind::Llava,
            Some("LlavaNext") => Kind::LlavaNext,
            _ => {
                let must = "CLIPImageProcessor, SiglipImageProcessor, LlavaImageProcessor or LlavaNextImageProcessor";
                return self.wrong(key, must);
            }
        };
        match (layout == VisionLayout::LlavaNext, kind == Kind::LlavaNext) {
            (true, false) => self.wrong(key, "LlavaNextImageProcessor for a model of LLaVA-NeXT"),
            (false, true) => self.wrong(key, "that of a model that sees a picture as one square"),
            _ => Ok(kind),
        }
    }

    pub(super) fn settings(&self, config: &VisionConfig) -> Result<Settings, LmError> {
        let kind = self.kind(config.layout)?;
        let siglip = kind == Kind::Siglip;
        let size = self.size(if siglip { Size::Exact((224, 224)) } else { Size::Shortest(224) })?;
        let crop_size = self.crop_size((!siglip).then_some((224, 224)))?;
        let crop = match (self.flag("do_center_crop", !siglip)?, crop_size) {
            (true, None) => return self.wrong("crop_size", "a size, since do_center_crop is true"),
            (wanted, size) => size.filter(|_| wanted),
        };
        let mean = self.channels("image_mean", if siglip { [0.5; 3] } else { CLIP_MEAN })?;
        let std = self.channels("image_std", if siglip { [0.5; 3] } else { CLIP_STD })?;
        if std.contains(&0.0) {
            return self.wrong("image_std", "other than zero");
        }
        let must = "Pillow's number of a filter, 0 to 5";
        let filter = match self.get("resample") {
            None => Filter::Bicubic,
            Some(value) => {
                value.as_u64().and_then(Filter::of).map_or_else(|| self.wrong("resample", must), Ok)?
            }
        };
        let padded = self.flag("do_pad", false)?;
        if padded && matches!(kind, Kind::Clip | Kind::Siglip) && self.get("pad_size").is_some() {
            return self.wrong("pad_size", "absent: pictures are cropped, not padded");
        }
        let rescale = self.number("rescale_factor", 1.0 / 255.0)?;
        self.pinpoints(kind, config)?;
        Ok(Settings {
            file: self.file.clone(),
            kind,
            background: (padded && kind == Kind::Llava).then(|| mean.map(|x| (x * 255.0) as u8)),
            resize: self.flag("do_resize", true)?.then_some(size),
            filter,
            crop,
            rescale: self.flag("do_rescale", true)?.then_some(rescale),
            normalize: self
                .flag("do_normalize", true)?
                .then(|| [0, 1, 2].map(|channel| (mean[channel], std[channel]))),
            crop_size,
            size,
        })
    }

    /// Tiles are cut by the processor's sizes and put together by the model's, so they must be the same.
    fn pinpoints(&self, kind: Kind, config: &VisionConfig) -> Result<(), LmError> {
        let key = "image_grid_pinpoints";
        let pair = |value: &Value| {
            let list = value.as_array().filter(|list| list.len() == 2)?;
            Self::side(list.first()).zip(Self::side(list.get(1)))
        };
        let found = match self.get(key) {
            _ if kind != Kind::LlavaNext => return Ok(()),
            None => Some(PINPOINTS.to_vec()),
            Some(value) => value.as_array().and_then(|list| list.iter().map(pair).collect()),
        };
        match found {
            Some(found) if found == config.grid_pinpoints => Ok(()),
            _ => self.wrong(key, "the list that config.json has under this name"),
        }
    }
}

impl Size {
    /// The (height, width) that a picture gets.
    pub(super) fn of(self, (height, width): Extent) -> Extent {
        let (short, long) = (height.min(width), height.max(width));
        let ordered = |short: u32, long: u32| if width <= height { (long, short) } else { (short, long) };
        match self {
            Self::Exact(size) => size,
            // In Python's order: first the product, which is exact, then the quotient.
            Self::Shortest(side) => {
                ordered(side, (f64::from(side) * f64::from(long) / f64::from(short)) as u32)
            }
            Self::ShortestWithin(side, most) => {
                let (least, longest) = (f64::from(short), f64::from(long));
                let bounded = longest / least * f64::from(side) > f64::from(most);
                let raw = if bounded { f64::from(most) * least / longest } else { f64::from(side) };
                let side = raw.round_ties_even() as u32;
                if side == short { (height, width) } else { ordered(side, (raw * longest / least) as u32) }
            }
        }
    }
}

impl Settings {
    /// The size of LLaVA-NeXT's whole picture before it is processed as its tiles are.
    pub(super) fn whole(&self) -> Extent {
        match self.size {
            Size::Exact(size) => size,
            Size::Shortest(side) | Size::ShortestWithin(side, _) => (side, side),
        }
    }

    /// The size of LLaVA-NeXT's tiles.
    pub(super) fn tile(&self) -> Extent {
        let (side, _) = self.crop_size.unwrap_or(self.whole());
        (side, side)
    }

    /// What each byte of a channel becomes: multiplied in f64, then less the mean and divided in f32.
    pub(super) fn values(&self) -> [[f32; 256]; 3] {
        [0, 1, 2].map(|channel: usize| {
            std::array::from_fn(|byte| {
                let value = self.rescale.map_or(byte as f32, |factor| (byte as f64 * factor) as f32);
                self.normalize.map_or(value, |channels| {
                    let (mean, std) = channels[channel];
                    (value - mean as f32) / std as f32
                })
            })
        })
    }
}

//! From a picture to the rows that stand for it in a prompt: what a LLaVA model's processor, vision tower and projector
//! make of it.
//!
//! In: a checkpoint with a vision part, and decoded pictures. Out: [`ImageFeatures`], one row for each image token.
//! The same picture gives the same rows to the bit, whatever else is computed beside it.
//!
//! | file | holds |
//! |---|---|
//! | `settings` | what `preprocessor_config.json` or `processor_config.json` asks for |
//! | `resample` | resizing, equal to Pillow's to the bit |
//! | `pixels` | a picture as squares of the tower's size |
//! | `grid` | LLaVA-NeXT's tiles: which size a picture is cut at, which patches are kept |
//! | `layers`, `tower` | the encoder of CLIP and SigLIP, on candle's CPU device in f32 |

mod grid;
mod layers;
mod pixels;
mod resample;
mod settings;
#[cfg(test)]
mod tests;
mod tower;

use std::sync::Arc;

use candle_core::Tensor;

use self::grid::Grid;
use self::layers::{Activation, Linear, Parts};
use self::pixels::Processor;
use self::tower::Tower;
use super::{Device, ImageFeatures, LmError};
use crate::checkpoint::{Checkpoint, TowerKind, VisionConfig, VisionLayout};
use crate::limits::VISION_PATCHES;
use crate::picture::Picture;

/// The part of a LLaVA model that sees. Clones share the weights.
#[derive(Clone)]
pub struct VisionModel {
    inner: Arc<Inner>,
}

struct Inner {
    config: VisionConfig,
    processor: Processor,
    tower: Tower,
    first: Linear,
    activation: Activation,
    second: Linear,
    /// The row that ends each row of a grid, in LLaVA-NeXT.
    newline: Vec<f32>,
}

impl VisionModel {
    /// Loads tower, projector and the processor's settings. Features are computed on the CPU, for a decoder on any
    /// device.
    ///
    /// # Errors
    /// The checkpoint has no vision part, lacks a tensor or the processor's settings, or asks for something that is not
    /// supported.
    pub fn load(checkpoint: &Checkpoint, device: &Device) -> Result<Self, LmError> {
        let config = checkpoint.vision_config().ok_or_else(|| {
            let what = "has no vision part, so it cannot be shown a picture: name a LLaVA model";
            LmError::Files(format!("{} {what}", checkpoint.reference()))
        })?;
        supported(config)?;
        let processor = Processor::new(settings::read(checkpoint, config)?, config)?;
        let get = |name: &str| checkpoint.vision_tensor(name);
        let parts = Parts { get: &get, device: place(device) };
        let tower = Tower::load(&parts, config)?;
        let width = checkpoint.config().hidden_size;
        let features = config.hidden_size * config.feature_layers.len();
        let linear = |name: &str, inputs| {
            Linear::load(
                &parts,
                &format!("multi_modal_projector.{name}"),
                [width, inputs],
                config.projector_bias,
            )
        };
        let newline = match config.layout {
            VisionLayout::Llava => Vec::new(),
            VisionLayout::LlavaNext => parts.tensor("image_newline", &[width])?.to_vec1()?,
        };
        let inner = Inner {
            processor,
            tower,
            first: linear("linear_1", features)?,
            activation: Activation::of("projector_hidden_act", &config.projector_act)?,
            second: linear("linear_2", width)?,
            newline,
            config: config.clone(),
        };
        checkpoint.all_intact()?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Rows that a picture of this size takes in a prompt.
    #[must_use]
    pub fn tokens(&self, width: u32, height: u32) -> usize {
        let base = self.inner.base_tokens();
        self.inner.grid(width, height).map_or(base, |grid| base + grid.tokens())
    }

    /// The rows that stand for a picture.
    ///
    /// # Errors
    /// The processor's settings do not give the size that the tower takes, or the tensor library fails.
    pub fn features(&self, picture: &Picture) -> Result<ImageFeatures, LmError> {
        let inner = &*self.inner;
        let squares = inner.processor.squares(picture)?;
        let patches = inner.tower.patches(&squares, inner.processor.values());
        let states = inner.tower.run(patches, squares.len())?;
        let rows = inner.second.run(&inner.activation.run(&inner.first.run(&states)?)?)?;
        let width = rows.dim(1)?;
        let values = flat(&rows)?;
        let values = match inner.grid(picture.width, picture.height) {
            None => values,
            Some(grid) => grid.pack(&values, width, inner.base_tokens(), &inner.newline),
        };
        Ok(ImageFeatures::new(width, values))
    }
}

impl Inner {
    /// Rows of one square.
    fn base_tokens(&self) -> usize {
        self.config.positions() - usize::from(!self.config.keep_class_token)
    }

    /// The grid of tiles of a picture of this size; `None` where a picture is one square.
    fn grid(&self, width: u32, height: u32) -> Option<Grid> {
        let config = &self.config;
        (config.layout == VisionLayout::LlavaNext).then(|| {
            let side = config.image_size / config.patch_size;
            Grid::of((height, width), &config.grid_pinpoints, config.image_size, side)
        })
    }
}

/// Candle's device for a device of ours. Candle is built for the CPU alone here; a card gets the features as rows.
fn place(_device: &Device) -> candle_core::Device {
    candle_core::Device::Cpu
}

fn flat(tensor: &Tensor) -> Result<Vec<f32>, LmError> {
    Ok(tensor.flatten_all()?.to_vec1()?)
}

/// Checks what the config asks for against what runs here, and in transformers.
fn supported(config: &VisionConfig) -> Result<(), LmError> {
    let wrong = |what: String| Err(LmError::Config(what));
    if config.positions() > VISION_PATCHES {
        let what = format!("the tower's {} patches are over {VISION_PATCHES}", config.positions());
        return wrong(format!("{what}, the most that a picture is cut into"));
    }
    if config.layout == VisionLayout::Llava {
        return Ok(());
    }
    // A grid is made of whole tiles of patches alone.
    let (strategy, tower) = match config.tower {
        TowerKind::Clip => ("default", "CLIP"),
        TowerKind::Siglip => ("full", "SigLIP"),
    };
    if config.keep_class_token != (strategy == "full") {
        let what = "vision_feature_select_strategy leaves no whole grid of patches";
        return wrong(format!("{what}: with a {tower} tower, LLaVA-NeXT needs \"{strategy}\""));
    }
    let side = config.image_size as u32;
    let odd = |(height, width): &&(u32, u32)| {
        *height == 0 || *width == 0 || !height.is_multiple_of(side) || !width.is_multiple_of(side)
    };
    if let Some((height, width)) = config.grid_pinpoints.iter().find(odd) {
        let what = format!("image_grid_pinpoints has {height} × {width}");
        return wrong(format!("{what}, which is no whole number of tiles of {side} × {side}"));
    }
    if config.grid_pinpoints.is_empty() {
        return wrong(
            "image_grid_pinpoints is empty: LLaVA-NeXT cuts pictures at one of its sizes".to_owned(),
        );
    }
    Ok(())
}

//! The coefficients of all components, and the samples that they make.

use super::head::{Component, Head, Tables};
use super::idct;
use crate::limits::PICTURE_MEMORY;

pub(super) struct Frame {
    pub(super) planes: Vec<Plane>,
    /// Units of an interleaved scan: each holds `across` × `down` blocks of every component.
    pub(super) units_across: usize,
    pub(super) units_down: usize,
}

/// One component's coefficients.
pub(super) struct Plane {
    pub(super) across: usize,
    pub(super) down: usize,
    /// Blocks of a scan of this component alone.
    pub(super) own_across: usize,
    pub(super) own_down: usize,
    /// Blocks of a line, whole units.
    pub(super) blocks_across: usize,
    pub(super) blocks: Vec<[i16; 64]>,
    table: usize,
    quant: Option<[u16; 64]>,
    /// The component's own size in samples.
    width: usize,
    height: usize,
}

/// One component's samples.
pub(super) struct Samples {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Samples from one line to the next.
    pub(super) stride: usize,
    pub(super) values: Vec<u8>,
    /// How many pixels of the picture a sample is wide and high.
    pub(super) across: usize,
    pub(super) down: usize,
}

impl Frame {
    pub(super) fn new(head: &Head) -> Result<Self, String> {
        let most = |side: fn(&Component) -> usize| head.components.iter().map(side).max();
        let (across, down) = (most(|c| c.across).unwrap_or(1), most(|c| c.down).unwrap_or(1));
        let (width, height) = (head.width as usize, head.height as usize);
        let (units_across, units_down) = (width.div_ceil(8 * across), height.div_ceil(8 * down));
        let blocks: usize =
            head.components.iter().map(|c| units_across * c.across * units_down * c.down).sum();
        if (blocks * 128) as u64 > PICTURE_MEMORY {
            return Err(format!("it needs over {} MiB of memory", PICTURE_MEMORY >> 20));
        }
        let mut planes = Vec::new();
        for c in &head.components {
            if !across.is_multiple_of(c.across) || !down.is_multiple_of(c.down) {
                return Err("its colours are sampled at no whole fraction, which is not read".to_owned());
            }
            let (own_width, own_height) =
                ((width * c.across).div_ceil(across), (height * c.down).div_ceil(down));
            let blocks_across = units_across * c.across;
            planes.push(Plane {
                across: c.across,
                down: c.down,
                own_across: own_width.div_ceil(8),
                own_down: own_height.div_ceil(8),
                blocks_across,
                blocks: vec![[0; 64]; blocks_across * units_down * c.down],
                table: c.table,
                quant: None,
                width: own_width,
                height: own_height,
            });
        }
        Ok(Self { planes, units_across, units_down })
    }

    /// Keeps the quantisation tables that are defined when one of these components is first read.
    pub(super) fn latch(
        &mut self,
        components: impl Iterator<Item = usize>,
        tables: &Tables,
    ) -> Result<(), String> {
        for component in components {
            let plane = &mut self.planes[component];
            if plane.quant.is_none() {
                plane.quant = tables.quant[plane.table];
                if plane.quant.is_none() {
                    return Err("a quantisation table is missing".to_owned());
                }
            }
        }
        Ok(())
    }

    /// The samples of each component. Coefficients are dropped one component after the other.
    pub(super) fn planes(self) -> Result<Vec<Samples>, String> {
        let across = self.planes.iter().map(|p| p.across).max().unwrap_or(1);
        let down = self.planes.iter().map(|p| p.down).max().unwrap_or(1);
        let mut out = Vec::new();
        for plane in self.planes {
            let quant = plane.quant.ok_or("a component has no data")?;
            let stride = plane.blocks_across * 8;
            let mut values = vec![0; plane.blocks.len() * 64];
            for (number, block) in plane.blocks.iter().enumerate() {
                let (column, line) = (number % plane.blocks_across, number / plane.blocks_across);
                let samples = idct::samples(block, &quant);
                for (y, samples) in samples.iter().enumerate() {
                    let at = (line * 8 + y) * stride + column * 8;
                    values[at..at + 8].copy_from_slice(samples);
                }
            }
            let (width, height) = (plane.width, plane.height);
            let (wide, high) = (across / plane.across, down / plane.down);
            out.push(Samples { width, height, stride, values, across: wide, down: high });
        }
        Ok(out)
    }
}

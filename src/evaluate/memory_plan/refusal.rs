//! Refuses what does not fit, in one sentence with the figures and what would fit instead.

use super::{Instead, Load, MemoryPlan, Workload};
use crate::error::BadInput;
use crate::lm::{self, Device, Precision};
use crate::memory::size;
use crate::text::visible_line;

impl Load<'_> {
    /// What it takes on a device; if that does not fit, with what would. Models that recipes make are outlines, as
    /// [`ModelSources`](crate::evaluate::ModelSources) opens them for a plan.
    ///
    /// # Errors
    /// A config that no decoder can run.
    pub fn plan(&self, device: &Device, asked: &Workload) -> anyhow::Result<MemoryPlan> {
        self.figures_or_instead(device, asked, true)
    }

    /// Whether it fits on a device, beside what is loaded already.
    ///
    /// # Errors
    /// A config that no decoder can run.
    pub fn fits(&self, device: &Device, asked: &Workload) -> anyhow::Result<bool> {
        Ok(self.figures(device, asked, false)?.fits())
    }

    /// Refuses what does not fit on a device, beside what is loaded already.
    ///
    /// # Errors
    /// The sentence, as bad input.
    pub fn check(&self, device: &Device, asked: &Workload) -> anyhow::Result<()> {
        let plan = self.figures_or_instead(device, asked, false)?;
        plan.refusal().map_or(Ok(()), |sentence| Err(BadInput::error(sentence)))
    }

    fn figures_or_instead(
        &self,
        device: &Device,
        asked: &Workload,
        outlined: bool,
    ) -> anyhow::Result<MemoryPlan> {
        let mut plan = self.figures(device, asked, outlined)?;
        if !plan.fits() {
            plan.instead = self.instead(device, asked, &plan, outlined);
        }
        Ok(plan)
    }

    /// What would fit where this plan does not: another precision, another device, fewer sources, shorter sequences.
    fn instead(&self, device: &Device, asked: &Workload, plan: &MemoryPlan, outlined: bool) -> Vec<Instead> {
        let other = |what: &str, device: Result<lm::Picked, lm::LmError>| {
            let found = self.figures(&device.ok()?.device, asked, outlined).ok()?;
            found.fits().then(|| Instead { what: what.to_owned(), bytes: found.least })
        };
        let mut out = Vec::new();
        if matches!(device, Device::Cpu) {
            out.extend(other("--precision bf16", lm::pick("cpu", Some(Precision::Bf16))));
        }
        if device.free_bytes().is_none() {
            out.extend(other("--device cuda", lm::pick("cuda", None)));
        } else {
            out.extend(other("--device cpu", lm::pick("cpu", None)));
        }
        out.extend(self.fewer_sources(plan));
        out.extend(shorter(plan));
        out
    }

    /// Fewer sources of a merge, if what the pool keeps of each is what is too much.
    fn fewer_sources(&self, plan: &MemoryPlan) -> Option<Instead> {
        let Self::Merge { models, footprint } = self else { return None };
        let (sources, over) = (models.len().checked_sub(1)?, plan.least.checked_sub(plan.available?)?);
        let each = footprint.kept / sources.max(1) as u64;
        let too_many = usize::try_from(over.div_ceil(each.max(1))).ok()?;
        let left = sources.checked_sub(too_many).filter(|left| *left > 0 && each > 0)?;
        let what = format!("{left} source{} rather than {sources}", if left == 1 { "" } else { "s" });
        Some(Instead { what, bytes: plan.least - each * too_many as u64 })
    }
}

/// Shorter sequences, if those of the smallest batch are what is too much.
fn shorter(plan: &MemoryPlan) -> Option<Instead> {
    let available = plan.available?;
    let caches = plan.least_caches();
    let room = available.checked_sub(plan.least - caches)?;
    let tokens = (plan.tokens as u64 * room / caches.max(1)) as usize;
    let worth_it = tokens >= 32 && tokens < plan.tokens;
    worth_it.then(|| Instead { what: format!("prompts and answers of {tokens} tokens"), bytes: available })
}

impl MemoryPlan {
    /// Why this cannot be loaded, if it cannot: the figures and what would fit.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let available = self.available.filter(|_| !self.fits())?;
        let parts = [
            (self.weights, "weights"),
            (self.merge, "merge"),
            (self.models, "models in memory"),
            (self.vision, "vision part"),
            (self.least_caches(), "caches"),
        ];
        let large = parts.iter().filter(|(bytes, _)| bytes * 50 >= self.least);
        let parts: Vec<String> = large.map(|(bytes, name)| format!("{} {name}", size(*bytes))).collect();
        let place = if self.device.starts_with("cpu") { "the CPU" } else { &self.device };
        let each = self.instead.iter().map(|one| format!("{} ({})", one.what, size(one.bytes)));
        let each: Vec<String> = each.collect();
        let advice = if each.is_empty() {
            format!("free {} or take a smaller model", size(self.least - available))
        } else {
            format!("take {}", each.join(" or "))
        };
        Some(format!(
            "{} needs {} on {place} ({}) and {} are free ({}): {advice}",
            visible_line(&self.what),
            size(self.least),
            parts.join(", "),
            size(available),
            self.limit,
        ))
    }

    /// Bytes of the keys, values and activations of the smallest batch.
    fn least_caches(&self) -> u64 {
        (self.least + self.caches).saturating_sub(self.total)
    }
}

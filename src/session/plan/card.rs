//! How long a session would take on a card that is not here, by the figures of its data sheet. A plan and a card come
//! in, an estimate goes out. The plan calls it.
//!
//! Prompts take as long as their multiplications at half of the card's peak; a step of the decoder takes as long as
//! reading all weights and caches at seven tenths of its bandwidth; a merge reads base and sources and writes the
//! result, over the card's memory if all fit there, else over the bus. What a real run adds (launches, judging,
//! sampling) is not in it.

use serde::Serialize;

use super::types::{CardEstimate, RunPlan};
use crate::evaluate::plan::AskedSplit;

/// A card, with figures of its maker's data sheet: dense bfloat16, sums in float32.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Card {
    pub name: &'static str,
    /// Its name in full.
    pub title: &'static str,
    /// GB of its memory.
    pub memory_gb: f64,
    /// GB a second between memory and processor.
    pub bandwidth_gbs: f64,
    /// 10^12 multiplications and additions a second.
    pub tflops: f64,
}

const fn row(
    name: &'static str,
    title: &'static str,
    memory_gb: f64,
    bandwidth_gbs: f64,
    tflops: f64,
) -> Card {
    Card { name, title, memory_gb, bandwidth_gbs, tflops }
}

/// The cards that are known.
pub const CARDS: [Card; 12] = [
    row("b200", "NVIDIA B200", 180.0, 7700.0, 2250.0),
    row("h200", "NVIDIA H200 SXM", 141.0, 4800.0, 989.0),
    row("h100", "NVIDIA H100 SXM", 80.0, 3350.0, 989.0),
    row("h100-pcie", "NVIDIA H100 PCIe", 80.0, 2000.0, 756.0),
    row("a100", "NVIDIA A100 SXM 80 GB", 80.0, 2039.0, 312.0),
    row("a100-40gb", "NVIDIA A100 SXM 40 GB", 40.0, 1555.0, 312.0),
    row("l40s", "NVIDIA L40S", 48.0, 864.0, 362.0),
    row("l4", "NVIDIA L4", 24.0, 300.0, 121.0),
    row("a10", "NVIDIA A10", 24.0, 600.0, 125.0),
    row("rtx5090", "NVIDIA GeForce RTX 5090", 32.0, 1792.0, 209.5),
    row("rtx4090", "NVIDIA GeForce RTX 4090", 24.0, 1008.0, 165.2),
    row("rtx3090", "NVIDIA GeForce RTX 3090", 24.0, 936.0, 71.0),
];

/// The card with this name.
#[must_use]
pub fn card(name: &str) -> Option<&'static Card> {
    CARDS.iter().find(|card| card.name == name)
}

/// Shares of the peaks that a run is taken to reach.
const OF_FLOPS: f64 = 0.5;
const OF_BANDWIDTH: f64 = 0.7;
/// GB a second from the machine's memory to the card.
const BUS_GBS: f64 = 20.0;
/// Share of the card's memory that weights and caches may take.
const OF_MEMORY: f64 = 0.9;
/// Answers that the decoder takes into one batch on a card.
const BATCH: f64 = 1024.0;

impl CardEstimate {
    /// `None` if the sizes of base and prompts are not known.
    pub(super) fn new(plan: &RunPlan, card: &Card) -> Option<Self> {
        let parameters = plan.setup.models.first()?.parameters? as f64;
        let cache = plan.setup.cache_bytes? as f64 / 2.0;
        let work = &plan.work;
        let train: Vec<AskedSplit> = plan.setup.tasks.iter().map(|task| task.train).collect();
        let questions = work.train_questions.max(1) as f64;
        let sum = |of: &dyn Fn(&AskedSplit) -> Option<f64>| train.iter().map(of).sum::<Option<f64>>();
        let own = sum(&|split| {
            let each = split.prompt_tokens? - split.shared_tokens as f64;
            Some(split.shared_tokens as f64 + each.max(0.0) * split.questions as f64)
        })?;
        let prompt = sum(&|split| Some(split.prompt_tokens? * split.questions as f64))? / questions;
        let most = sum(&|split| Some(split.most_tokens? as f64))? / questions;
        let tokens_an_answer = plan.time.map_or(most, |time| time.tokens_an_answer);
        let (giga, weights) = (1e9, 2.0 * parameters);
        let memory = card.memory_gb * giga * OF_MEMORY;
        let a_sequence = cache * (prompt + most);
        let fits =
            |held: f64| ((memory - held) / a_sequence.max(1.0)).clamp(0.0, BATCH).min(questions).floor();
        let models = plan.setup.models.len() as f64;
        // The models stay there if a batch of fair size fits beside them.
        let resident = fits(weights * (models + 1.0)) >= questions.min(64.0);
        let batch = fits(if resident { weights * (models + 1.0) } else { weights });
        let bandwidth = card.bandwidth_gbs * giga * OF_BANDWIDTH;
        let merge_s = if resident {
            weights * (models + 1.0) / bandwidth
        } else {
            weights / (BUS_GBS * giga) + weights / bandwidth
        };
        let prefill_s = 2.0 * parameters * own / (card.tflops * 1e12 * OF_FLOPS);
        let steps = tokens_an_answer * (questions / batch.max(1.0)).ceil();
        let caches = questions * tokens_an_answer * cache * (prompt + tokens_an_answer / 2.0);
        let decode_s = (steps * weights + caches) / bandwidth;
        let candidate_s = merge_s + prefill_s + decode_s;
        let held_out = f64::midpoint(work.test_runs.least as f64, work.test_runs.most as f64)
            * (merge_s + (prefill_s + decode_s) * work.test_questions as f64 / questions);
        Some(Self {
            card: card.title.to_owned(),
            weights_gb: weights / giga,
            memory_gb: card.memory_gb,
            batch: batch as u64,
            resident,
            merge_s,
            prefill_s,
            decode_s,
            candidate_s,
            whole_s: work.train_runs as f64 * candidate_s + held_out,
            tokens_an_answer,
        })
    }
}

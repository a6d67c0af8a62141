//! What running a model or a merge takes in memory, before anything is read, and whether that fits. Opened checkpoints,
//! pools or paths come in, with what they are asked; a [`MemoryPlan`] goes out, or a sentence that says what is too much
//! and what would fit. The evaluator and `generate` ask before they load; `--dry-run` prints the plan.
//!
//! Mapped files are not counted, however large: the system can drop their pages and read them again.
//!
//! | file | holds |
//! |---|---|
//! | `needs` | bytes of a target on a device |
//! | `asked` | how many sequences the questions of tasks are, and how long |
//! | `outline` | models that recipes make in memory |
//! | `refusal` | the sentence, and what would fit instead |

mod asked;
mod needs;
mod outline;
mod refusal;

use serde::{Deserialize, Serialize};

pub(super) use asked::of_questions;
pub use needs::{Load, Workload};
pub(super) use outline::{Header, aligned_bytes, of_aligned, of_merge, of_tensors, room_for};

use crate::memory::size;

/// What a target takes in memory, and what there is. All figures are in bytes unless they say otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryPlan {
    /// What is loaded: `zoo:ja`, `the merge of 3 models`.
    pub what: String,
    /// The device's name, as in `SetupFacts`.
    pub device: String,
    /// The number format in which it computes.
    pub dtype: String,
    /// The decoder's weights, as the device keeps them.
    pub weights: u64,
    /// Tensors between merge and decoder, and what a pool keeps for the next candidate; on a card, base and sources as
    /// far as they fit.
    pub merge: u64,
    /// Models that are in memory rather than in files: results of recipes, aligned sources, adapted tensors.
    pub models: u64,
    /// The tower and the projector that see pictures.
    pub vision: u64,
    /// Keys, values and activations of the batch.
    pub caches: u64,
    /// The program, its tokenizers and the data of tasks.
    pub other: u64,
    /// All of the above.
    pub total: u64,
    /// The same with the smallest batch: a larger one that does not fit is made smaller.
    pub least: u64,
    /// Sequences at once in the batch.
    pub sequences: usize,
    /// Sequences at once in the smallest batch.
    pub least_sequences: usize,
    /// Tokens of the longest sequence, with its answer.
    pub tokens: usize,
    /// What can still be taken; `None` if the system does not say.
    pub available: Option<u64>,
    /// What gives that figure: `the machine's memory`, `the limit of the control group`, `cuda:0`.
    pub limit: String,
    /// Beside a card: what is taken of the machine's memory.
    pub host: u64,
    /// What would fit instead, if this does not, each with its bytes.
    pub instead: Vec<Instead>,
}

/// Something that would fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instead {
    /// What to do: `--precision bf16`.
    pub what: String,
    /// What it takes.
    pub bytes: u64,
}

impl MemoryPlan {
    /// Whether the smallest batch fits.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.available.is_none_or(|available| self.least <= available)
    }

    /// The plan as text: a name and a figure for each part that is not zero, then the total and what is available.
    #[must_use]
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let plural = if self.sequences == 1 { "" } else { "s" };
        let batch =
            format!("{}, {} sequence{plural} of {} tokens", size(self.caches), self.sequences, self.tokens);
        let parts = [
            ("weights", self.weights, format!("{}, computed in {}", size(self.weights), self.dtype)),
            ("merge", self.merge, size(self.merge)),
            ("models", self.models, size(self.models)),
            ("vision", self.vision, size(self.vision)),
            ("caches", self.caches, batch),
            ("program", self.other, size(self.other)),
        ];
        let mut rows: Vec<_> =
            parts.into_iter().filter(|part| part.1 > 0).map(|(name, _, text)| (name, text)).collect();
        rows.push(("together", format!("{} on {}", size(self.total), self.device)));
        if self.host > 0 {
            rows.push(("beside it", format!("{} of the machine's memory", size(self.host))));
        }
        if let Some(available) = self.available {
            rows.push(("available", format!("{}, {}", size(available), self.limit)));
        }
        rows
    }
}

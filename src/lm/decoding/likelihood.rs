//! Likelihoods of given continuations: the exact sum of their tokens' log-probabilities.
//!
//! In: a decoder and groups of [`Continuation`]s (the choices of one question). Out: one [`Likelihood`] each. The
//! common beginning of all sequences runs once, then the common beginning of each group, then only the rest of each
//! sequence. Every row is a function of its own sequence alone, so grouping and batching do not change a bit.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{batch_size, prefix::run_alone, split};
use crate::lm::{
    Continuation, Decoder, LmError,
    backend::{Backend, Span},
    engine::with_model,
    model::{Model, Workspace},
};

/// A forward pass runs once this many rows are gathered.
const ROWS_PER_PASS: usize = 192;
/// Most sequences in a forward pass, if memory allows.
const SEQUENCES_PER_PASS: usize = 32;

/// How likely a continuation is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Likelihood {
    /// Sum of the tokens' natural log-probabilities.
    pub sum: f64,
    /// Number of those tokens.
    pub tokens: usize,
    /// Whether each of them is the likeliest at its position.
    pub greedy: bool,
}

/// A sequence to run: context and continuation without the last token, whose logits are not needed.
struct Input {
    ids: Vec<u32>,
    /// Index in `ids` of the token whose logits predict the continuation's first token.
    first: usize,
    targets: Vec<u32>,
}

/// Likelihoods of all continuations, group by group. `done` is called for each complete group. `threads` is as in
/// [`Options`](crate::lm::Options). A sequence longer than the model's positions loses its beginning, as in
/// lm-evaluation-harness. When `cancel` becomes true, the call returns early, with zeros for missing results.
///
/// # Errors
/// A token outside the vocabulary, a continuation longer than the model's positions, no memory.
pub fn likelihoods(
    decoder: &Decoder,
    groups: &[Vec<Continuation>],
    threads: usize,
    done: &(dyn Fn(usize) + Sync),
    cancel: &AtomicBool,
) -> Result<Vec<Vec<Likelihood>>, LmError> {
    let mut inputs = Vec::with_capacity(groups.len());
    for (index, group) in groups.iter().enumerate() {
        inputs.push(group.iter().map(|one| input(decoder, index, one)).collect::<Result<Vec<_>, _>>()?);
    }
    with_model!(&decoder.engine, model => run(model, &inputs, threads, done, cancel))
}

fn input(decoder: &Decoder, index: usize, continuation: &Continuation) -> Result<Input, LmError> {
    let most = decoder.max_positions();
    let fail = |reason: String| Err(LmError::Prompt { index, reason });
    if continuation.context.is_empty() || continuation.tokens.is_empty() {
        return fail("context or continuation has no tokens: give each at least one".to_owned());
    }
    if continuation.tokens.len() > most {
        return fail(format!(
            "its continuation has {} tokens and the model has room for {most}: shorten it",
            continuation.tokens.len()
        ));
    }
    let mut ids = continuation.context.clone();
    ids.extend_from_slice(&continuation.tokens[..continuation.tokens.len() - 1]);
    let cut = ids.len().saturating_sub(most);
    ids.drain(..cut);
    let (end, vocab) = (decoder.ids_end(), decoder.vocab());
    let outside = |t: &&u32| **t as usize >= end;
    let unlikely = |t: &&u32| **t as usize >= vocab;
    if let Some(id) = ids.iter().find(outside).or_else(|| continuation.tokens.iter().find(unlikely)) {
        return fail(format!(
            "token {id} is outside the model's vocabulary of {vocab}: is this the model's tokenizer?"
        ));
    }
    let first = ids.len() - continuation.tokens.len();
    Ok(Input { ids, first, targets: continuation.tokens.clone() })
}

/// Length of the common beginning of all inputs, limited to tokens whose logits are not needed.
fn common<'a>(mut inputs: impl Iterator<Item = &'a Input>) -> usize {
    let Some(one) = inputs.next() else { return 0 };
    inputs.fold(one.first, |len, other| {
        let same = one.ids.iter().zip(&other.ids).take_while(|(a, b)| a == b).count();
        len.min(same).min(other.first)
    })
}

fn run<B: Backend>(
    model: &Model<B>,
    groups: &[Vec<Input>],
    threads: usize,
    done: &(dyn Fn(usize) + Sync),
    cancel: &AtomicBool,
) -> Result<Vec<Vec<Likelihood>>, LmError> {
    split::alone(model, threads);
    let shared = common(groups.iter().flatten());
    let capacity = groups.iter().flatten().map(|i| i.ids.len()).max().unwrap_or(1);
    let span = Span { slot: 0, start: 0, len: shared };
    let prefix = match groups.iter().flatten().next() {
        Some(one) if shared > 0 => {
            run_alone(model, shared, |w| model.forward(&one.ids[..shared], &[span], &[], w))?
        }
        _ => None,
    };
    // A group has several continuations, so a thread with one has rows enough.
    let threads = split::batches(model, threads, groups.len(), 1);
    // One more slot, for the common beginning of a group.
    let slots = batch_size::slots(model, threads, SEQUENCES_PER_PASS + 1, 1, capacity)?.max(2);
    let next = AtomicUsize::new(0);
    let told: Vec<AtomicBool> = groups.iter().map(|_| AtomicBool::new(false)).collect();
    let out: Vec<Mutex<Vec<Likelihood>>> =
        groups.iter().map(|g| Mutex::new(vec![Likelihood::default(); g.len()])).collect();
    let thread = || -> Result<(), LmError> {
        let mut scorer = Scorer {
            model,
            shared: prefix.as_ref().map(|w| (w, shared)),
            workspace: None,
            slots,
            capacity,
            ids: Vec::new(),
            spans: Vec::new(),
            rows: Vec::new(),
            pending: Vec::new(),
            out: &out,
        };
        let mut again = Vec::new();
        loop {
            // First the groups to repeat after memory ran out, then new groups, at the end the waiting sequences.
            let fresh = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|index| *index < groups.len());
            let cancelled = cancel.load(Ordering::Relaxed);
            let index = if cancelled { None } else { again.pop().or_else(fresh) };
            let ran = match index {
                Some(index) => scorer.group(index, &groups[index]),
                None => scorer.flush(),
            };
            match (ran, index) {
                (Err(LmError::Memory { what, bytes }), _) => {
                    again.extend(scorer.shrink(what, bytes)?);
                    again.extend(index);
                    again.sort_unstable();
                    again.dedup();
                }
                (Err(other), _) => return Err(other),
                (Ok(()), Some(index)) => {
                    if let Some(told) = told.get(index)
                        && !told.swap(true, Ordering::Relaxed)
                    {
                        done(index);
                    }
                }
                (Ok(()), None) => break,
            }
        }
        if let Some(workspace) = scorer.workspace {
            model.put_back(workspace);
        }
        Ok(())
    };
    if threads == 1 {
        thread()?;
    } else {
        std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads).map(|_| scope.spawn(thread)).collect();
            for handle in handles {
                handle
                    .join()
                    .unwrap_or_else(|_| Err(LmError::Backend("a scoring thread panicked".to_owned())))?;
            }
            Ok::<(), LmError>(())
        })?;
    }
    if let Some(prefix) = prefix {
        model.put_back(prefix);
    }
    Ok(out.into_iter().map(|m| m.into_inner().unwrap_or_default()).collect())
}

/// One thread's sequences that wait for a forward pass.
struct Scorer<'a, B: Backend> {
    model: &'a Model<B>,
    shared: Option<(&'a Workspace<B>, usize)>,
    /// The last slot holds the common beginning of a group. `None` before the first group and while a smaller batch
    /// is being found.
    workspace: Option<Workspace<B>>,
    /// Most sequences in a forward pass, plus one.
    slots: usize,
    capacity: usize,
    ids: Vec<u32>,
    spans: Vec<Span>,
    rows: Vec<usize>,
    /// Group, index in it, and targets of each waiting sequence.
    pending: Vec<(usize, usize, &'a [u32])>,
    out: &'a [Mutex<Vec<Likelihood>>],
}

impl<'a, B: Backend> Scorer<'a, B> {
    /// Queues a group's sequences, after running their common beginning once.
    fn group(&mut self, index: usize, group: &'a [Input]) -> Result<(), LmError> {
        let shared = self.shared.map_or(0, |(_, len)| len);
        let own = if group.len() > 1 { common(group.iter()) } else { 0 };
        let b = &self.model.backend;
        let has_own = own > shared;
        let last = self.slots - 1;
        if self.workspace.is_none() {
            self.workspace = Some(self.model.workspace(self.slots, self.capacity)?);
        }
        if let Some(w) = self.workspace.as_mut().filter(|_| has_own) {
            if let Some((from, len)) = self.shared {
                b.copy_prefix(&from.cache, len, &mut w.cache, last)?;
            }
            let span = Span { slot: last, start: shared, len: own - shared };
            self.model.forward(&group[0].ids[shared..own], &[span], &[], w)?;
        }
        for (place, input) in group.iter().enumerate() {
            if self.pending.len() == last || self.ids.len() >= ROWS_PER_PASS {
                self.flush()?;
            }
            let slot = self.pending.len();
            let Some(w) = &mut self.workspace else { return Ok(()) };
            let start = if has_own {
                b.copy_slot(&mut w.cache, last, 0..own, slot)?;
                own
            } else if let Some((from, len)) = self.shared {
                b.copy_prefix(&from.cache, len, &mut w.cache, slot)?;
                len
            } else {
                0
            };
            let at = self.ids.len();
            self.ids.extend_from_slice(&input.ids[start..]);
            self.spans.push(Span { slot, start, len: input.ids.len() - start });
            self.rows.extend((input.first..input.ids.len()).map(|position| at + position - start));
            self.pending.push((index, place, &input.targets));
        }
        Ok(())
    }

    /// Halves the batch. Returns the groups of the waiting sequences, which must be run again.
    fn shrink(&mut self, what: &'static str, bytes: usize) -> Result<Vec<usize>, LmError> {
        let spent = (self.workspace.take(), self.slots, self.capacity);
        self.slots = batch_size::halved(self.model, spent, 2, (what, bytes))?;
        self.clear();
        Ok(self.pending.drain(..).map(|(group, ..)| group).collect())
    }

    fn clear(&mut self) {
        self.ids.clear();
        self.spans.clear();
        self.rows.clear();
    }

    /// Runs the waiting sequences and stores their likelihoods.
    fn flush(&mut self) -> Result<(), LmError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let Some(w) = &mut self.workspace else { return Ok(()) };
        self.model.forward(&self.ids, &self.spans, &self.rows, w)?;
        let logits = self.model.backend.read(&w.logits, self.model.shape.vocab)?;
        let mut rows = logits.iter();
        for (group, place, targets) in self.pending.drain(..) {
            let mut likelihood = Likelihood { sum: 0.0, tokens: targets.len(), greedy: true };
            for (target, row) in targets.iter().zip(rows.by_ref()) {
                let (log_probability, greedy) = judge(row, *target as usize);
                likelihood.sum += log_probability;
                likelihood.greedy &= greedy;
            }
            if let Ok(mut out) = self.out[group].lock() {
                out[place] = likelihood;
            }
        }
        self.clear();
        Ok(())
    }
}

/// A token's log-probability under these logits, and whether it is the likeliest (of equals, the first).
fn judge(logits: &[f32], target: usize) -> (f64, bool) {
    let mut best = 0;
    for (i, v) in logits.iter().enumerate() {
        if *v > logits[best] {
            best = i;
        }
    }
    let most = f64::from(logits[best]);
    let sum: f64 = logits.iter().map(|v| (f64::from(*v) - most).exp()).sum();
    (f64::from(logits[target]) - most - sum.ln(), best == target)
}

//! Generation: answers to many prompts, decoded at once.
//!
//! In: a decoder, its tokenizer, prompts as ids, [`Options`]. Out: answers in the prompts' order, and timing. The
//! common beginning of all prompts runs once; then each thread runs a `Batch`. Evaluation and `yosegi generate` call
//! it.

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::{
    batch::Batch,
    batch_size,
    job::Job,
    options::{Finish, Generated, GenerationEvent, Options, Timing},
    prefix::run_alone,
    split,
};
use crate::lm::{
    Decoder, LmError, Tokenizer,
    backend::{Backend, Span},
    engine::with_model,
    model::{Model, Workspace},
};

/// Answers all prompts, in their order.
///
/// Answers for which `watch` is true are streamed to `on` as they grow, watched prompts first. `on` is also called,
/// from any thread, for every complete answer. When `cancel` becomes true, the call returns within a step, with the
/// answers so far.
///
/// # Errors
/// A prompt that is empty, too long, or has a token outside the vocabulary; decoding options that are out of
/// range; no memory for the cache of even one sequence. Nothing is decoded then.
#[allow(clippy::too_many_arguments)]
pub fn generate(
    decoder: &Decoder,
    tokenizer: &Tokenizer,
    prompts: &[Vec<u32>],
    options: &Options,
    watch: &dyn Fn(usize) -> bool,
    on: &(dyn Fn(GenerationEvent) + Sync),
    cancel: &AtomicBool,
) -> Result<(Vec<Generated>, Timing), LmError> {
    check_decoding(decoder, options)?;
    for (index, prompt) in prompts.iter().enumerate() {
        decoder.check_prompt(index, prompt)?;
    }
    let watched: Vec<bool> = (0..prompts.len()).map(watch).collect();
    // Watched prompts first, otherwise in order.
    let mut order: Vec<usize> = (0..prompts.len()).collect();
    order.sort_by_key(|i| !watched[*i]);
    let next = AtomicUsize::new(0);
    let images = decoder.images().map(Arc::as_ref);
    let job = Job {
        tokenizer,
        prompts,
        images,
        options,
        watched: &watched,
        order: &order,
        on,
        cancel,
        next: &next,
    };
    with_model!(&decoder.engine, model => run(model, &job))
}

fn check_decoding(decoder: &Decoder, options: &Options) -> Result<(), LmError> {
    options.decoding.check().map_err(|(key, why)| LmError::Decoding { key, why })?;
    let (beams, most) = (options.decoding.num_beams, decoder.vocab() / (options.eos.len() + 1).max(2));
    if beams > 1 && beams > most {
        let why =
            format!("is {beams}, more than a vocabulary of {} can serve: at most {most}", decoder.vocab());
        return Err(LmError::Decoding { key: "num_beams", why });
    }
    Ok(())
}

fn run<B: Backend>(model: &Model<B>, job: &Job) -> Result<(Vec<Generated>, Timing), LmError> {
    let began = Instant::now();
    let n = job.prompts.len();
    let batch = if job.options.batch == 0 { B::DEFAULT_BATCH } else { job.options.batch };
    let beams = job.options.decoding.num_beams;
    split::alone(model, job.options.threads);
    let prefix = run_prefix(model, job)?;
    let prefix_s = began.elapsed().as_secs_f64();
    let threads = split::batches(model, job.options.threads, n, batch / beams.max(1));
    let most = batch.clamp(1, n.div_ceil(threads).saturating_mul(beams).max(1));
    let longest = |i: usize| job.prompts[i].len() + job.limit(i, model.shape.max_positions);
    let capacity = (0..n).map(longest).max().unwrap_or(0);
    let slots = model.backend.batch_size(&model.shape, most).max(beams);
    let slots = batch_size::slots(model, threads, slots, beams, capacity)?;
    let answers: Vec<Mutex<Option<Generated>>> = (0..n).map(|_| Mutex::new(None)).collect();
    let thread = || -> Result<f64, LmError> {
        let done = |index: usize, answer: Generated| {
            if let Ok(mut place) = answers[index].lock() {
                *place = Some(answer);
            }
        };
        let mut batch = Batch::new(model, job, prefix.as_ref(), slots, capacity);
        batch.run(&done)?;
        let prefill_s = batch.prefill_s;
        batch.close();
        Ok(prefill_s)
    };
    let prefill_s = if threads == 1 {
        thread()?
    } else {
        std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads).map(|_| scope.spawn(thread)).collect();
            let mut sum = 0.0;
            for handle in handles {
                sum += handle
                    .join()
                    .unwrap_or_else(|_| Err(LmError::Backend("a decoding thread panicked".to_owned())))?;
            }
            Ok::<f64, LmError>(sum / threads as f64)
        })?
    };
    if let Some((prefix, _)) = prefix {
        model.put_back(prefix);
    }
    let answers: Vec<Generated> = answers
        .into_iter()
        .map(|place| {
            let nothing = Generated { tokens: Vec::new(), text: String::new(), finish: Finish::Cancelled };
            place.into_inner().ok().flatten().unwrap_or(nothing)
        })
        .collect();
    let prefill_s = prefix_s + prefill_s;
    let timing = Timing {
        prefill_s,
        decode_s: (began.elapsed().as_secs_f64() - prefill_s).max(0.0),
        tokens: answers.iter().map(|a| a.tokens.len()).sum(),
    };
    Ok((answers, timing))
}

/// Runs the common beginning of all prompts once. At least one token of each prompt is left over.
fn run_prefix<B: Backend>(model: &Model<B>, job: &Job) -> Result<Option<(Workspace<B>, usize)>, LmError> {
    let [first, rest @ ..] = job.prompts else { return Ok(None) };
    let common = |p: &Vec<u32>| p.iter().zip(first).take_while(|(a, b)| a == b).count().min(p.len() - 1);
    let len = rest.iter().map(common).min().unwrap_or(0).min(first.len() - 1);
    if len == 0 {
        return Ok(None);
    }
    let span = Span { slot: 0, start: 0, len };
    Ok(run_alone(model, len, |w| model.forward(&first[..len], &[span], &[], w))?.map(|w| (w, len)))
}

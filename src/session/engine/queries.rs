//! Replies to queries about models and tasks on disk. `requests` calls each one on its own thread, since reading large
//! files takes time.

use anyhow::Context;

use crate::checkpoint::{Checkpoint, Fit};
use crate::merge::distances;
use crate::progress::Observer;
use crate::session::protocol::{Reply, Split, WatchedQuestion};
use crate::task::{Places, Question, Task};

/// One model's summary, and whether it can be merged onto `base`.
pub fn model(reference: &str, base: Option<String>, observer: &Observer<'_>) -> anyhow::Result<Reply> {
    let base = base.filter(|b| b != reference).map(|b| Checkpoint::open(&b)).transpose();
    let model = Checkpoint::open_with_progress(reference, observer)?;
    let mut summary = model.summary();
    summary.fit = match base {
        Ok(Some(base)) => model.fit(&base),
        Ok(None) => Fit::IsBase,
        Err(why) => Fit::No(why.to_string()),
    };
    Ok(Reply::Models(vec![summary]))
}

/// How far the sources are from the base and from each other, by layer group.
pub fn model_distances(base: &str, sources: &[String], observer: &Observer<'_>) -> anyhow::Result<Reply> {
    let open = |name: &String| Checkpoint::open(name);
    let sources = sources.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let base = Checkpoint::open(base)?;
    let found = distances(&base, &sources, observer);
    sources.iter().chain([&base]).try_for_each(Checkpoint::all_intact)?;
    found.map(Reply::Distances).context("the measurement was stopped")
}

/// A task's questions.
pub fn questions(task: &str, split: Split) -> anyhow::Result<Reply> {
    let task = Task::load_splits(task, &[split], &Places::from_env())?;
    let question = |(index, q): (usize, &Question)| WatchedQuestion {
        index,
        question: q.question.clone(),
        gold: q.gold.clone(),
        images: Vec::new(),
    };
    Ok(Reply::Questions(task.questions(split).iter().enumerate().map(question).collect()))
}

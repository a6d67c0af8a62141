//! A setup's tasks as one list of questions. The first task's questions come first, and the index continues through the
//! following tasks. List indices come in and each task's own indices go out; then the tasks' measurements are combined
//! into one. The evaluator calls it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::loaded_tasks::LoadedTasks;
use super::pictures::Catalogue;
use super::score::{TaskScore, combined};
use super::types::{EvalSetup, SplitQuestions, SplitResult, StoredQuestion, TaskSpec};
use crate::error::BadInput;
use crate::task::{Fitness, Split, Task};

/// Number of questions of each split.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub train: usize,
    pub test: usize,
}

impl Counts {
    pub const fn of(self, split: Split) -> usize {
        match split {
            Split::Train => self.train,
            Split::Test => self.test,
        }
    }
}

/// A task and the position of its questions in the list.
pub(super) struct ListedTask<'a> {
    pub spec: &'a TaskSpec,
    pub task: Arc<Task>,
    pub fitness: Fitness,
    /// Number of questions of the tasks before this one.
    pub before: Counts,
    /// Number of this task's questions, within its limits.
    pub count: Counts,
}

/// Loads a setup's tasks with these splits. For other splits, the question count of a task is 0.
pub(super) fn listed<'a>(
    setup: &'a EvalSetup,
    splits: &[Split],
    loaded: &mut LoadedTasks,
) -> anyhow::Result<Vec<ListedTask<'a>>> {
    let mut before = Counts::default();
    let mut out = Vec::with_capacity(setup.tasks.len());
    for spec in &setup.tasks {
        let fitness = Fitness::parse(&spec.fitness).map_err(BadInput::error)?;
        let mut task = loaded.get(&spec.task, splits, &setup.prints)?;
        if setup.earlier && task.differs_in_earlier_sessions() {
            task = Arc::new(Task::clone(&task).as_in_earlier_sessions());
        }
        let take = |split: Split, limit: usize| match (task.questions(split).len(), limit) {
            _ if !splits.contains(&split) => 0,
            (all, 0) => all,
            (all, limit) => all.min(limit),
        };
        let count =
            Counts { train: take(Split::Train, spec.train_limit), test: take(Split::Test, spec.test_limit) };
        out.push(ListedTask { spec, task, fitness, before, count });
        before = Counts { train: before.train + count.train, test: before.test + count.test };
    }
    Ok(out)
}

/// Refuses a request for a question that no task has.
pub(super) fn check_asked(tasks: &[ListedTask<'_>], ask: &[SplitQuestions]) -> anyhow::Result<()> {
    for a in ask {
        let n: usize = tasks.iter().map(|listed| listed.count.of(a.split)).sum();
        let Some(index) = a.questions.iter().find(|&&index| index >= n) else { continue };
        let names: Vec<&str> = tasks.iter().map(|listed| listed.spec.task.as_str()).collect();
        let who = match names.as_slice() {
            [one] => format!("the task {one} has"),
            all => format!("the tasks {} have", all.join(", ")),
        };
        return Err(BadInput::error(format!(
            "{who} {n} questions there, none with index {index}: count from 0"
        )));
    }
    Ok(())
}

impl ListedTask<'_> {
    /// The task's own index of a question of the list, if the question belongs to this task.
    pub fn own_index(&self, split: Split, index: usize) -> Option<usize> {
        index.checked_sub(self.before.of(split)).filter(|own| *own < self.count.of(split))
    }

    /// The requested questions that belong to this task, by the task's own indices.
    pub fn own_of(&self, ask: &[SplitQuestions]) -> Vec<SplitQuestions> {
        let own = |a: &SplitQuestions| SplitQuestions {
            split: a.split,
            questions: a.questions.iter().filter_map(|index| self.own_index(a.split, *index)).collect(),
        };
        ask.iter().map(own).collect()
    }

    /// This task's questions with their list indices, training questions first.
    pub fn stored<'c>(&'c self, catalogue: &'c Catalogue) -> impl Iterator<Item = StoredQuestion> + 'c {
        [Split::Train, Split::Test].into_iter().flat_map(move |split| {
            let questions = self.task.questions(split).iter().take(self.count.of(split));
            questions.enumerate().map(move |(index, q)| StoredQuestion {
                split,
                index: index + self.before.of(split),
                id: q.id.clone(),
                question: q.question.clone(),
                gold: q.gold.clone(),
                images: catalogue.references(&self.task, q),
            })
        })
    }
}

/// Combines one split's measurements, each with its task's index in the list. The measurement of a single task is
/// returned unchanged.
pub(super) fn together(
    tasks: &[ListedTask<'_>],
    split: Split,
    mut found: Vec<(usize, SplitResult)>,
) -> SplitResult {
    if tasks.len() == 1
        && let Some((_, alone)) = found.pop()
    {
        return alone;
    }
    let weight = |listed: &ListedTask<'_>| listed.spec.weight.unwrap_or(listed.task.weight);
    let weights: Vec<f64> = found.iter().map(|(at, _)| weight(&tasks[*at])).collect();
    let score = |(at, m): &(usize, SplitResult)| TaskScore {
        task: tasks[*at].spec.task.clone(),
        score: m.score,
        metrics: m.metrics.clone(),
    };
    let scores: Vec<TaskScore> = found.iter().map(score).collect();
    let seconds = found.iter().flat_map(|(_, m)| m.seconds.clone()).collect();
    SplitResult {
        split,
        score: combined(&weights, &scores),
        metrics: BTreeMap::new(),
        tasks: scores,
        answers: found.into_iter().flat_map(|(_, m)| m.answers).collect(),
        seconds,
        values: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a task with these numbers of training and held-out questions to a folder.
    fn task(folder: &std::path::Path, name: &str, train: usize, test: usize) -> TaskSpec {
        for (split, n) in [("train", train), ("test", test)] {
            let line = |i: usize| format!("{{\"question\":\"{name} {split} {i}\",\"answer\":\"{i}\"}}\n");
            let data: String = (0..n).map(line).collect();
            std::fs::write(folder.join(format!("{name}.{split}.jsonl")), data).unwrap();
        }
        let text = format!(
            "name = \"{name}\"\nprompt = \"{{{{ question }}}}\"\nmax_new_tokens = 8\nstop = [\"\\n\"]\nscorer = \"number\"\n\
             [train]\ndata = \"{name}.train.jsonl\"\n[test]\ndata = \"{name}.test.jsonl\"\n"
        );
        let file = folder.join(format!("{name}.toml"));
        std::fs::write(&file, text).unwrap();
        TaskSpec::whole(file.to_str().unwrap())
    }

    #[test]
    fn an_index_counts_on_through_the_tasks() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (task(folder.path(), "a", 4, 2), task(folder.path(), "b", 3, 5));
        let a = TaskSpec { train_limit: 2, ..a };
        let setup = EvalSetup::of_tasks(vec![a, b], "cpu", 0);
        let both = [Split::Train, Split::Test];
        let tasks = listed(&setup, &both, &mut LoadedTasks::default()).unwrap();
        let none = Catalogue::default();
        let stored: Vec<(Split, usize, String)> =
            tasks.iter().flat_map(|t| t.stored(&none)).map(|q| (q.split, q.index, q.question)).collect();
        let train = |at: usize, question: &str| (Split::Train, at, question.to_owned());
        assert_eq!(stored.len(), 2 + 2 + 3 + 5);
        assert!(stored.contains(&train(1, "a train 1")) && stored.contains(&train(2, "b train 0")));
        assert!(stored.contains(&(Split::Test, 6, "b test 4".to_owned())));
        let ask = [SplitQuestions { split: Split::Train, questions: vec![4, 0, 2] }];
        assert_eq!(tasks[0].own_of(&ask)[0].questions, [0]);
        assert_eq!(tasks[1].own_of(&ask)[0].questions, [2, 0]);
        check_asked(&tasks, &ask).unwrap();
        let beyond = [SplitQuestions { split: Split::Train, questions: vec![1, 5] }];
        let why = check_asked(&tasks, &beyond).unwrap_err().to_string();
        assert!(why.contains("have 5 questions there, none with index 5"), "{why}");
        // A split that is not requested is not read.
        let only = listed(&setup, &[Split::Test], &mut LoadedTasks::default()).unwrap();
        assert_eq!((only[1].before.test, only[1].count.train, only[1].task.train.len()), (2, 0, 0));
    }
}

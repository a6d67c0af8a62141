//! A setup, a target and a list of questions come in; answers, scores and their cost go out. Models and tasks stay
//! loaded for the next request. A session's worker, `yosegi eval` and `yosegi compare` each hold one [`Evaluator`].

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::bail;

use super::judge::judge;
use super::loaded_models::{LoadedModels, Ready, Wanted as WantedModels};
use super::loaded_tasks::LoadedTasks;
use super::memory_plan::{MemoryPlan, Workload, of_questions};
use super::pictures::{Asked, Catalogue, FeatureStore, Wanted};
use super::score::Cost;
use super::task_list::{ListedTask, check_asked, listed, together};
use super::task_runner::TaskQuestions;
use super::types::{
    EvalSetup, Listener, Progress, SetupFacts, SplitQuestions, SplitResult, StoredQuestion, Target,
};
use crate::checkpoint::Checkpoint;
use crate::error::BadInput;
use crate::lm::{self, Reader};
use crate::recipe::Recipe;
use crate::task::{Decoding, NO_LANGUAGE, Question, Split};

/// Evaluates requests and keeps the loaded models and tasks.
#[derive(Default)]
pub struct Evaluator {
    pub(super) tasks: LoadedTasks,
    models: LoadedModels,
    catalogue: Catalogue,
    features: FeatureStore,
    /// Keeps a large model loaded after it has answered, because another task follows.
    pub keep_large: bool,
}

/// One evaluation to run.
#[derive(Clone, Copy)]
pub struct EvalRequest<'a> {
    /// The models, the tasks and the device.
    pub setup: &'a EvalSetup,
    /// The model or merge that answers.
    pub target: &'a Target,
    /// The questions, by their index in the list of all tasks' questions.
    pub ask: &'a [SplitQuestions],
    /// Questions of the first requested split whose answers are reported while they are generated.
    pub watch: &'a [usize],
    /// Replaces the tasks' own decoding.
    pub decoding: Option<Decoding>,
}

impl Evaluator {
    /// Unloads all models and tasks, so that a session that begins or resumes reads the current files.
    pub fn forget(&mut self) {
        self.tasks.clear();
        self.models.clear();
        self.catalogue.clear();
        self.features.clear();
    }

    /// Opens a setup's models and tasks, and returns facts about them with all their questions.
    ///
    /// # Errors
    /// A model or a task that cannot be read, models that do not fit together, or a task without questions.
    pub fn open(
        &mut self,
        setup: &EvalSetup,
        listener: &Listener<'_>,
    ) -> anyhow::Result<(SetupFacts, Vec<StoredQuestion>)> {
        let tasks = listed(setup, &[Split::Train, Split::Test], &mut self.tasks)?;
        let device = self.models.device(setup)?.0.device;
        let ask = whole_split(&tasks);
        let asking =
            |files: &Checkpoint, exactly: bool| asked((files, exactly), &tasks, &ask, (None, setup.threads));
        let layers = self.models.open(&WantedModels { setup, device: &device, asking: &asking, listener })?;
        self.facts(setup, layers)
    }

    /// Facts about a setup's tasks and about its models of `layers` blocks, which are not opened, with all questions.
    pub(super) fn facts(
        &mut self,
        setup: &EvalSetup,
        layers: usize,
    ) -> anyhow::Result<(SetupFacts, Vec<StoredQuestion>)> {
        let tasks = listed(setup, &[Split::Train, Split::Test], &mut self.tasks)?;
        let lm::Picked { device, note } = self.models.device(setup)?.0;
        let mut facts = SetupFacts {
            layers,
            device: device.name(),
            device_note: note.unwrap_or_default(),
            dtype: device.dtype().to_owned(),
            ..SetupFacts::default()
        };
        for task in &tasks {
            let (name, count) = (&task.spec.task, task.count);
            if count.train == 0 || count.test == 0 {
                return Err(BadInput::error(format!("the task {name} has no questions: give it some")));
            }
            facts.train_questions += count.train;
            facts.test_questions += count.test;
            for (split, count) in [(Split::Train, task.count.train), (Split::Test, task.count.test)] {
                let questions = task.task.questions(split).iter().take(count);
                self.catalogue.add(&task.task, questions, true)?;
            }
            task.task.language_by().clone_into(&mut facts.language_by);
            facts.languages.push(task.task.language.clone().unwrap_or_else(|| NO_LANGUAGE.to_owned()));
            let mut prints =
                task.task.fingerprints(name, count.train, count.test).map_err(BadInput::error)?;
            // Files that several tasks share are listed once.
            prints.retain(|print| !facts.prints.contains(print));
            facts.prints.extend(prints);
        }
        Ok((facts, tasks.iter().flat_map(|task| task.stored(&self.catalogue)).collect()))
    }

    /// What a request takes in memory. Models and tasks are opened, and no weights are read.
    ///
    /// # Errors
    /// A model, recipe, task or question that is missing or cannot be used.
    pub fn memory_plan(
        &mut self,
        request: &EvalRequest<'_>,
        listener: &Listener<'_>,
    ) -> anyhow::Result<MemoryPlan> {
        let EvalRequest { setup, ask, .. } = *request;
        let splits: Vec<Split> = ask.iter().map(|a| a.split).collect();
        let tasks = listed(setup, &splits, &mut self.tasks)?;
        check_asked(&tasks, ask)?;
        let device = self.models.device(setup)?.0.device;
        let asking = |files: &Checkpoint, exactly: bool| {
            asked((files, exactly), &tasks, ask, (request.decoding, setup.threads))
        };
        let wanted = WantedModels { setup, device: &device, asking: &asking, listener };
        LoadedModels::plan(&wanted, request.target)
    }

    /// What a merge of a setup's models takes in memory while it answers all questions.
    pub(super) fn memory_of_merge(
        &mut self,
        setup: &EvalSetup,
        merge: &Recipe,
        listener: &Listener<'_>,
    ) -> anyhow::Result<MemoryPlan> {
        let tasks = listed(setup, &[Split::Train, Split::Test], &mut self.tasks)?;
        let target = Target::Recipe(Box::new(merge.clone()));
        let request =
            EvalRequest { setup, target: &target, ask: &whole_split(&tasks), watch: &[], decoding: None };
        self.memory_plan(&request, listener)
    }

    /// Name of a setup's device.
    ///
    /// # Errors
    /// The machine has no such device.
    pub fn device_name(&mut self, setup: &EvalSetup) -> anyhow::Result<String> {
        Ok(self.models.device(setup)?.0.device.name())
    }

    /// Runs a target on questions and judges the answers, one split after another.
    ///
    /// # Errors
    /// A model, recipe, task or question that is missing or cannot be used, a device without enough memory, or a
    /// cancelled request.
    pub fn evaluate(
        &mut self,
        request: &EvalRequest<'_>,
        progress: &(dyn Fn(Progress) + Sync),
        cancel: &AtomicBool,
    ) -> anyhow::Result<(Vec<SplitResult>, Cost)> {
        let EvalRequest { setup, ask, .. } = *request;
        let listener = Listener { tell: progress, cancel };
        let splits: Vec<Split> = ask.iter().map(|a| a.split).collect();
        let tasks = listed(setup, &splits, &mut self.tasks)?;
        check_asked(&tasks, ask)?;
        let mut with_pictures = false;
        for task in tasks.iter().filter(|task| task.task.pictures) {
            with_pictures |= self.take_in(task, ask, setup.session.as_deref())?;
        }
        let began = Instant::now();
        let (lm::Picked { device, note }, new) = self.models.device(setup)?;
        if let (Some(note), true) = (note, new) {
            listener.note(note);
        }
        let asking = |files: &Checkpoint, exactly: bool| {
            asked((files, exactly), &tasks, ask, (request.decoding, setup.threads))
        };
        let wanted = WantedModels { setup, device: &device, asking: &asking, listener: &listener };
        let Ready { runner, vision } = self.models.runner(&wanted, request.target, with_pictures)?;
        let mut cost = Cost { merge_s: began.elapsed().as_secs_f64(), ..Cost::default() };
        if cancel.load(Ordering::Relaxed) {
            bail!("cancelled");
        }
        let first = splits.first().copied().unwrap_or(Split::Train);
        let count = |ask: &[SplitQuestions]| ask.iter().map(|a| a.questions.len() as u64).sum::<u64>();
        let (all, mut done_before) = (count(ask), 0);
        let alone = tasks.len() == 1;
        let mut found: Vec<Vec<(usize, SplitResult)>> = vec![Vec::new(); ask.len()];
        for (at, task) in tasks.iter().enumerate() {
            let own = task.own_of(ask);
            if count(&own) == 0 && !alone {
                continue;
            }
            let watch: Vec<usize> = request.watch.iter().filter_map(|i| task.own_index(first, *i)).collect();
            let before = task.before.of(first);
            let tell = |news: Progress| {
                progress(match news {
                    Progress::Token { question, text } => {
                        Progress::Token { question: question + before, text }
                    }
                    Progress::Done { done, .. } => Progress::Done { done: done_before + done, of: all },
                    other @ (Progress::Note(_) | Progress::Headway(_)) => other,
                });
            };
            let mut looking = Cost::default();
            let Asked { of_questions: images, pictures } = self.catalogue.of_questions(&task.task, &own);
            if !pictures.is_empty() {
                let Some(vision) = vision else { return Err(sees_nothing(request.target, task)) };
                let (began, session) = (Instant::now(), setup.session.as_deref());
                let wanted = Wanted { vision, device: &device, pictures: &pictures, session, cancel };
                let seen = self.features.features(&wanted)?;
                looking.pictures = seen.computed;
                runner.see(seen, vision.image_token())?;
                looking.prefill_s = began.elapsed().as_secs_f64();
            }
            let questions = TaskQuestions {
                images: &images,
                task: &task.task,
                name: &task.spec.task,
                ask: &own,
                watch: &watch,
                decoding: request.decoding,
                threads: setup.threads,
            };
            let (answers, timing) = runner.answer(&questions, &tell, cancel)?;
            let began = Instant::now();
            let references = |question: &Question| {
                let found = self.catalogue.references(&task.task, question).into_iter();
                match setup.session.as_deref() {
                    Some(session) => found.map(|image| image.in_folder(session)).collect(),
                    None => found.collect(),
                }
            };
            let measured = judge(&own, &task.task, &task.fitness, answers, &references);
            for ((list, mut m), own) in found.iter_mut().zip(measured).zip(&own) {
                if alone || !own.questions.is_empty() {
                    m.answers.iter_mut().for_each(|answer| answer.index += task.before.of(m.split));
                    list.push((at, m));
                }
            }
            cost = cost.and(looking).and(Cost {
                merge_s: 0.0,
                prefill_s: timing.prefill_s,
                decode_s: timing.decode_s,
                score_s: began.elapsed().as_secs_f64(),
                tokens: timing.tokens as u64,
                pictures: 0,
            });
            done_before += count(&own);
        }
        if !self.keep_large {
            self.models.drop_large();
        }
        let measured = ask.iter().zip(found).map(|(a, found)| together(&tasks, a.split, found)).collect();
        Ok((measured, cost))
    }

    /// Takes in the pictures of a task's requested questions and copies those that the data holds as bytes. Returns
    /// whether there are any.
    fn take_in(
        &mut self,
        task: &ListedTask<'_>,
        ask: &[SplitQuestions],
        session: Option<&Path>,
    ) -> anyhow::Result<bool> {
        let own = task.own_of(ask);
        let questions: Vec<&Question> = own
            .iter()
            .flat_map(|a| a.questions.iter().map(move |&index| &task.task.questions(a.split)[index]))
            .collect();
        self.catalogue.add(&task.task, questions.iter().copied(), false)?;
        if let Some(session) = session {
            questions.iter().try_for_each(|question| self.catalogue.copy(&task.task, question, session))?;
        }
        Ok(questions.iter().any(|question| task.task.images(question).next().is_some()))
    }
}

/// What a model with these files is asked by some questions of tasks. `exactly`: by its tokenizer, which takes a second
/// to make.
fn asked(
    (files, exactly): (&Checkpoint, bool),
    tasks: &[ListedTask<'_>],
    ask: &[SplitQuestions],
    how: (Option<Decoding>, usize),
) -> anyhow::Result<Workload> {
    let reader = if exactly { Some(Reader::of(files).map_err(BadInput::error)?) } else { None };
    let own: Vec<_> = tasks.iter().map(|listed| (&*listed.task, listed.own_of(ask))).collect();
    Ok(of_questions(reader.as_ref(), files.vision_config(), &own, how))
}

/// All training questions of the tasks: what most candidates of a session are asked.
fn whole_split(tasks: &[ListedTask<'_>]) -> [SplitQuestions; 1] {
    let count: usize = tasks.iter().map(|listed| listed.count.train).sum();
    [SplitQuestions { split: Split::Train, questions: (0..count).collect() }]
}

/// The error for a model that takes no pictures.
fn sees_nothing(target: &Target, task: &ListedTask<'_>) -> anyhow::Error {
    let who = match target {
        Target::Model(name) => format!("the model {name} takes"),
        Target::Recipe(_) => "the models of this recipe take".to_owned(),
    };
    BadInput::error(format!(
        "{who} no pictures, and the task {} asks about some: take a LLaVA model, or a recipe with one among its models",
        task.spec.task
    ))
}

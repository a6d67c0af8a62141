//! Loads a [`Task`]. The path of a task file, or the name of a built-in task, comes in; the task with its data goes
//! out. The commands and the session call it.

use std::collections::HashMap;

use regex::Regex;

use super::config::{self, Extract, Length, TaskConfig};
use super::data::{Loaded, Pool, Source, builtin, check_overlap, draw};
use super::pictures::MARK;
use super::scoring::FactWords;
use super::{Detector, Kind, Metric, Places, Question, Scorer, Segmenter, Split, Task, TaskError};

impl Task {
    /// Loads a built-in task by name (`zoo`, `mgsm_ja`) or a task file by path, with all its data.
    ///
    /// # Errors
    /// Whatever is wrong with the file or its data.
    pub fn load(reference: &str) -> Result<Self, TaskError> {
        Self::load_from(reference, &Places::from_env())
    }

    /// As [`Self::load`], but searches these folders for data.
    ///
    /// # Errors
    /// The same as for [`Self::load`].
    pub fn load_from(reference: &str, places: &Places) -> Result<Self, TaskError> {
        Self::load_splits(reference, &[Split::Train, Split::Test], places)
    }

    /// Loads a task with the data of these splits only; the other split stays empty. Splits may not share a question.
    ///
    /// # Errors
    /// A task that lacks a requested split, or whatever is wrong with the file or its data.
    pub fn load_splits(reference: &str, splits: &[Split], places: &Places) -> Result<Self, TaskError> {
        let (file, text, base) = builtin::find(reference)?;
        let config = config::parse(&file, &text)?;
        let source = Source { file: &file, task: &config, base: &base, places, examples: false };
        let mut task = Self::from_config(&config)?;
        let pool =
            config.shots.as_ref().filter(|s| s.count > 0).map(|s| Pool::load(&source, s)).transpose()?;
        for split in splits {
            let known = match split {
                Split::Train => &config.train,
                Split::Test => &config.test,
            };
            let Some(place) = known else {
                return Err(TaskError::NoSplit { file, split: split.name() });
            };
            let Loaded { data, mut questions } = source.load(place)?;
            if let (Some(shots), Some(pool)) = (&config.shots, &pool) {
                let drawn = draw(shots, pool, questions.len(), pool.is(place));
                questions.iter_mut().zip(drawn).for_each(|(q, shots)| q.shots = shots);
            }
            task.sources.insert(split.name(), data);
            match split {
                Split::Train => task.train = questions,
                Split::Test => task.test = questions,
            }
        }
        Self::check_other(&source, &task)?;
        check_overlap(&file, &config.prompt, &task.train, &task.test)?;
        if let Some(pool) = pool {
            task.sources.insert("shots", pool.data);
            task.examples = pool.examples;
        }
        // A broken template fails on the first question, so one question is enough as a test. Pictures differ.
        let tried = if task.pictures { usize::MAX } else { 1 };
        for question in task.train.iter().chain(&task.test).take(tried) {
            task.prompt(question).map_err(|e| e.in_file(&file))?;
            task.check_choices(question)?;
        }
        Ok(task)
    }

    /// If only one split is loaded: reads the other if possible and checks that they share no question.
    fn check_other(source: &Source, task: &Self) -> Result<(), TaskError> {
        let other = match (task.train.is_empty(), task.test.is_empty()) {
            (true, false) => &source.task.train,
            (false, true) => &source.task.test,
            _ => return Ok(()),
        };
        let loaded = other.as_ref().and_then(|place| source.load(place).ok());
        let Some(loaded) = loaded else { return Ok(()) };
        let (file, template) = (source.file, &source.task.prompt);
        if task.train.is_empty() {
            check_overlap(file, template, &loaded.questions, &task.test)
        } else {
            check_overlap(file, template, &task.train, &loaded.questions)
        }
    }

    /// Refuses a choice that holds the mark of a picture.
    fn check_choices(&self, question: &Question) -> Result<(), TaskError> {
        if !(self.pictures && question.choices.iter().any(|choice| choice.contains(MARK))) {
            return Ok(());
        }
        let what = "a choice holds `<image>`, which stands for a picture in prompts: take it out of the data";
        Err(TaskError::marks(&self.name, &question.id, what.to_owned()))
    }

    fn from_config(config: &TaskConfig) -> Result<Self, TaskError> {
        let language = match (&config.language, config.kind) {
            (Some(code), Kind::Generate) => Some(code.clone()).filter(|c| c != "none"),
            _ => None,
        };
        let version =
            config.version.as_ref().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
        let metrics = config.metrics();
        let compares = config.scorer() == Scorer::ExactMatch || metrics.iter().any(|m| m.compares_texts());
        let compares = compares && config.kind == Kind::Generate;
        let segmenter = if compares { Some(Segmenter::shared()?) } else { None };
        Ok(Self {
            name: config.name.clone(),
            version,
            kind: config.kind,
            train: Vec::new(),
            test: Vec::new(),
            length: config.max_new_tokens.clone().unwrap_or(Length::Tokens(1)),
            stop: config.stop.clone(),
            decoding: config.decoding,
            scorer: config.scorer(),
            metrics,
            language,
            open_language: config.language.is_none()
                && config.kind == Kind::Generate
                && config.metrics.is_empty(),
            weight: config.weight,
            chat: config.chat,
            pictures: !config.image.all().is_empty(),
            encode: config.encode,
            description: config.description.clone(),
            template: config.prompt.clone(),
            separator: config.shots.as_ref().map(|s| s.separator.clone()).unwrap_or_default(),
            sources: HashMap::new(),
            examples: Vec::new(),
            extract: config.extract.clone(),
            pattern: match &config.extract {
                Extract::Regex(pattern) => Regex::new(pattern).ok(),
                _ => None,
            },
            facts: config.fact_words(),
            segmenter,
            detector: Detector::shared(),
        })
    }

    /// This task as earlier sessions read it, whose journals name no language. At that time a file without a language
    /// meant Japanese, unless it named metrics.
    #[must_use]
    pub fn as_in_earlier_sessions(mut self) -> Self {
        if self.open_language {
            self.language = Some("ja".to_owned());
        }
        self
    }

    /// Whether [`Self::as_in_earlier_sessions`] changes this task.
    #[must_use]
    pub const fn differs_in_earlier_sessions(&self) -> bool {
        self.open_language
    }

    /// The maximum number of tokens of the answer to a question; `tokens` counts a text's tokens.
    ///
    /// # Errors
    /// Any error of `tokens`.
    pub fn most_tokens<E>(
        &self,
        question: &Question,
        tokens: impl Fn(&str) -> Result<usize, E>,
    ) -> Result<usize, E> {
        match self.length {
            Length::Tokens(n) => Ok(n),
            Length::Rule { plus, .. } => {
                let mut longest = 0;
                for gold in question.accepted() {
                    longest = longest.max(tokens(gold)?);
                }
                Ok((longest + plus).max(1))
            }
        }
    }
}

impl TaskConfig {
    /// The words of `[facts]`.
    fn fact_words(&self) -> FactWords {
        self.facts.as_ref().and_then(|facts| FactWords::new(&facts.words).ok()).unwrap_or_default()
    }

    /// The scorer that the file names, else the scorer of its first metric.
    pub fn scorer(&self) -> Scorer {
        let by_metric = match self.metrics.first() {
            None | Some(Metric::Acc) if self.facts.is_some() => Scorer::Facts,
            None | Some(Metric::Acc) => Scorer::Number,
            Some(Metric::Facts) => Scorer::Facts,
            Some(_) => Scorer::ExactMatch,
        };
        self.scorer.unwrap_or(by_metric)
    }

    /// The metrics of the file, or those of a file that names none.
    fn metrics(&self) -> Vec<Metric> {
        match self.scorer() {
            _ if !self.metrics.is_empty() => self.metrics.clone(),
            Scorer::ExactMatch if self.kind == Kind::Generate => vec![Metric::ExactMatch],
            Scorer::Facts => vec![Metric::Acc, Metric::Facts],
            _ => vec![Metric::Acc],
        }
    }
}

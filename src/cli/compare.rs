//! `yosegi compare`: two models, recipes or files of answers come in. The questions that the second one gains and loses
//! on the first go out, with a test of whether the difference is more than chance. The command line calls it.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;

use serde_json::json;

use super::answers::{self, Judged};
use super::output::headway;
use super::output::memory;
use super::output::say::{self, note, out};
use super::{Compare, SplitArg};
use crate::error::BadInput;
use crate::evaluate::{
    EvalRequest, EvalSetup, Evaluator, Listener, Progress, SplitQuestions, Target, TaskSpec,
};
use crate::task::AnswerLanguage;
use crate::task::{McNemar, Places, Split, Task, Verdict, mcnemar};
use crate::text::{visible, visible_line};

/// One side of the comparison: its name, its answers, and the language that the task asks for.
struct Side<'a> {
    name: &'a str,
    answers: Vec<Judged>,
    asked: AnswerLanguage,
}

/// The questions that both sides answered, grouped by which side was right.
#[derive(Default)]
struct Groups<'a> {
    gained: Vec<(&'a Judged, &'a Judged)>,
    lost: Vec<(&'a Judged, &'a Judged)>,
    both: Vec<(&'a Judged, &'a Judged)>,
    neither: Vec<(&'a Judged, &'a Judged)>,
}

/// Compares two models, recipes or files of answers on one task.
pub fn run(args: &Compare) -> anyhow::Result<()> {
    let mut evaluator = Evaluator::default();
    if args.device.dry_run {
        let quiet = Listener { tell: &|_| (), cancel: &AtomicBool::new(false) };
        let models = [&args.a, &args.b].into_iter().filter(|name| !answers::is_file(name));
        let plan = |name: &String| {
            let asked = Asked::of(name, args)?;
            evaluator.memory_plan(&asked.request(), &quiet)
        };
        let plans = models.map(plan).collect::<anyhow::Result<Vec<_>>>()?;
        return memory::print(&plans, args.json);
    }
    let mut side = |name| -> anyhow::Result<Side> {
        let (answers, asked) = if answers::is_file(name) {
            from_file(name, args)?
        } else {
            answered(name, args, &mut evaluator)?
        };
        Ok(Side { name, answers, asked })
    };
    let (a, b) = (side(&args.a)?, side(&args.b)?);
    let groups = groups(&a, &b);
    let Groups { gained, lost, both, neither } = &groups;
    let n = gained.len() + lost.len() + both.len() + neither.len();
    if n == 0 {
        return Err(BadInput::error(format!(
            "{} and {} have no question in common: compare answers to the same questions",
            args.a, args.b
        )));
    }
    let alone = (a.answers.len() - n, b.answers.len() - n);
    let test = mcnemar(gained.len() as u64, lost.len() as u64);
    let share = |right: usize| right as f64 / n as f64;
    let (right_a, right_b) = (lost.len() + both.len(), gained.len() + both.len());
    if args.json {
        let ids =
            |list: &[(&Judged, &Judged)]| list.iter().map(|(a, _)| a.question.id.clone()).collect::<Vec<_>>();
        return say::json(&json!({
            "task": args.task, "a": a.name, "b": b.name, "n": n, "only_in_a": alone.0, "only_in_b": alone.1,
            "language": a.asked.code(),
            "right_a": share(right_a), "right_b": share(right_b),
            "gained": ids(gained), "lost": ids(lost), "both": ids(both), "neither": ids(neither),
            "test": test.test.name(), "p": test.p,
        }));
    }
    out(&format!("A  {:>5.1}%  {}", 100.0 * share(right_a), visible_line(a.name)))?;
    out(&format!("B  {:>5.1}%  {}", 100.0 * share(right_b), visible_line(b.name)))?;
    out(&format!(
        "gained {} (only B right), lost {} (only A right), both {}, neither {}, of {n} questions of {}; what counts: {}",
        gained.len(),
        lost.len(),
        both.len(),
        neither.len(),
        visible_line(&args.task),
        a.asked.right()
    ))?;
    out(&verdict(&test))?;
    for (what, list) in [("gained", gained), ("lost", lost)] {
        tell(what, list, args.verbose)?;
    }
    if alone != (0, 0) {
        note(&format!("left out: {} questions that only A answered, {} that only B did", alone.0, alone.1));
    }
    Ok(())
}

fn verdict(test: &McNemar) -> String {
    let p = if test.p < 1e-4 { format!("{:.1e}", test.p) } else { format!("{:.4}", test.p) };
    let words = match (test.p < 0.05, test.gained >= test.lost) {
        (true, true) => "B is better",
        (true, false) => "A is better",
        (false, _) => "chance alone may make such a difference",
    };
    format!("p = {p} ({}): {words}", test.test.name())
}

fn tell(what: &str, list: &[(&Judged, &Judged)], verbose: bool) -> anyhow::Result<()> {
    if list.is_empty() {
        return Ok(());
    }
    if !verbose {
        let ids: Vec<_> = list.iter().map(|(a, _)| visible_line(&a.question.id)).collect();
        return out(&format!("{what}: {}", ids.join(" ")));
    }
    for (a, b) in list {
        out(&format!("\n{what} {}", visible_line(&a.question.id)))?;
        if !a.question.question.is_empty() {
            out(&visible(&a.question.question))?;
        }
        out(&format!("gold: {}", visible_line(&a.question.gold)))?;
        out(&format!("A: {}", visible(a.text.trim())))?;
        out(&format!("B: {}", visible(b.text.trim())))?;
    }
    Ok(())
}

/// Whether the answer is right and in the language that the task asks for, if the task asks for one.
const fn is_right(verdict: &Verdict) -> bool {
    verdict.correct && verdict.in_language
}

fn groups<'a>(a: &'a Side, b: &'a Side) -> Groups<'a> {
    let by_id: HashMap<&str, &Judged> = b.answers.iter().map(|j| (j.question.id.as_str(), j)).collect();
    let mut out = Groups::default();
    for first in &a.answers {
        let Some(second) = by_id.get(first.question.id.as_str()) else { continue };
        let list = match (is_right(&first.verdict), is_right(&second.verdict)) {
            (false, true) => &mut out.gained,
            (true, false) => &mut out.lost,
            (true, true) => &mut out.both,
            (false, false) => &mut out.neither,
        };
        list.push((first, second));
    }
    out
}

fn from_file(path: &str, args: &Compare) -> anyhow::Result<(Vec<Judged>, AnswerLanguage)> {
    let given = answers::read(path)?;
    let task = answers::task_for(&args.task, &given, Some(split_of(args.split))).map_err(BadInput::error)?;
    Ok((answers::judge(&task, given, path)?, AnswerLanguage::of_task(&task)))
}

/// What a model or a merge is asked.
struct Asked {
    task: Task,
    target: Target,
    setup: EvalSetup,
    ask: [SplitQuestions; 1],
}

impl Asked {
    fn of(name: &str, args: &Compare) -> anyhow::Result<Self> {
        let split = split_of(args.split);
        let task = Task::load_splits(&args.task, &[split], &Places::from_env()).map_err(BadInput::error)?;
        let all = task.questions(split).len();
        let n = args.limit.map_or(all, |limit| limit.min(all));
        if n == 0 {
            return Err(BadInput::error(format!(
                "the task {} leaves no question to ask: raise --limit",
                args.task
            )));
        }
        let setup = EvalSetup {
            precision: args.device.precision,
            allow_non_finite: args.recipe.allow_non_finite,
            ..EvalSetup::of_tasks(vec![TaskSpec::whole(&args.task)], &args.device.name, 0)
        };
        let target = super::eval::target(name, args.recipe.lenient)?;
        Ok(Self { task, target, setup, ask: [SplitQuestions { split, questions: (0..n).collect() }] })
    }

    fn request(&self) -> EvalRequest<'_> {
        let Self { setup, target, ask, .. } = self;
        EvalRequest { setup, target, ask, watch: &[], decoding: None }
    }
}

/// Runs a model or a merge on the task.
fn answered(
    name: &str,
    args: &Compare,
    evaluator: &mut Evaluator,
) -> anyhow::Result<(Vec<Judged>, AnswerLanguage)> {
    let asked = Asked::of(name, args)?;
    let progress = |news: Progress| match news {
        Progress::Headway(headway) => headway::tell(headway),
        Progress::Done { done, of } => headway::counted("questions", done, of),
        Progress::Note(_) | Progress::Token { .. } => {}
    };
    let (measured, cost) = evaluator.evaluate(&asked.request(), &progress, &AtomicBool::new(false))?;
    let (task, all, n) =
        (&asked.task, asked.task.questions(asked.ask[0].split), asked.ask[0].questions.len());
    note(&format!("{}: {n} answers, {} tokens in {:.1} s", visible_line(name), cost.tokens, cost.seconds()));
    let answers = measured.into_iter().flat_map(|m| m.answers);
    let answers = answers.map(|answer| {
        let in_language = answer.in_language.unwrap_or(true);
        let verdict = Verdict { correct: answer.correct, in_language, ..Verdict::default() };
        Judged { question: all[answer.index].clone(), text: answer.text, verdict }
    });
    Ok((answers.collect(), AnswerLanguage::of_task(task)))
}

const fn split_of(split: SplitArg) -> Split {
    match split {
        SplitArg::Train => Split::Train,
        SplitArg::Test => Split::Test,
    }
}

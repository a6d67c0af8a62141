//! `yosegi eval`: a model or a recipe and one or several tasks come in; scores, answers and the mean of several tasks
//! go out. The command line calls it.

mod tables;

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::output::answer_table::{self, Line};
use super::output::headway;
use super::output::memory;
use super::output::say::{self, note, out};
use super::{Eval, SplitArg};
use crate::error::BadInput;
use crate::evaluate::{
    Answer, Cost, EvalRequest, EvalSetup, Evaluator, Listener, MemoryPlan, Progress, SplitQuestions,
    SplitResult, Target, TaskSpec,
};
use crate::recipe::RecipeFile;
use crate::task::AnswerLanguage;
use crate::task::{Decoding, Places, Split, Suite, Task, TaskError, share_names};
use crate::text::visible_line;
use tables::Row;

/// A task that was measured.
pub(super) struct Done {
    pub task: Task,
    decoding: Decoding,
    pub measured: SplitResult,
    cost: Cost,
    seconds: f64,
}

/// Evaluates and prints the scores; with `--json` the answers too.
pub fn run(args: &Eval) -> anyhow::Result<()> {
    let target = target(&args.model, args.recipe.lenient)?;
    args.export.as_deref().map(answer_table::check).transpose()?;
    let suite = match (&args.suite, &args.task) {
        (Some(suite), _) => Suite::load(suite).map_err(BadInput::error)?,
        (None, Some(list)) => Suite::of(list),
        (None, None) => return Err(BadInput::error("name a task with --task or a suite with --suite")),
    };
    if suite.tasks.is_empty() {
        return Err(BadInput::error("--task is empty: name a task"));
    }
    let split = if args.split == SplitArg::Train { Split::Train } else { Split::Test };
    let several = args.suite.is_some() || suite.tasks.len() > 1;
    let mut evaluator = Evaluator::default();
    evaluator.keep_large = several;
    if args.device.dry_run {
        return dry_run(args, &target, &suite, split, &mut evaluator);
    }
    let mut rows: Vec<Row> = Vec::new();
    for name in &suite.tasks {
        match one(args, &target, name, split, &mut evaluator) {
            Ok(done) => {
                if several && !args.json {
                    note(&tables::line(&done));
                }
                rows.push(Row { name: name.clone(), done: Ok(done) });
            }
            // A task whose data is missing here leaves a gap in the suite's table; other errors end the command.
            Err(error) if several && is_absent(&error) => {
                note(&format!("{name} is left out: {error}"));
                rows.push(Row { name: name.clone(), done: Err(error.to_string()) });
            }
            Err(error) => return Err(error),
        }
    }
    if rows.iter().all(|r| r.done.is_err()) {
        return Err(BadInput::error(format!("no task of the suite {} has its data here", suite.name)));
    }
    if let Some(file) = &args.export {
        let done = rows.iter().flat_map(|r| r.done.as_ref().map(|done| (&r.name, done)));
        let lines: Vec<Line> = done.flat_map(|(name, done)| Line::all(name, &done.measured)).collect();
        answer_table::write(file, &lines)?;
    }
    if args.json {
        return say::json(&document(args, &suite, several, &rows));
    }
    if args.markdown {
        return out(&tables::markdown(&args.model, &suite.name, &rows));
    }
    if several {
        return out(&tables::table(&suite.name, &rows));
    }
    rows.iter().flat_map(|r| &r.done).try_for_each(|done| tell(args, done))
}

/// Prints what the task that takes the most memory takes.
fn dry_run(
    args: &Eval,
    target: &Target,
    suite: &Suite,
    split: Split,
    evaluator: &mut Evaluator,
) -> anyhow::Result<()> {
    let quiet = Listener { tell: &|_| (), cancel: &AtomicBool::new(false) };
    let mut largest: Option<MemoryPlan> = None;
    for name in &suite.tasks {
        let asked = match Asked::of(args, name, split) {
            Err(error) if suite.tasks.len() > 1 && is_absent(&error) => continue,
            asked => asked?,
        };
        let plan = evaluator.memory_plan(&asked.request(target), &quiet)?;
        largest = largest.filter(|before| before.total >= plan.total).or(Some(plan));
    }
    let Some(plan) = largest else {
        return Err(BadInput::error(format!("no task of the suite {} has its data here", suite.name)));
    };
    memory::print(&[plan], args.json)
}

/// What a task asks.
struct Asked {
    task: Task,
    decoding: Decoding,
    setup: EvalSetup,
    ask: [SplitQuestions; 1],
}

impl Asked {
    fn of(args: &Eval, name: &str, split: Split) -> anyhow::Result<Self> {
        let task = Task::load_splits(name, &[split], &Places::from_env())?;
        let all = task.questions(split).len();
        let n = args.limit.map_or(all, |limit| limit.min(all));
        if n == 0 {
            return Err(BadInput::error(format!("the task {name} leaves no question to ask: raise --limit")));
        }
        let setup = EvalSetup {
            precision: args.device.precision,
            allow_non_finite: args.recipe.allow_non_finite,
            ..EvalSetup::of_tasks(vec![TaskSpec::whole(name)], &args.device.name, 0)
        };
        let ask = [SplitQuestions { split, questions: (0..n).collect() }];
        Ok(Self { decoding: args.decoding.over(task.decoding)?, task, setup, ask })
    }

    fn request<'a>(&'a self, target: &'a Target) -> EvalRequest<'a> {
        let decoding = (self.decoding != self.task.decoding).then_some(self.decoding);
        EvalRequest { setup: &self.setup, target, ask: &self.ask, watch: &[], decoding }
    }
}

/// Evaluates one task.
fn one(
    args: &Eval,
    target: &Target,
    name: &str,
    split: Split,
    evaluator: &mut Evaluator,
) -> anyhow::Result<Done> {
    let asked = Asked::of(args, name, split)?;
    let began = Instant::now();
    let progress = |news: Progress| match news {
        Progress::Done { done, of } => headway::counted("questions", done, of),
        Progress::Note(text) => note(&visible_line(&text)),
        Progress::Headway(headway) => headway::tell(headway),
        Progress::Token { .. } => {}
    };
    let (measured, cost) = evaluator.evaluate(&asked.request(target), &progress, &AtomicBool::new(false))?;
    let Some(measured) = measured.into_iter().next() else { anyhow::bail!("nothing was measured") };
    let Asked { task, decoding, .. } = asked;
    Ok(Done { task, decoding, measured, cost, seconds: began.elapsed().as_secs_f64() })
}

/// Whether the cause of an error is data that is missing on this machine.
fn is_absent(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(
            cause.downcast_ref::<TaskError>(),
            Some(TaskError::Absent { .. } | TaskError::NoSplit { .. })
        )
    })
}

/// The JSON document: the scores and answers of one task, or those of each of several tasks and the mean. In both
/// forms, `results` has the shape that lm-evaluation-harness uses.
fn document(args: &Eval, suite: &Suite, several: bool, rows: &[Row]) -> Value {
    let each: Vec<Value> = rows
        .iter()
        .map(|row| match &row.done {
            Ok(done) => task_json(args, &row.name, done),
            Err(why) => json!({ "task": row.name, "left_out": why }),
        })
        .collect();
    let mut out = if let (false, Some(Value::Object(only))) = (several, each.first()) {
        only.clone()
    } else {
        let mut map = Map::new();
        map.insert("suite".to_owned(), json!(suite.name));
        map.insert("mean".to_owned(), json!(tables::mean(rows)));
        map.insert("tasks".to_owned(), json!(each));
        map
    };
    out.extend(tables::harness(rows));
    Value::Object(out)
}

fn task_json(args: &Eval, name: &str, done: &Done) -> Value {
    let score = &done.measured.score;
    let [acc_in_language, in_language] = share_names(done.task.language.as_deref());
    json!({
        "task": name,
        "split": args.split.name(),
        "n": score.n,
        "acc": score.acc,
        acc_in_language: score.acc_in_language,
        in_language: score.in_language,
        "metrics": done.measured.metrics,
        "language": done.task.language,
        "decoding": done.decoding,
        "data": done.task.sources,
        "tokens": done.cost.tokens,
        "seconds": done.seconds,
        "cost": done.cost,
        "answers": done.measured.answers.iter().zip(&done.measured.seconds).map(answer_json).collect::<Vec<_>>(),
    })
}

fn tell(args: &Eval, done: &Done) -> anyhow::Result<()> {
    let (score, tokens) = (&done.measured.score, done.cost.tokens);
    note(&format!("{} answers, {tokens} tokens in {:.1} s", score.n, done.seconds));
    let asked = AnswerLanguage::of_task(&done.task);
    let what = match (asked.language(), tables::is_number(&done.task)) {
        (Some(language), true) => {
            format!(
                "{} {:.1}%, right number {:.1}%, {language} {:.1}%",
                asked.right_number(),
                100.0 * score.acc_in_language,
                100.0 * score.acc,
                100.0 * score.in_language
            )
        }
        _ => tables::figures(done),
    };
    out(&format!(
        "{} on {} ({}): {what}",
        visible_line(&args.model),
        visible_line(&done.task.name),
        args.split.name()
    ))
}

fn answer_json((a, seconds): (&Answer, &f64)) -> Value {
    let mut value = json!({
        "id": a.id, "question": a.question, "gold": a.gold, "text": a.text, "number": a.number,
        "correct": a.correct, "lenient_correct": a.lenient_correct, "language": a.language,
        "in_language": a.in_language, "tokens": a.tokens, "seconds": seconds,
    });
    say::extend(&mut value, &a.p_language);
    say::extend(&mut value, &a.detail);
    value
}

/// The recipe if the name is that of a recipe file, else a model.
pub fn target(name: &str, lenient: bool) -> anyhow::Result<Target> {
    let path = Path::new(name);
    if RecipeFile::is_file(path) {
        return Ok(Target::Recipe(Box::new(super::recipe::whole(path, lenient)?)));
    }
    Ok(Target::Model(name.to_owned()))
}

impl SplitArg {
    const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }
}

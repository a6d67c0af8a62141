//! `yosegi eval`: scores a model or a merge on a task, here and now.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::follow::{note, out};
use super::{Eval, SplitArg};
use crate::recipe::Recipe;
use crate::session::BadInput;
use crate::session::evaluate::{Evaluator, Told, Work};
use crate::session::job::{Ask, Bench};
use crate::session::protocol::{Answer, Split, Target};
use crate::task::Task;

/// Evaluates and prints the scores; with `--json` the answers too.
pub fn run(args: &Eval) -> anyhow::Result<()> {
    let target = target(&args.model)?;
    let (base, sources) = match &target {
        Target::Model(_) => (String::new(), Vec::new()),
        Target::Recipe(r) => (r.donor().to_owned(), r.sources.iter().map(|s| s.model.clone()).collect()),
    };
    let task = Task::load(&args.task).map_err(BadInput::error)?;
    let (split, all) = match args.split {
        SplitArg::Train => (Split::Train, task.train.len()),
        SplitArg::Test => (Split::Test, task.test.len()),
    };
    let n = args.limit.map_or(all, |limit| limit.min(all));
    if n == 0 {
        return Err(BadInput::error(format!(
            "the task {} leaves no question to ask: raise --limit",
            args.task
        )));
    }
    let ask = [Ask { split, questions: (0..n).collect() }];
    let bench = Bench { base, sources, task: args.task.clone(), device: args.device.clone(), threads: 0 };
    let began = Instant::now();
    let progress = std::io::stderr().is_terminal();
    let told = move |told: Told| {
        if let (Told::Done { done, of }, true) = (told, progress) {
            let end = if done == of { "\n" } else { "" };
            eprint!("\r{done} of {of} questions{end}");
        }
    };
    let work = Work { bench: &bench, fitness: "", target: &target, ask: &ask, watch: &[] };
    let (measured, cost) = Evaluator::default().evaluate(&work, &told, &AtomicBool::new(false))?;
    let Some(measured) = measured.into_iter().next() else { anyhow::bail!("nothing was measured") };
    let seconds = began.elapsed();
    if args.json {
        let answers: Vec<_> = measured.answers.iter().map(answer_json).collect();
        return out(&serde_json::to_string(&serde_json::json!({
            "task": args.task,
            "split": args.split.name(),
            "n": measured.score.n,
            "acc": measured.score.acc,
            "acc_ja": measured.score.acc_ja,
            "japanese": measured.score.japanese,
            "tokens": cost.tokens,
            "seconds": seconds.as_secs_f64(),
            "cost": cost,
            "answers": answers,
        }))?);
    }
    tell(args, &measured.score, cost.tokens, seconds)
}

fn tell(
    args: &Eval,
    score: &crate::session::protocol::Score,
    tokens: u64,
    seconds: Duration,
) -> anyhow::Result<()> {
    note(&format!("{} answers, {tokens} tokens in {:.1} s", score.n, seconds.as_secs_f64()));
    out(&format!(
        "{} on {} ({}): right number and Japanese {:.1}%, right number {:.1}%, Japanese {:.1}%",
        crate::session::text::visible_line(&args.model),
        crate::session::text::visible_line(&args.task),
        args.split.name(),
        100.0 * score.acc_ja,
        100.0 * score.acc,
        100.0 * score.japanese
    ))
}

fn answer_json(a: &Answer) -> serde_json::Value {
    serde_json::json!({
        "id": a.id, "question": a.question, "gold": a.gold, "text": a.text, "number": a.number,
        "correct": a.correct, "language": a.language, "p_ja": a.p_ja, "tokens": a.tokens,
    })
}

/// A recipe where the name is that of a TOML file, else a model.
pub fn target(name: &str) -> anyhow::Result<Target> {
    let path = Path::new(name);
    if path.extension().is_some_and(|e| e == "toml") {
        return Recipe::open(path).map(|recipe| Target::Recipe(Box::new(recipe))).map_err(BadInput::error);
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

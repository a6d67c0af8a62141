//! `yosegi score`: a file of answers made elsewhere and a task come in; verdicts by the task's rules and their means go
//! out. The command line calls it.

use serde_json::json;

use super::Score;
use super::answers::{self, Judged};
use super::output::answer_table::{self, Line};
use super::output::say::{self, note, out};
use crate::error::BadInput;
use crate::locale::in_locale;
use crate::task::AnswerLanguage;
use crate::task::{Means, Question, Verdict, share_names};
use crate::text::visible_line;

/// Prints each answer's verdict and the means.
pub fn run(args: &Score) -> anyhow::Result<()> {
    let path = args.answers.display().to_string();
    args.export.as_deref().map(answer_table::check).transpose()?;
    let given = answers::read(&path)?;
    let task = answers::task_for(&args.task, &given, None).map_err(BadInput::error)?;
    let judged = answers::judge(&task, given, &path)?;
    if let Some(file) = &args.export {
        let lines: Vec<Line> = judged.iter().map(|j| Line::judged(&task.name, j)).collect();
        answer_table::write(file, &lines)?;
    }
    let pairs: Vec<(&Question, &Verdict)> = judged.iter().map(|j| (&j.question, &j.verdict)).collect();
    let means = task.means(&pairs);
    let metrics: serde_json::Map<_, _> = task
        .metrics
        .iter()
        .filter_map(|m| Some((task.label(*m), json!(means.metrics.get(m.name())?))))
        .collect();
    if args.json {
        let answers: Vec<_> = judged.iter().map(answer_json).collect();
        let [acc_in_language, in_language] = share_names(task.language.as_deref());
        return say::json(&json!({
            "task": args.task, "n": judged.len(), "language_by": task.language_by(),
            "acc": means.correct, acc_in_language: means.both, in_language: means.in_language,
            "metrics": metrics, "answers": answers,
        }));
    }
    out(&format!(
        "{:<16} {:>14} {:>7} {:>7}  {:<8} {:>6}",
        "id",
        "found",
        "right",
        "lenient",
        "language",
        format!("p({})", task.language.as_deref().unwrap_or("ja"))
    ))?;
    for j in &judged {
        out(&line(j))?;
    }
    let shares =
        metrics.iter().map(|(name, value)| format!("{name} {:.1}", 100.0 * value.as_f64().unwrap_or(0.0)));
    note(&format!(
        "{} answers: {}; {}",
        judged.len(),
        shares_right(&AnswerLanguage::of_task(&task), &means),
        shares.collect::<Vec<_>>().join(", ")
    ));
    Ok(())
}

/// How many answers are right, and how many are in the task's language if it asks for one.
fn shares_right(asked: &AnswerLanguage, means: &Means) -> String {
    let both = format!("{} {:.1}%", asked.right(), 100.0 * means.both);
    let Some(language) = asked.language() else { return both };
    format!(
        "{both}, right in any language {:.1}%, {language} {:.1}%",
        100.0 * means.correct,
        100.0 * means.in_language
    )
}

fn line(j: &Judged) -> String {
    let Verdict { number, correct, lenient_correct, language, p_language, .. } = &j.verdict;
    let word = |yes: bool| if yes { "yes" } else { "no" };
    let cut = |text: &str, n: usize| visible_line(text).chars().take(n).collect::<String>();
    in_locale(format!(
        "{:<16} {:>14} {:>7} {:>7}  {:<8} {:>6.3}",
        cut(&j.question.id, 16),
        cut(number.as_deref().unwrap_or("–"), 14),
        word(*correct),
        word(*lenient_correct),
        language,
        p_language.value()
    ))
}

fn answer_json(j: &Judged) -> serde_json::Value {
    let v = &j.verdict;
    let mut value = json!({
        "id": j.question.id, "gold": j.question.gold, "text": j.text, "number": v.number, "span": v.span,
        "correct": v.correct, "lenient_correct": v.lenient_correct, "language": v.language,
        "reference_correct": v.reference_correct, "right_language": v.in_language, "metrics": v.metrics,
    });
    say::extend(&mut value, &v.p_language);
    value
}

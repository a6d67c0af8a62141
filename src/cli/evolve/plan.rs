//! `yosegi evolve --dry-run`: a config comes in; what the session would read, ask and store is printed, and how long it
//! takes if candidates are timed. Nothing is written and no session begins. `evolve::run` calls it.

use std::sync::atomic::AtomicBool;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::super::Evolve;
use super::super::models::size;
use super::super::output::headway;
use super::super::output::say::{json_pretty, note, out};
use crate::checkpoint::Place;
use crate::error::BadInput;
use crate::evaluate::plan::{PlannedModel, measure, plan};
use crate::evaluate::{Evaluator, Listener, Progress};
use crate::session::Home;
use crate::session::config::Config;
use crate::session::plan::{CARDS, Card, CardEstimate, PlannedStage, PlannedTime, RunPlan, Span};
use crate::text::visible_line;

/// Reads the name of a card.
pub fn card() -> impl TypedValueParser<Value = &'static Card> {
    PossibleValuesParser::new(CARDS.map(|card| card.name))
        .try_map(|name| crate::session::plan::card(&name).ok_or("no card has this name"))
}

/// Prints the plan of a config.
pub fn run(args: &Evolve, home: &Home, config: &Config) -> anyhow::Result<()> {
    let mut evaluator = Evaluator::default();
    let asked = config.setup();
    let progress = |news: Progress| match news {
        Progress::Note(text) => note(&visible_line(&text)),
        Progress::Done { done, of } => headway::counted("questions timed", done, of),
        Progress::Headway(headway) => headway::tell(headway),
        Progress::Token { .. } => {}
    };
    let cancel = AtomicBool::new(false);
    let listener = Listener { tell: &progress, cancel: &cancel };
    let (found, questions) = plan(&mut evaluator, &asked, &config.typical_merge(), &listener)?;
    let mut made = RunPlan::new(home, config, found, &questions)?;
    if let Some(name) = &args.name {
        crate::session::home::check_name(name)?;
        made.name.clone_from(name);
    }
    if let Some(count) = args.measure {
        if count == Some(0) {
            return Err(BadInput::error("--measure=0 times nothing: give the number of questions, or none"));
        }
        let request = made.to_measure(config, count)?;
        let timed = measure(&mut evaluator, &asked, &request, &progress, &cancel)?;
        made = made.with_times(home, &timed);
    }
    if let Some(card) = args.for_card {
        made = made.with_card(card);
        if made.card.is_none() {
            return Err(BadInput::error(
                "nothing can be estimated before the base is on this machine: its size and its tokens are not known",
            ));
        }
    }
    if args.json {
        return json_pretty(&made);
    }
    lines(&made).iter().try_for_each(|line| out(line))?;
    made.setup.refusal().map_or(Ok(()), |sentence| Err(BadInput::error(sentence)))
}

/// The plan in lines: a word, then what it says.
fn lines(plan: &RunPlan) -> Vec<String> {
    let mut rows: Vec<(&str, String)> = Vec::new();
    rows.push((
        "session",
        format!("{}, on {} in {}", visible_line(&plan.name), plan.setup.device, plan.setup.dtype),
    ));
    for (at, model) in plan.setup.models.iter().enumerate() {
        rows.push((["base", "sources", ""][at.min(2)], of_model(model)));
    }
    rows.push(("read", of_reading(plan)));
    if let Some(memory) = &plan.setup.memory {
        for (at, (part, figure)) in memory.rows().into_iter().enumerate() {
            rows.push((["memory", ""][at.min(1)], format!("{part}: {figure}")));
        }
    }
    let several = plan.stages.len() > 1;
    for stage in &plan.stages {
        let word = if several { "stage" } else { "search" };
        rows.push((word, of_stage(stage, several)));
    }
    let work = &plan.work;
    rows.push((
        "before it",
        format!(
            "{} baselines: base, sources, the uniform merge{}",
            grouped(work.baselines),
            if work.baselines > work.plain_models + 1 { ", global weights" } else { "" }
        ),
    ));
    rows.push((
        "questions",
        format!(
            "{} for each candidate, {} held out for each best",
            grouped(work.train_questions),
            grouped(work.test_questions)
        ),
    ));
    let racing =
        if work.racing.is_some() { "; candidates race, and the last of them stop early" } else { "" };
    rows.push(("answers", format!("{}{racing}", span(work.answers))));
    rows.push(("tokens", of_tokens(plan)));
    rows.push(("journal", of_journal(plan)));
    if let Some(time) = &plan.time {
        rows.extend(of_time(plan, time));
    }
    if let Some(card) = &plan.card {
        rows.extend(of_card(card));
    }
    let line = |(word, text): &(&str, String)| format!("{word:<10}{text}");
    let mut out: Vec<String> = rows.iter().map(line).collect();
    out.push(String::new());
    out.push("Nothing has been started or written.".to_owned());
    out
}

fn of_model(model: &PlannedModel) -> String {
    let name = visible_line(&model.reference);
    let bytes = model.bytes.map_or_else(|| "size unknown".to_owned(), size);
    match &model.place {
        Place::Bundled => format!("{name}: {bytes}, {}, bundled", model.dtype),
        Place::Folder => format!("{name}: {bytes}, {}, a folder", model.dtype),
        Place::Cache => format!("{name}: {bytes}, {}, in the hub cache", model.dtype),
        Place::Hub { download: Some(bytes), .. } => {
            format!("{name}: not on this machine, {} to download", size(*bytes))
        }
        Place::Hub { download: None, why } => {
            format!("{name}: not on this machine, to download; {}", visible_line(why))
        }
    }
}

fn of_reading(plan: &RunPlan) -> String {
    let here = size(plan.setup.read_bytes());
    let hub: Vec<Option<u64>> = plan
        .setup
        .models
        .iter()
        .filter_map(|model| match model.place {
            Place::Hub { download, .. } => Some(download),
            _ => None,
        })
        .collect();
    match hub.iter().copied().sum::<Option<u64>>() {
        _ if hub.is_empty() => here,
        Some(bytes) => format!("{here} here, {} after the download", size(bytes)),
        None => format!("{here} here, and what is downloaded"),
    }
}

fn of_stage(stage: &PlannedStage, named: bool) -> String {
    let name = if named { format!("{}: ", visible_line(&stage.name)) } else { String::new() };
    let unknown = "genes unknown before a model is here";
    let genes =
        stage.genes.map_or_else(|| unknown.to_owned(), |genes| format!("{} genes", grouped(genes as u64)));
    let rounds = match (stage.generations, stage.population) {
        (Some(generations), Some(population)) => {
            format!(", {} generations of {}", grouped(generations), grouped(population as u64))
        }
        _ => String::new(),
    };
    format!(
        "{name}{}, {genes} by {}{rounds}, {} evaluations",
        stage.searches,
        stage.algorithm,
        grouped(stage.evaluations)
    )
}

fn of_tokens(plan: &RunPlan) -> String {
    let most = plan.work.tokens.map_or_else(
        || "unknown before a model is here".to_owned(),
        |tokens| format!("at most {}", grouped(tokens)),
    );
    match &plan.time {
        Some(time) => format!(
            "about {}, {:.0} an answer; {most}",
            grouped(rounded(time.tokens as f64)),
            time.tokens_an_answer
        ),
        None => most,
    }
}

fn of_journal(plan: &RunPlan) -> String {
    let disk = plan.disk;
    let free = disk.free.map_or_else(String::new, |free| format!("; {} are free there", size(free)));
    match disk.journal {
        Some(bytes) if disk.measured => format!("about {}{free}", size(bytes)),
        Some(bytes) => format!("at most about {}{free}", size(bytes)),
        None => format!("unknown before a model is here{free}"),
    }
}

fn of_time(plan: &RunPlan, time: &PlannedTime) -> Vec<(&'static str, String)> {
    let candidate = format!(
        "{} (merge {}), {:.0} tokens a second; {} timed, on {} of {} questions",
        spell(time.candidate_s),
        spell(time.merge_s),
        time.tokens_per_second,
        time.candidates,
        time.questions.1,
        plan.work.train_questions
    );
    let whole = if time.least_s < time.whole_s {
        format!(
            "{} to {}: racing saves between nothing and all that it can",
            spell(time.least_s),
            spell(time.whole_s)
        )
    } else {
        format!("about {}", spell(time.whole_s))
    };
    let start = format!("{} for the first merge, with what is read once", spell(time.first_merge_s));
    vec![("candidate", candidate), ("", start), ("whole run", whole)]
}

fn of_card(card: &CardEstimate) -> Vec<(&'static str, String)> {
    let fits = match (card.batch, card.resident) {
        (0, _) => {
            return vec![(
                "estimate",
                format!(
                    "{}: the weights take {:.1} GB in bf16, and with caches they do not fit into {:.0} GB",
                    card.card, card.weights_gb, card.memory_gb
                ),
            )];
        }
        (_, true) => "base, sources and merge stay there",
        (_, false) => "sources come over the bus for each merge",
    };
    vec![
        (
            "estimate",
            format!(
                "{}, by its data sheet: {} a candidate (merge {}, prompts {}, answers {})",
                card.card,
                spell(card.candidate_s),
                spell(card.merge_s),
                spell(card.prefill_s),
                spell(card.decode_s)
            ),
        ),
        (
            "",
            format!(
                "{:.1} GB of weights in {:.0} GB, {} answers at once; {fits}",
                card.weights_gb, card.memory_gb, card.batch
            ),
        ),
        (
            "",
            format!(
                "about {} for the whole run at {:.0} tokens an answer",
                spell(card.whole_s),
                card.tokens_an_answer
            ),
        ),
    ]
}

fn span(span: Span) -> String {
    match (span.least, span.most) {
        (least, most) if least == most => grouped(most),
        (least, most) => format!("{} to {}", grouped(least), grouped(most)),
    }
}

/// A number to three digits: an estimate has no more.
fn rounded(x: f64) -> u64 {
    let scale = 10f64.powf((x.max(1.0).log10().floor() - 2.0).max(0.0));
    ((x / scale).round() * scale) as u64
}

/// A whole number with commas.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A length of time in two figures' worth of words.
fn spell(seconds: f64) -> String {
    match seconds {
        s if s < 0.0005 => "under 1 ms".to_owned(),
        s if s < 0.095 => format!("{:.0} ms", s * 1000.0),
        s if s < 0.995 => format!("{s:.2} s"),
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 119.5 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.0, 7.4, 123.4, 12_345.0].map(rounded), [0, 7, 123, 12_300]);
        assert_eq!(
            [0.002, 0.54, 12.0, 600.0, 30_000.0, 200_000.0].map(spell),
            ["2 ms", "0.54 s", "12 s", "10 min", "8.3 h", "2.3 days"]
        );
    }
}

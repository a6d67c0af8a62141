//! Tests of the page, on a small session in which every text contains markup.

use super::*;
use crate::evaluate::{ImageRef, StoredQuestion};
use crate::recipe::{Method, Param, Source, Values};
use crate::session::Home;
use crate::session::journal::Journal;
use crate::session::protocol::{Answer, Candidate, Detail, Event, Origin, Score, Split, SplitScore, Target};
use crate::task::LanguageProbability;

const EVIL: &str = "<script>alert('1')</script>\"&\x1b[2J\u{202e}";

fn answer(index: usize, correct: bool) -> Answer {
    Answer {
        index,
        id: EVIL.to_owned(),
        question: format!("りんごは何個？{EVIL}"),
        images: Vec::new(),
        gold: EVIL.to_owned(),
        text: format!("答えは{index}個です。{EVIL}"),
        number: Some(EVIL.to_owned()),
        correct,
        language: "ja".to_owned(),
        p_language: LanguageProbability::Japanese(1.0),
        tokens: 9,
        lenient_correct: None,
        in_language: None,
        detail: Detail::default(),
    }
}

fn score(fitness: f64) -> Score {
    Score { fitness, acc: fitness, acc_in_language: fitness, in_language: 1.0, n: 4 }
}

fn candidate(id: u64, origin: Origin, target: Target) -> Candidate {
    Candidate { id, label: format!("c{id} {EVIL}"), origin, genome: vec![0.5], target }
}

/// An event in the form of an early journal.
fn event(json: serde_json::Value) -> Event {
    serde_json::from_value(json).unwrap()
}

/// A session of one generation. The base is right on even questions, the best candidate on odd ones.
fn journal(home: &Home, recipe: crate::recipe::Recipe) -> Journal {
    let mut journal = Journal::create(home, "evil").unwrap();
    // In the form of a journal of the first version, which must still be readable.
    let created = event(serde_json::json!({
        "event": "created", "version": 1, "name": "evil", "config": EVIL, "seed": 1,
        "genes": [{ "name": EVIL, "low": 0.0, "high": 1.0 }], "layers": 2, "train_questions": 4,
        "test_questions": 4, "budget": 8, "device": EVIL, "dtype": "f32", "language_by": EVIL,
    }));
    let stored = |index| {
        let a = answer(index, true);
        let (id, question, gold, images) = (a.id, a.question, a.gold, a.images);
        StoredQuestion { split: Split::Test, index, id, question, gold, images }
    };
    journal.begin(&created, &(0..4).map(stored).collect::<Vec<_>>(), &[]).unwrap();
    let split = |split, score| SplitScore { split, score, tasks: Vec::new() };
    let base = candidate(0, Origin::Base, Target::Model(EVIL.to_owned()));
    let scores = vec![split(Split::Train, score(0.5)), split(Split::Test, score(0.5))];
    let even: Vec<Answer> = (0..4).map(|i| answer(i, i % 2 == 0)).collect();
    let baseline = Event::Baseline { candidate: base, scores, failed: None, values: Vec::new() };
    journal.append_with(&baseline, None, 0, &[(Split::Test, &even)]).unwrap();
    let failed = candidate(1, Origin::Source, Target::Model("zoo:ja".to_owned()));
    journal
        .append(
            &Event::Baseline {
                candidate: failed,
                scores: Vec::new(),
                failed: Some(EVIL.to_owned()),
                values: Vec::new(),
            },
            None,
        )
        .unwrap();
    let best = candidate(2, Origin::Search, Target::Recipe(Box::new(recipe)));
    let candidates = vec![best];
    journal
        .append(&Event::GenerationStarted { generation: 1, sigma: 0.2, mean: vec![0.5], candidates }, None)
        .unwrap();
    journal
        .append(
            &event(serde_json::json!({
                "event": "evaluated", "id": 2, "generation": 1, "outcome": { "scored": score(0.75) },
            })),
            None,
        )
        .unwrap();
    let odd: Vec<Answer> = (0..4).map(|i| answer(i, i % 2 == 1)).collect();
    let held = event(serde_json::json!({ "event": "held_out", "id": 2, "score": score(0.625) }));
    journal.append_with(&held, None, 2, &[(Split::Test, &odd)]).unwrap();
    let finished = event(serde_json::json!({
        "event": "generation_finished", "generation": 1, "best": 2, "best_fitness": 0.75,
        "mean_fitness": 0.7, "std_fitness": 0.05, "evaluations": 1,
    }));
    journal.append(&finished, None).unwrap();
    journal
}

fn grid() -> crate::recipe::Recipe {
    let source = Source::new(EVIL).with(Param::Weight, Values::from_slice(&[0.1, 0.9, -0.2, 1.5]));
    crate::recipe::Recipe { sources: vec![source], ..crate::recipe::Recipe::new(Method::Ties, Some(EVIL)) }
}

/// Checks that all elements are closed, in the right order.
fn assert_nested(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    for part in page.split('<').skip(1) {
        let tag = part.split('>').next().unwrap_or_default();
        let name = tag.trim_start_matches('/').split([' ', '\n']).next().unwrap_or_default();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "</{name}> closes another");
        } else if !(tag.ends_with('/') || tag.starts_with('!') || name == "meta") {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

#[test]
fn nothing_that_a_model_wrote_is_markup() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path());
    let journal = journal(&home, grid());
    let file = folder.path().join("page.html");
    write(&journal.reader(), &file).unwrap();
    let page = std::fs::read_to_string(&file).unwrap();
    assert_nested(&page);
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"));
    assert!(page.chars().all(|c| c == '\n' || c == '\t' || !c.is_control() && c != '\u{202e}'));
    assert!(!page.contains("http://") && !page.contains("https://"), "nothing is loaded from elsewhere");
    for part in [
        "62.5% of 4 held-out questions",
        "2 are right and Japanese now",
        "and 2 no longer are",
        "りんごは何個",
    ] {
        assert!(page.contains(part), "{part} is missing");
    }
    // The grid's numbers, the densities that the method uses, the curve.
    for part in ["-0.20", "1.50", "density", "class=\"line best\"", "failed: &lt;script"] {
        assert!(page.contains(part), "{part} is missing");
    }
    assert_eq!(
        std::fs::read_dir(folder.path())
            .unwrap()
            .filter(|f| { f.as_ref().is_ok_and(|f| f.file_name().to_string_lossy().contains("part")) })
            .count(),
        0
    );
}

#[test]
fn a_questions_pictures_stand_in_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a\"><b>.png");
    image::RgbImage::from_pixel(4, 3, [9, 8, 7].into()).save(&path).unwrap();
    let image = |path: &std::path::Path| ImageRef { path: path.display().to_string(), width: 4, height: 3 };
    let mut out = String::new();
    pictures::draw(&[image(&path), image(&folder.path().join("<missing>.png"))], &mut out).unwrap();
    assert_nested(&out);
    assert!(out.contains("<img src=\"data:image/png;base64,iVBOR"), "{out}");
    assert!(
        out.contains("alt=\"a&quot;&gt;&lt;b&gt;.png, 4x3\" width=\"4\" height=\"3\" class=\"small\""),
        "{out}"
    );
    assert!(out.contains("&lt;missing&gt;.png: ") && out.matches("<img").count() == 1, "{out}");
}

#[test]
fn a_path_is_shown_as_a_route() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path());
    let step = |model: &str, layer, scale| crate::recipe::Step { model: model.to_owned(), layer, scale };
    let path = vec![step("a", 0, 1.0), step("b", 1, 1.3), step("a", 1, 1.0)];
    let recipe = crate::recipe::Recipe { path, ..crate::recipe::Recipe::new(Method::Passthrough, Some("a")) };
    let journal = journal(&home, recipe);
    let mut out = String::new();
    super::recipe::draw(&journal.reader().state().unwrap(), &mut out).unwrap();
    assert!(out.contains("A path of 3 layers through 2 models") && out.contains("layer 1 ×1.300"), "{out}");
}

#[test]
fn stages_have_borders_and_winners() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path());
    let mut journal = journal(&home, grid());
    let next = |id| candidate(id, Origin::Search, Target::Recipe(Box::new(grid())));
    let won = crate::recipe::Recipe { name: Some("stage:1".to_owned()), ..grid() };
    for event in [
        event(serde_json::json!({
            "event": "stage_started", "stage": 2, "name": "b", "genes": [], "winner": 2, "recipe": won,
        })),
        Event::GenerationStarted {
            generation: 2,
            sigma: 0.2,
            mean: Vec::new(),
            candidates: vec![next(3), next(4)],
        },
        event(serde_json::json!({
            "event": "evaluated", "id": 3, "generation": 2, "outcome": { "scored": score(0.5) },
        })),
        event(serde_json::json!({
            "event": "evaluated", "id": 4, "generation": 2, "outcome": { "scored": score(0.625) },
        })),
        event(serde_json::json!({
            "event": "generation_finished", "generation": 2, "best": 2, "best_fitness": 0.75,
            "mean_fitness": 0.56, "std_fitness": 0.06, "evaluations": 3,
        })),
    ] {
        journal.append(&event, None).unwrap();
    }
    let mut state = journal.reader().state().unwrap();
    state.stages = vec![EVIL.to_owned(), "paths".to_owned(), "later".to_owned()];
    let page = page(&state, &journal.reader()).unwrap();
    assert_nested(&page);
    assert!(!page.contains("<script") && page.contains("class=\"border\""));
    for part in [
        // One evaluation, the winner with its held-out score, and the name by which later stages use it.
        "<td>1</td><td class=\"name\">c2 ",
        "<td>0.750</td><td>62.5</td><td class=\"name\">a model of the pool: stage:1</td>",
        // The current stage: the better of its two candidates, although the first stage's winner has a higher score.
        "<td>2</td><td class=\"name\">c4 ",
        "<td>0.625</td>",
        "to come",
        "The winner of stage 1",
    ] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
}

#[test]
fn a_file_that_cannot_be_written_has_its_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path());
    let journal = journal(&home, grid());
    let why = write(&journal.reader(), &folder.path().join("none/page.html")).unwrap_err().to_string();
    assert!(why.contains("none/page.html can't be written"), "{why}");
}

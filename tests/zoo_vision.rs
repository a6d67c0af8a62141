//! The bundled models about pictures: the VLM says what it says in transformers, and a merge with the Japanese model of
//! texts answers in Japanese, which neither of them and no global weighting does.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::atomic::AtomicBool;

use yosegi::evaluate::{EvalRequest, EvalSetup, Evaluator, SplitQuestions, SplitResult, Target, TaskSpec};
use yosegi::recipe::Recipe;
use yosegi::session::protocol::Split;

/// Answers to the first held-out questions.
fn ask(target: &Target, questions: usize) -> SplitResult {
    let setup = EvalSetup::of_tasks(vec![TaskSpec::whole("zoo-vision")], "cpu", 1);
    let ask = [SplitQuestions { split: Split::Test, questions: (0..questions).collect() }];
    let request = EvalRequest { setup: &setup, target, ask: &ask, watch: &[], decoding: None };
    let mut evaluator = Evaluator::default();
    let (mut found, cost) = evaluator.evaluate(&request, &|_| (), &AtomicBool::new(false)).unwrap();
    assert_eq!(cost.pictures, questions as u64, "every question has a picture of its own");
    found.remove(0)
}

fn both(found: &SplitResult) -> f64 {
    let right = found.answers.iter().filter(|answer| answer.correct && answer.in_language == Some(true));
    right.count() as f64 / found.answers.len() as f64
}

#[test]
fn the_bundled_vlm_says_what_transformers_says() {
    let expected: Vec<String> = serde_json::from_str(include_str!("golden/zoo/vision.json")).unwrap();
    assert!(expected.len() >= 30);
    let found = ask(&Target::Model("zoo:vlm".to_owned()), expected.len());
    let said: Vec<&str> = found.answers.iter().map(|answer| answer.text.trim()).collect();
    let expected: Vec<&str> = expected.iter().map(|text| text.trim()).collect();
    assert_eq!(said, expected);
    assert!(found.score.acc > 0.4, "it sees: {:?}", found.score);
    assert!(
        both(&found) == 0.0 && found.answers.iter().all(|a| a.in_language == Some(false)),
        "and answers in English: {:?}",
        found.score
    );
}

#[test]
fn a_merge_of_both_answers_in_japanese_and_global_weights_hardly_do() {
    let recipe = |text: &str| Target::Recipe(Box::new(Recipe::from_toml(text, "recipe").unwrap()));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/recipes/zoo-vision.toml");
    let layers = ask(&recipe(&std::fs::read_to_string(path).unwrap()), 100);
    let global = |weight: f64| {
        let sources =
            ["zoo:vlm", "zoo:vlm-ja"].map(|m| format!("{{ model = '{m}', weight = {weight} }}")).join(", ");
        recipe(&format!("method = 'task_arithmetic'\nbase = 'zoo:vlm-base'\nsource = [{sources}]\n"))
    };
    let (half, most) = (ask(&global(0.5), 100), ask(&global(0.7), 100));
    let (layers, best) = (both(&layers), both(&half).max(both(&most)));
    assert!(layers >= best + 0.1 && layers > 0.3, "{layers} against {best}");
}

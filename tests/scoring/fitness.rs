//! Fitness expressions: what they mean and the sentence for each mistake.

use super::*;

#[test]
fn fitness_expressions() {
    let means = Means { both: 0.5, correct: 0.75, in_language: 0.25, ..Means::default() };
    let close = |expression: &str, value: f64| {
        let got = Fitness::parse(expression).unwrap().eval(&means);
        assert!((got - value).abs() < 1e-12, "{expression}: {got}");
    };
    close("both + 0.05 * correct + 0.02 * japanese", 0.5425);
    close("acc_ja", 0.5);
    close("acc", 0.75);
    close("1 - 2 * -(both - .25) / 2", 1.25);
    close("2 - 1 - 1", 0.0);
    close("8 / 2 / 2", 2.0);
    close("max(both, min(correct, 0.6))", 0.6);
    assert!(Fitness::parse("both / 0").unwrap().eval(&means).is_infinite());
    for (expression, words) in [
        ("booth", "unknown name \"booth\", did you mean \"both\"?"),
        ("japan", "did you mean \"japanese\"?"),
        ("both +", "character 7: expected a number, a name or a bracket here"),
        ("both correct", "character 6: expected an operator here"),
        ("(both", "character 6: expected ')' here"),
        ("1.2.3", "character 1: this is not a number"),
        ("", "character 1: expected"),
        ("min(both)", "character 9: expected ',' here"),
    ] {
        let error = Fitness::parse(expression).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    assert!(Fitness::parse(&"(".repeat(100_000)).is_err());
    assert!(Fitness::parse(&"-".repeat(100_000)).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_answer_breaks_a_scorer(
        text in prop_oneof![any::<String>(), "[0-9０-９一十百千万億.,，/⁄()（）$¥+−-マイナス個円です。 \n]{0,24}"],
        gold in "-?[0-9]{1,6}",
    ) {
        for task in [shared("number"), shared("number_lenient")] {
            let verdict = task.score(&question(&gold), &text);
            prop_assert!((0.0..=1.0).contains(&verdict.p_language.value()));
            prop_assert_eq!(verdict.in_language, verdict.p_language.value() > 0.5);
            prop_assert_eq!(verdict.number.is_some(), verdict.value.is_some());
            prop_assert!(verdict.number.is_some() || !verdict.correct);
        }
        // A bare number is read alike by both.
        let bare = shared("number_lenient").score(&question(&gold), &gold);
        prop_assert!(bare.correct && bare.lenient_correct);
    }
}

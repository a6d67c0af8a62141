//! Verdicts, ROUGE, words and languages, against what the Python references say.

use super::*;

#[derive(Deserialize)]
struct Row {
    gold: String,
    reference: String,
    text: String,
    number: Option<String>,
    value: serde_json::Value,
    correct: bool,
    language: String,
    p_ja: f64,
    whole: Option<f64>,
    reference_words: String,
    words: String,
    rouge: [f64; 3],
    em: f64,
    f1: f64,
}

/// Figures over all answers.
#[derive(Deserialize)]
struct Totals {
    rouge: [f64; 3],
    rouge_ja: [f64; 3],
}

fn golden() -> (Vec<Row>, Totals) {
    let packed: &[u8] = include_bytes!("../golden/scoring/answers.jsonl.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    let (rows, totals) = text.rsplit_once('\n').unwrap();
    let rows = rows.split('\n').map(|l| serde_json::from_str(l).unwrap()).collect();
    (rows, serde_json::from_str(totals).unwrap())
}

fn split(words: &str) -> Vec<String> {
    words.split(' ').filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

fn three(found: Rouge) -> [f64; 3] {
    [found.rouge1, found.rouge2, found.rouge_l]
}

#[test]
fn reference_scorer_agrees_with_python() {
    let task = task("number");
    assert_eq!(task.language_by(), "lid.176");
    let (rows, _) = golden();
    assert!(rows.len() >= 2000);
    let (mut wrong, mut farthest) = (Vec::new(), 0f64);
    for row in &rows {
        let verdict = task.score(&question(&row.gold), &row.text);
        let value = row.value.as_f64().or((row.value == "inf").then_some(f64::INFINITY));
        let same = verdict.number == row.number
            && verdict.value == value
            && verdict.correct == row.correct
            && verdict.language == row.language
            && verdict.in_language == (row.p_ja > 0.5)
            && (verdict.p_language.value() - row.p_ja).abs() <= 1e-3;
        farthest = farthest.max((verdict.p_language.value() - row.p_ja).abs());
        if !same {
            wrong.push(format!(
                "{:?}: {verdict:?}, reference {:?} {:?} {} {}",
                row.text, row.number, value, row.language, row.p_ja
            ));
        }
    }
    println!("{} answers, P(ja) at most {farthest:.1e} apart", rows.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn the_harness_rule_agrees_with_python() {
    let task = task("mgsm");
    for row in golden().0 {
        let verdict = task.score(&question(&row.gold), &row.text);
        assert_eq!(verdict.value, row.whole, "{:?}", row.text);
        let gold: f64 = row.gold.replace(',', "").parse().unwrap();
        assert_eq!(verdict.correct, row.whole == Some(gold), "{:?}", row.text);
    }
}

/// Over the reference's own words, so that it needs no dictionary.
#[test]
fn rouge_agrees_with_python() {
    let (rows, totals) = golden();
    let detector = Detector::shared();
    let (mut all, mut strict) = (Vec::new(), Vec::new());
    for row in &rows {
        let found = three(rouge(&split(&row.reference_words), &split(&row.words)));
        for (ours, theirs) in found.iter().zip(row.rouge) {
            assert!((ours - theirs).abs() < 1e-12, "{:?}: {found:?}, reference {:?}", row.text, row.rouge);
        }
        let japanese = |text: &str| detector.detect(text).p_language >= 0.5;
        strict.push(if japanese(&row.reference) && !japanese(&row.text) { [0.0; 3] } else { found });
        all.push(found);
    }
    for (scores, reference) in [(&all, totals.rouge), (&strict, totals.rouge_ja)] {
        let of = |kind: usize| scores.iter().map(|s| s[kind]).collect::<Vec<f64>>();
        let found = bootstrap_medians(&[&of(0), &of(1), &of(2)]);
        for (ours, theirs) in found.iter().zip(reference) {
            assert!((ours - theirs).abs() < 1e-9, "{found:?}, reference {reference:?}");
        }
    }
}

#[test]
fn segmentation_agrees_with_mecab() {
    let Some(folder) = std::env::var_os("YOSEGI_MECAB_DICT") else {
        println!("skipped: YOSEGI_MECAB_DICT names no dictionary");
        return;
    };
    let segmenter = Segmenter::open(Path::new(&folder)).unwrap();
    let mut wrong = Vec::new();
    for row in golden().0 {
        for (text, words) in [(&row.text, &row.words), (&row.reference, &row.reference_words)] {
            let ours = segmenter.words(text).join(" ");
            if ours != *words {
                wrong.push(format!("{text:?}\n  {ours}\n  {words}"));
            }
        }
        let found = squad(&[&row.reference], &row.text, &segmenter);
        assert_eq!(found.exact_match > 0.5, row.em > 0.5, "{:?}", row.text);
        assert!((found.f1 - row.f1).abs() < 1e-12, "{:?}: {} {}", row.text, found.f1, row.f1);
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn reference_quirks() {
    let task = task("number");
    let cases = [
        ("1,234円", Some("234"), 234.0),
        ("-5", Some("5"), 5.0),
        ("18ドル(1ヶ月)", Some("1"), 1.0),
        ("3/4", Some("4"), 4.0),
        ("1万2000", Some("2000"), 2000.0),
        ("１８", Some("１８"), 18.0),
        ("十八", None, 0.0),
        ("わかりません", None, 0.0),
        ("", None, 0.0),
    ];
    for (text, number, value) in cases {
        let verdict = task.score(&question("7"), text);
        assert_eq!(verdict.number.as_deref(), number, "{text}");
        assert_eq!(verdict.value, number.map(|_| value), "{text}");
        assert!(!verdict.correct, "{text}");
    }
    assert!(task.score(&question("1,234"), "1234").correct);
}

#[test]
fn lenient_scorer_reads_as_a_person_would() {
    let task = task("number_lenient");
    assert_eq!(task.scorer, Scorer::NumberLenient);
    let cases = [
        ("1,234円", 1234.0),
        ("１２，３４５円", 12345.0),
        ("1,234,567", 1_234_567.0),
        ("-5", -5.0),
        ("気温は−5度", -5.0),
        ("マイナス5度", -5.0),
        ("-$5", -5.0),
        ("10-5=5", 5.0),
        ("10 - 5", 5.0),
        ("(10)-5", 5.0),
        ("- 18個", 18.0),
        ("18ドル(1ヶ月)", 18.0),
        ("18ドル（1ヶ月）です。", 18.0),
        ("3個あります。(答えは18個)", 18.0),
        ("3/4", 0.75),
        ("½", 0.5),
        ("2024/5/1", 1.0),
        ("5/0", 0.0),
        ("1万2000", 12000.0),
        ("1万2,000円", 12000.0),
        ("3億5000万円", 350_000_000.0),
        ("1.5万円", 15000.0),
        ("2千5百", 2500.0),
        ("答えは十八個です。", 18.0),
        ("答えは二〇二四年", 2024.0),
        ("千五百円", 1500.0),
        ("一万二千", 12000.0),
        ("百二十三です", 123.0),
        ("答えは18です。これが一つの方法です。", 18.0),
        ("答えは18です。もう十分に考えました。", 18.0),
        ("答えは九", 9.0),
        ("一緒に十八歩歩いて、答えは20です", 20.0),
        ("第三十二回では18", 18.0),
        ("①", 1.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("18.50ドル", 18.5),
        ("100,20", 20.0),
    ];
    for (text, value) in cases {
        assert_eq!(task.score(&question("7"), text).value, Some(value), "{text}");
    }
    for text in
        ["", "わかりません", "一緒に遊ぶ", "統一された", "万が一", "...", "-", "(", "))((", "マイナス", "/"]
    {
        assert_eq!(task.score(&question("7"), text).value, None, "{text}");
    }
    assert!(task.score(&question("0.3"), "0.30000000000000004").correct);
}

#[test]
fn both_scorers_stand_side_by_side() {
    let verdict = task("number").score(&question("1,234"), "合計は1,234円です。");
    assert!(!verdict.correct && verdict.lenient_correct);
    let verdict = task("number").score(&question("5"), "-5");
    assert!(verdict.correct && !verdict.lenient_correct);
}

#[test]
fn language_falls_back_to_letters_and_says_so() {
    let detector = Detector::from_model(b"not a model");
    assert_eq!(detector.name(), "share of kana and kanji");
    for (text, japanese) in [
        ("答えは18個です。", true),
        ("The answer is 18.", false),
        ("答案是18。", false),
        ("答えは18です。", true),
        ("So the answer is 答え", false),
        ("18", false),
        ("", false),
    ] {
        let language = detector.detect(text);
        assert_eq!(language.p_language > 0.5, japanese, "{text}");
        assert_eq!(language.code == "ja", japanese, "{text}");
    }
    let mut cut = include_bytes!("../../zoo/lid/lid.176.ftz").to_vec();
    for length in [0, 3, 60, 1000, 500_000, cut.len() - 1] {
        cut.truncate(length.min(cut.len()));
        assert_eq!(Detector::from_model(&cut).name(), "share of kana and kanji");
    }
}

//! The built-in tasks and suites, on published data or on small files of the same shape.

use super::*;

#[test]
fn each_mgsm_language_runs() {
    let Some(data) = published() else { return };
    let places = Places { data, hub: nowhere() };
    let answers = [
        ("bn", "সুতরাং উত্তর হল 18 ডলার।"),
        ("de", "Die Antwort lautet also 18 Dollar, denn 9 mal 2 ist 18."),
        ("en", "She sells nine eggs, so the answer is 18."),
        ("es", "Por lo tanto, la respuesta es 18 dólares cada día: 18"),
        ("fr", "Elle gagne donc chaque jour au marché 18 dollars : 18"),
        ("ja", "したがって、答えは18ドルです。"),
        ("ru", "Поэтому ответ на эту задачу: 18"),
        (
            "sw",
            "Kwa hiyo, Janet anapata dola nyingi kila siku katika soko la wakulima kwa kuuza mayai yake. Jibu ni 18.",
        ),
        ("te", "కాబట్టి సమాధానం 18 డాలర్లు"),
        ("th", "ดังนั้นคำตอบคือ 18 ดอลลาร์"),
        ("zh", "因此她每天在市场上赚的钱是 18"),
    ];
    for (code, answer) in answers {
        let task = Task::load_splits(&format!("mgsm_{code}"), &[Split::Test], &places).unwrap();
        assert_eq!((task.test.len(), task.language.as_deref()), (250, Some(code)));
        assert!(task.prompt(&task.test[0]).unwrap().contains(&task.test[0].question));
        let right = task.score(&task.test[0], answer);
        assert!(right.correct && right.language == code, "{code}: {right:?}");
        // The small model is seldom sure of Swahili.
        assert!(right.in_language || code == "sw", "{code}: {right:?}");
        let other = if code == "en" {
            "したがって、答えは18ドルです。"
        } else {
            "So the answer must be 18."
        };
        let wrong = task.score(&task.test[0], other);
        assert!(wrong.correct && !wrong.in_language, "{code}: {wrong:?}");
    }
    let english = Task::load_splits("mgsm_en", &[Split::Train, Split::Test], &places).unwrap();
    assert_eq!(english.train.len(), 1069);
    let gsm8k = Task::load_splits("gsm8k", &[Split::Train, Split::Test], &places).unwrap();
    assert_eq!((gsm8k.train.len(), gsm8k.test.len()), (7473, 1319));
    assert_eq!(gsm8k.examples(&gsm8k.test[0]).count(), 5);
    assert!(gsm8k.prompt(&gsm8k.test[0]).unwrap().matches("####").count() == 5);
    assert_eq!(gsm8k.score(&gsm8k.test[0], "16-3-4=9, 9*2=18\n#### 18").detail.span, Some((22, 24)));
}

/// Rows of the published shapes of the data that can't be had here.
fn small_data(bench: &Bench) {
    let review = |i: usize| {
        let label = if [0, 3, 6, 9, 12].contains(&i) { "negative" } else { "positive" };
        format!("{{\"review_id\":\"R{i}\",\"sentence\":\"品物{i}は届きました。\",\"label\":\"{label}\"}}\n")
    };
    bench.write("data/marc_ja/train-v1.0.json", (0..9).map(review).collect::<String>());
    bench.write("data/marc_ja/valid-v1.0.json", (9..15).map(review).collect::<String>());
    let quiz = |i: usize| {
        serde_json::json!({
            "qid": format!("Q{i}"), "question": format!("{i}番目の月は?"),
            "answers": { "text": [format!("{i}月"), format!("第{i}の月")], "answer_start": [0, 0] },
            "ctxs": {
                "title": ["a", "b", "c", "d", "e", "f"],
                "text": [format!("{i}月のこと"), "二", "三", "四", "五", "六つめ"],
                "has_answer": [true, false, false, false, false, false],
            },
        })
        .to_string()
            + "\n"
    };
    bench.write("data/jaqket_v2/train.jsonl", (1..4).map(quiz).collect::<String>());
    bench.write("data/jaqket_v2/validation.jsonl", (4..7).map(quiz).collect::<String>());
    let news = |i: usize| {
        serde_json::json!({ "id": i, "title": "題", "text": format!("記事{i}の本文。"), "summary": format!("要約{i}") })
            .to_string()
            + "\n"
    };
    bench.write("data/xlsum_ja/train.jsonl", (1..4).map(news).collect::<String>());
    bench.write("data/xlsum_ja/test.jsonl", (4..7).map(news).collect::<String>());
    let solved: Vec<String> = (0..8)
        .map(|i| format!("問題：りんご{i}個は？\tステップごとの答え：りんごは{i}個です。答えは{i}です。\n"))
        .collect();
    bench.write("data/mgsm/mgsm_ja_train.tsv", solved.concat());
    bench.write("data/mgsm/mgsm_ja.tsv", "みかん3個は？\t3\nみかん1,002個は？\t1,002\n");
}

#[test]
fn tasks_without_published_data_here_read_small_files_of_the_same_shape() {
    let bench = Bench::new();
    small_data(&bench);
    let load = |name: &str, splits: &[Split]| Task::load_splits(name, splits, &bench.places()).unwrap();
    let both = [Split::Train, Split::Test];
    for version in ["0.2", "0.3"] {
        let marc = load(&format!("marc_ja-1.1-{version}"), &both);
        assert_eq!((marc.train.len(), marc.test.len(), marc.kind), (9, 6, Kind::Choice));
        assert_eq!(marc.test[0].gold_choice, Some(1));
        assert_eq!(marc.metrics[0], Metric::BalancedAcc);
        assert_eq!(marc.examples(&marc.test[0]).count(), 3);
        let jaqket = load(&format!("jaqket_v2-0.2-{version}"), &both);
        let prompt = jaqket.prompt(&jaqket.test[0]).unwrap();
        assert!(prompt.contains("4月のこと\n二\n三\n四\n五\n質問") && !prompt.contains("六つめ"), "{prompt}");
        assert_eq!(jaqket.test[0].golds, ["4月", "第4の月"]);
        let verdict = jaqket.score(&jaqket.test[0], "第4の月");
        assert!(verdict.correct && verdict.detail.metrics["f1"] > 0.99);
        let tokens = |text: &str| Ok::<_, ()>(text.chars().count());
        assert_eq!(jaqket.most_tokens(&jaqket.test[0], tokens), Ok(4));
    }
    for version in ["0.0", "0.3"] {
        let xlsum = load(&format!("xlsum_ja-1.0-{version}"), &both);
        assert_eq!(xlsum.most_tokens(&xlsum.test[0], |t| Ok::<_, ()>(t.chars().count())), Ok(13));
        assert!(xlsum.score(&xlsum.test[0], "要約4").detail.metrics["rouge2"] > 0.99);
        let mgsm = load(&format!("mgsm-1.0-{version}"), &[Split::Test]);
        let prompt = mgsm.prompt(&mgsm.test[0]).unwrap();
        assert_eq!(prompt.matches("です。答えは").count(), 5);
        assert_eq!(prompt.matches("問題：").count(), if version == "0.0" { 6 } else { 0 });
        for (answer, correct) in [
            ("答えは1,002です。", true),
            ("1002.", true),
            ("1002.5", false),
            ("-1002", false),
            ("１００２", false),
        ] {
            assert_eq!(mgsm.score(&mgsm.test[1], answer).correct, correct, "{answer}");
        }
    }
    assert_eq!(load("marc_ja-1.1-0.3", &[Split::Test]).test[0].choices, ["ポジティブ", "ネガティブ"]);
}

#[test]
fn the_japanese_suites_tasks_run_on_published_data() {
    let Some(data) = published() else { return };
    let places = Places { data, hub: nowhere() };
    for suite in ["ja8", "ja8-0.2"] {
        for name in Suite::load(suite).unwrap().tasks {
            match Task::load_splits(&name, &[Split::Test], &places) {
                Ok(task) => {
                    let prompt = task.prompt(&task.test[0]).unwrap();
                    println!("{name}: {} questions, prompt of {} characters", task.test.len(), prompt.len());
                    assert!(task.test.len() >= 900, "{name}");
                }
                Err(error) => assert!(error.to_string().contains("put it at"), "{name}: {error}"),
            }
        }
    }
    // Three of each relation would be one of each: stratified examples are.
    let jnli = Task::load_splits("jnli-1.3-0.3", &[Split::Test], &places).unwrap();
    for question in jnli.test.iter().take(50) {
        let mut answers: Vec<&str> = jnli.examples(question).map(|e| e.answer.as_str()).collect();
        answers.sort_unstable();
        assert_eq!(answers, ["中立", "含意", "矛盾"]);
    }
    let squad = Task::load_splits("jsquad-1.1-0.2", &[Split::Test], &places).unwrap();
    assert_eq!(squad.examples(&squad.test[0]).count(), 2);
    assert!(squad.test[0].golds.len() > 1 && squad.prompt(&squad.test[0]).unwrap().ends_with("\n回答:"));
}

#[test]
fn built_in_tasks_load_or_say_what_to_put_where() {
    let places = Places { data: nowhere(), hub: nowhere() };
    for name in BUILTIN {
        match Task::load_splits(name, &[Split::Test], &places) {
            Ok(task) => assert!(["zoo", "zoo-vision"].contains(&task.name.as_str()), "{}", task.name),
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains("put it at /nowhere/") && !error.contains('\n'), "{error}");
            }
        }
    }
    for name in SUITES {
        let suite = Suite::load(name).unwrap();
        assert!(suite.tasks.len() >= 8 && suite.tasks.iter().all(|t| BUILTIN.contains(&t.as_str())));
    }
    let error = Suite::load("ja9").unwrap_err().to_string();
    assert!(error.contains("no built-in suite \"ja9\"") && error.contains("did you mean \"ja8\""), "{error}");
    let error = Task::load_splits("mgsm_de", &[Split::Train], &places).unwrap_err().to_string();
    assert_eq!(
        error,
        "<mgsm_de.toml> has no [train] questions: add a [train] section that says where they come from"
    );
}

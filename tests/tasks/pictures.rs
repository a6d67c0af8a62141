//! Tasks about pictures: where their data have the pictures, what a prompt has of them, and how answers are scored.
//!
//! Fixtures: `tests/golden/vqa/make.py` and what it wrote.

use super::*;
use yosegi::picture::PictureSource;

/// What the published evaluation says of the answers `said`.
#[derive(Deserialize)]
struct Golden {
    said: Vec<String>,
    vqa: HashMap<String, f64>,
    wild: HashMap<String, f64>,
}

fn vqa(file: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/vqa").join(file)).unwrap()
}

fn png() -> Vec<u8> {
    let mut out = std::io::Cursor::new(Vec::new());
    let picture = image::RgbImage::from_fn(3, 2, |x, y| image::Rgb([7, 90 * x as u8, 90 * y as u8]));
    picture.write_to(&mut out, image::ImageFormat::Png).unwrap();
    out.into_inner()
}

fn digests(question: &Question) -> Vec<String> {
    question.images.iter().map(|image| image.digest().unwrap()).collect()
}

#[test]
fn the_papers_picture_tasks_read_the_hubs_files_and_score_as_published() {
    let bench = Bench::new();
    let golden: Golden = serde_json::from_slice(&vqa("answers.json")).unwrap();
    for (set, file) in [("JA-VG-VQA-500", "vqa.parquet"), ("JA-VLM-Bench-In-the-Wild", "wild.parquet")] {
        let root = format!("hub/datasets--SakanaAI--{set}");
        bench.write(&format!("{root}/refs/main"), "abc");
        bench.write(&format!("{root}/snapshots/abc/data/test-00000-of-00001-0a1b.parquet"), vqa(file));
    }
    for (name, figures, n) in
        [("ja_vg_vqa_500", &golden.vqa, 30), ("ja_vlm_bench_in_the_wild", &golden.wild, 8)]
    {
        let task = Task::load_splits(name, &[Split::Test], &bench.places()).unwrap();
        assert_eq!((task.test.len(), task.language.as_deref()), (n, Some("ja")), "{name}");
        assert_eq!((task.decoding.num_beams, task.length.clone()), (5, Length::Tokens(512)));
        assert!((task.decoding.repetition_penalty - 1.5).abs() < 1e-6);
        let prompt = task.prompt(&task.test[1]).unwrap();
        assert_eq!(
            prompt,
            "[INST] <<SYS>>\nあなたは役立つ、偏見がなく、検閲されていないアシスタントです。与えられた画像を下に、質問に答えてください。\n\
             <</SYS>>\n\n<image>\n画像1には何が写っていますか? [/INST]"
        );
        for question in &task.test {
            assert_eq!(question.images.len(), 1);
            assert!(matches!(question.images[0], PictureSource::Bytes { .. }));
            assert_eq!(question.images[0].check().unwrap(), (19, 13));
            assert!(!question.row.contains_key("image"), "bytes are no variable of the template");
        }
        // Without a dictionary, words are runs of one class of characters, as the script cuts them.
        if task.label(Metric::RougeL) == "rougeL (char-class)" {
            let verdicts: Vec<Verdict> =
                task.test.iter().zip(&golden.said).map(|(q, said)| task.score(q, said)).collect();
            let judged: Vec<_> = task.test.iter().zip(&verdicts).collect();
            let means = task.means(&judged);
            for (metric, figure) in figures {
                assert!((means.metrics[metric] - figure).abs() < 1e-9, "{name}, {metric}: {means:?}");
            }
            assert!((means.score - figures["rougeL"]).abs() < 1e-9);
        }
    }
}

const TASK: &str = "name = 'p'\nimage = 'image'\nprompt = \"<image>\\n{{ question }}\"\nmax_new_tokens = 4\n\
    scorer = 'exact_match'\n[test]\ndata = 'DATA'\n";

#[test]
fn a_path_a_url_and_bytes_are_the_same_picture() {
    use base64::Engine as _;
    let bench = Bench::new();
    let png = png();
    bench.write("far/a b.png", &png);
    let url = format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(&png));
    let row = |image: &serde_json::Value| {
        serde_json::json!({ "question": "?", "answer": "x", "image": image }).to_string() + "\n"
    };
    let one = |image: serde_json::Value| row(&image);
    bench.write("far/path.jsonl", one("a b.png".into()));
    bench.write("far/url.jsonl", one(url.clone().into()));
    bench.write("far/struct.jsonl", one(serde_json::json!({ "bytes": null, "path": "a b.png" })));
    bench.write("far/t.csv", "question,answer,image\n?,x,a b.png\n");
    let mut found = Vec::new();
    for data in ["far/path.jsonl", "far/url.jsonl", "far/struct.jsonl", "far/t.csv"] {
        let more = if data.ends_with("csv") { "columns = { question = 'question' }\n" } else { "" };
        let task = bench.load(&(TASK.replace("DATA", data) + more), &[Split::Test]).unwrap();
        found.push(digests(&task.test[0]));
        assert_eq!(task.prompt(&task.test[0]).unwrap(), "<image>\n?");
    }
    assert!(found.iter().all(|one| one.len() == 1 && *one == found[0]), "{found:?}");

    // Several pictures a question, of one column or of two, and examples with pictures of their own.
    bench.write("far/list.jsonl", one(serde_json::json!(["a b.png", url, "a b.png"])));
    let several = TASK.replace("DATA", "far/list.jsonl").replace("<image>", "{{ '<image> ' * images }}");
    let task = bench.load(&several, &[Split::Test]).unwrap();
    assert_eq!(task.prompt(&task.test[0]).unwrap(), "<image> <image> <image> \n?");
    bench.write(
        "far/two.jsonl",
        "{\"question\":\"?\",\"answer\":\"x\",\"a\":\"a b.png\",\"b\":null}\n\
         {\"question\":\"??\",\"answer\":\"x\",\"a\":\"a b.png\",\"b\":\"a b.png\"}\n",
    );
    let two = TASK
        .replace("DATA", "far/two.jsonl")
        .replace("image = 'image'", "image = ['a', 'b']")
        .replace("<image>", "{% for i in range(images) %}<image>{% endfor %}");
    let task = bench.load(&two, &[Split::Test]).unwrap();
    assert_eq!(task.test.iter().map(|q| q.images.len()).collect::<Vec<_>>(), [1, 2]);
    let shots = TASK.replace("DATA", "far/path.jsonl")
        + "[shots]\ncount = 1\ndata = 'far/url.jsonl'\nseparator = '|'\ndraw = 'first'\n";
    let task = bench.load(&shots, &[Split::Test]).unwrap();
    assert_eq!(task.prompt(&task.test[0]).unwrap(), "<image>\n?x|<image>\n?");
    assert_eq!(task.images(&task.test[0]).count(), 2);
}

#[test]
fn pictures_and_marks_that_do_not_go_together_have_their_sentence() {
    let bench = Bench::new();
    bench.write("a.png", png());
    let row = |question: &str, image: serde_json::Value| {
        serde_json::json!({ "id": "q7", "question": question, "answer": "x", "image": image }).to_string()
            + "\n"
    };
    for (name, text) in [
        ("good", row("?", "a.png".into())),
        ("none", row("?", serde_json::Value::Null)),
        ("two", row("?", serde_json::json!(["a.png", "a.png"]))),
        ("smuggled", row("what of <image> here?", "a.png".into())),
        ("number", row("?", 7.into())),
        ("far", row("?", "https://example.org/a.png".into())),
        ("lacks", "{\"question\":\"?\",\"answer\":\"x\",\"imge\":\"a.png\"}\n".to_owned()),
    ] {
        bench.write(&format!("{name}.jsonl"), text);
    }
    let good = TASK.replace("DATA", "good.jsonl");
    assert!(bench.load(&good, &[Split::Test]).is_ok());
    let data = |name: &str| TASK.replace("DATA", &format!("{name}.jsonl"));
    for (toml, words) in [
        (data("none"), "question q7: its prompt has `<image>` 1 time and the data has 0 pictures"),
        (data("two"), "question q7: its prompt has `<image>` 1 time and the data has 2 pictures"),
        (data("smuggled"), "p, question q7: its own text holds `<image>`"),
        (data("number"), "number.jsonl, line 1: the picture is a number"),
        (data("far"), "far.jsonl, line 1: https://example.org/a.png: pictures are not fetched"),
        (data("lacks"), "lacks.jsonl, line 1: there is no column \"image\", did you mean \"imge\""),
        (good.replace("image = 'image'\n", ""), "prompt has `<image>` and no column has the pictures"),
        (good.replace("image = 'image'", "image = 0"), "image names column 0"),
        (good.replace("image =", "imag ="), "unknown key \"imag\", did you mean \"image\"?"),
    ] {
        let error = bench.load(&toml, &[Split::Test]).unwrap_err();
        assert!(error.contains(words) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn the_same_words_about_another_picture_are_another_question() {
    let bench = Bench::new();
    let png = png();
    bench.write("a.png", &png);
    bench.write("same.png", &png);
    let mut other = png;
    other.extend_from_slice(b"more");
    bench.write("other.png", other);
    let row = |image: &str| format!("{{\"question\":\"?\",\"answer\":\"x\",\"image\":\"{image}\"}}\n");
    bench.write("train.jsonl", row("a.png"));
    let task = TASK.replace("DATA", "test.jsonl") + "[train]\ndata = 'train.jsonl'\n";
    bench.write("test.jsonl", row("other.png"));
    let both = [Split::Train, Split::Test];
    let path = bench.0.path().join("task.toml");
    let reference = path.to_str().unwrap();
    let loaded = bench.load(&task, &both).unwrap();
    let prints = loaded.fingerprints(reference, 1, 1).unwrap();
    bench.write("test.jsonl", row("same.png"));
    assert!(bench.load(&task, &both).unwrap_err().contains("1 question(s) stand in both train and test"));
    // A session whose pictures have changed is not resumed.
    bench.write("test.jsonl", row("other.png"));
    bench.write("a.png", b"changed");
    let changed = bench.load(&task, &both).unwrap().fingerprints(reference, 1, 1).unwrap();
    let differ: Vec<bool> = prints.iter().zip(&changed).map(|(a, b)| a.hash != b.hash).collect();
    assert_eq!(differ[..3], [false, true, false], "{prints:?} {changed:?}");
}

const FACTS: &str = "name = 'f'\nprompt = '{{ question }}'\nmax_new_tokens = 9\nscorer = 'facts'\nlanguage = 'ja'\n\
    [facts]\nwords = [['red', '赤'], ['blue', '青'], ['left', '左']]\n[test]\ndata = 'facts.jsonl'\n";

#[test]
fn facts_are_right_all_together_in_order_and_in_the_language() {
    let bench = Bench::new();
    let row = |facts: &str| format!("{{\"question\":\"?\",\"answer\":\"赤いりんご\",\"facts\":{facts}}}\n");
    bench.write("facts.jsonl", row("[\"red\",[\"apple\",\"りんご\"]]"));
    let task = bench.load(FACTS, &[Split::Test]).unwrap();
    assert_eq!(task.metrics, [Metric::Acc, Metric::Facts]);
    let q = &task.test[0];
    for (said, right, japanese, share) in [
        ("これは赤いりんごです。", true, true, 1.0),
        ("This is a red apple.", true, false, 0.0),
        ("これは青いりんごです。", false, true, 0.5),
        ("赤い赤いりんごがあります。", false, true, 2.0 / 3.0),
        ("これはりんごで、色は赤です。", false, true, 0.5),
        ("わかりません。", false, true, 0.0),
    ] {
        let verdict = task.score(q, said);
        assert_eq!((verdict.correct, verdict.in_language), (right, japanese), "{said}: {verdict:?}");
        assert!((verdict.metrics["facts"] - share).abs() < 1e-12, "{said}: {verdict:?}");
    }
    assert_eq!(task.score(q, "青いりんごです。").number.as_deref(), Some("blue, apple"));

    for (toml, data, words) in [
        (FACTS.to_owned(), row("\"red\""), "the facts are no list of words"),
        (FACTS.to_owned(), row("[[\"red\",\"青\"]]"), "spellings of more than one fact"),
        (FACTS.to_owned(), "{\"question\":\"?\",\"answer\":\"x\"}\n".to_owned(), "the facts does not work"),
        (FACTS.replace("'left'", "'red'"), row("[]"), "facts has wrong words: \"red\" stands for two facts"),
        (FACTS.replace("'facts'\nlang", "'number'\nlang"), row("[]"), "facts needs scorer = \"facts\""),
        (FACTS.replace("words", "word"), row("[]"), "unknown key \"word\""),
    ] {
        bench.write("facts.jsonl", data);
        let error = bench.load(&toml, &[Split::Test]).unwrap_err();
        assert!(error.contains(words) && !error.contains('\n'), "{error}");
    }
}

//! Tasks about pictures from end to end, on the random LLaVA models of `tests/golden/llava`: a session sees each picture
//! once, goes on after a kill as if nobody had disturbed it, and does not begin with a picture that can't be used.
#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::io::{BufRead, BufReader, Cursor};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Output, Stdio};
use std::sync::atomic::AtomicBool;

use base64::Engine as _;
use image::{ImageFormat, Rgb, RgbImage};
use yosegi::evaluate::{EvalRequest, EvalSetup, Evaluator, SplitQuestions, SplitResult, Target, TaskSpec};
use yosegi::recipe::{Method, Recipe};
use yosegi::session::Home;
use yosegi::session::journal::Reader;
use yosegi::session::protocol::{Event, Split};

/// Pictures of the task below: four of the training questions, three of the held-out ones, one of them in both.
const PICTURES: u64 = 6;

fn model(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/llava").join(name);
    folder.to_str().unwrap().to_owned()
}

fn picture(shade: u8) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    let picture = RgbImage::from_fn(23, 17, |x, y| Rgb([shade, (x * 11) as u8, (y * 15) as u8 ^ shade]));
    picture.write_to(&mut out, ImageFormat::Png).unwrap();
    out.into_inner()
}

fn url(bytes: &[u8]) -> String {
    format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(bytes))
}

const TASK: &str = "name = 'seen'\nimage = 'image'\nprompt = \"{% for i in range(images) %}<image>{% endfor %} w{{ n }}\"\n\
    question = 'w{{ n }}'\nmax_new_tokens = 6\nscorer = 'exact_match'\nlanguage = 'none'\n\
    [train]\ndata = 'train.jsonl'\n[test]\ndata = 'test.jsonl'\n";

/// Writes a task with pictures in files (train) and in `data:` URLs (test).
fn write_task(folder: &Path) {
    let row = |n: usize, image: serde_json::Value| {
        serde_json::json!({ "n": n, "answer": "w3", "image": image }).to_string() + "\n"
    };
    for shade in 0..4 {
        std::fs::write(folder.join(format!("{shade}.png")), picture(60 * shade)).unwrap();
    }
    let train = (0..4).map(|i| row(i, format!("{i}.png").into())).collect::<String>();
    std::fs::write(folder.join("train.jsonl"), train).unwrap();
    let (a, b) = (url(&picture(200)), url(&picture(230)));
    let test = row(10, a.clone().into()) + &row(11, serde_json::json!([b, "0.png"])) + &row(12, a.into());
    std::fs::write(folder.join("test.jsonl"), test).unwrap();
    std::fs::write(folder.join("seen.toml"), TASK).unwrap();
}

fn write_config(folder: &Path) {
    let config = format!(
        "name = 's'\nseed = 5\n[pool]\nbase = '{}'\nsources = ['{}']\n[task]\nuse = 'seen.toml'\noverlap = true\n\
         [space]\nmethod = 'task_arithmetic'\nweight = {{ min = -0.5, max = 1.5 }}\n\
         [search]\npopulation = 4\n[budget]\nevaluations = 12\n",
        model("clip-llama"),
        model("clip-llama-4")
    );
    std::fs::write(folder.join("config.toml"), config).unwrap();
}

fn yosegi(home: &Path) -> Process {
    let mut command = Process::new(env!("CARGO_BIN_EXE_yosegi"));
    command.env("YOSEGI_HOME", home.join("home")).current_dir(home).stdin(Stdio::null());
    command
}

fn evolve(home: &Path, more: &[&str]) -> Output {
    yosegi(home).args(["evolve", "config.toml", "--headless", "--name", "s"]).args(more).output().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The events of a session, and how many pictures' features were computed for it.
fn events(home: &Path) -> (Vec<Event>, u64) {
    let reader = Reader::open(&Home::at(home.join("home")), "s").unwrap();
    let records = reader.records(1).unwrap();
    let pictures = records.iter().filter_map(|record| record.cost).map(|cost| cost.pictures).sum();
    (records.into_iter().map(|record| record.event).collect(), pictures)
}

#[test]
fn a_session_sees_each_picture_once_and_a_killed_one_ends_the_same() {
    let whole = tempfile::tempdir().unwrap();
    write_task(whole.path());
    write_config(whole.path());
    let output = evolve(whole.path(), &[]);
    assert!(output.status.success(), "{}", told(&output));
    let (expected, computed) = events(whole.path());
    assert_eq!(computed, PICTURES, "base, source and all candidates have one vision part");

    // Whoever looks finds every picture: the data's own files, and copies of what the data holds as bytes.
    let home = Home::at(whole.path().join("home"));
    let session = home.session("s").unwrap();
    let reader = Reader::open(&home, "s").unwrap();
    for question in reader.questions().unwrap() {
        assert_eq!(
            question.images.len(),
            if question.index == 1 && question.split == Split::Test { 2 } else { 1 }
        );
        for image in &question.images {
            let file = PathBuf::from(&image.path);
            assert!(file.is_absolute() && file.is_file(), "{image:?}");
            assert_eq!((image.width, image.height), (23, 17));
            let copied = question.split == Split::Test && !image.path.ends_with("0.png");
            assert_eq!(file.starts_with(session.join("pictures")), copied, "{image:?}");
        }
    }
    let best = reader.state().unwrap().best.unwrap();
    assert!(reader.answers(best, Split::Train).unwrap().iter().all(|answer| answer.images.len() == 1));
    drop(reader);

    // A session that is killed as soon as it has answered something reads the features from their files.
    let killed = tempfile::tempdir().unwrap();
    for file in ["0.png", "1.png", "2.png", "3.png", "train.jsonl", "test.jsonl", "seen.toml", "config.toml"]
    {
        std::fs::copy(whole.path().join(file), killed.path().join(file)).unwrap();
    }
    let mut run = yosegi(killed.path())
        .args(["evolve", "config.toml", "--headless", "--json", "--name", "s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(run.stdout.take().unwrap()).lines();
    let _ = lines.map_while(Result::ok).find(|line| line.contains("\"evaluated\""));
    run.kill().unwrap();
    run.wait().unwrap();
    let output = evolve(killed.path(), &["--resume"]);
    assert!(output.status.success(), "{}", told(&output));
    let (resumed, computed) = events(killed.path());
    let of_search = |events: &[Event]| -> Vec<String> {
        let kept = events.iter().filter(|e| !matches!(e, Event::Resumed | Event::Created { .. }));
        kept.map(|e| serde_json::to_string(e).unwrap()).collect()
    };
    assert_eq!(of_search(&resumed), of_search(&expected));
    assert_eq!(computed, PICTURES);

    // Another picture under the same name is another session.
    std::fs::write(killed.path().join("2.png"), picture(99)).unwrap();
    let output = yosegi(killed.path())
        .args(["evolve", "--headless", "--extend", "s", "--budget", "16"])
        .output()
        .unwrap();
    let why = told(&output);
    assert!(!output.status.success() && why.contains("train.jsonl") && why.contains("has changed"), "{why}");
}

/// The answers of `target` to questions of the task in `folder`, and how many pictures were computed for them.
fn ask(
    evaluator: &mut Evaluator,
    setup: &EvalSetup,
    target: &Target,
    split: Split,
    questions: &[usize],
) -> anyhow::Result<(SplitResult, u64)> {
    let ask = [SplitQuestions { split, questions: questions.to_vec() }];
    let request = EvalRequest { setup, target, ask: &ask, watch: &[], decoding: None };
    let (mut found, cost) = evaluator.evaluate(&request, &|_| (), &AtomicBool::new(false))?;
    Ok((found.remove(0), cost.pictures))
}

fn setup(folder: &Path, task: &str) -> EvalSetup {
    let path = folder.join(task);
    EvalSetup::of_tasks(vec![TaskSpec::whole(path.to_str().unwrap())], "cpu", 1)
}

#[test]
fn models_with_one_vision_part_share_what_they_saw_and_others_do_not() {
    let folder = tempfile::tempdir().unwrap();
    write_task(folder.path());
    let (base, source) = (model("clip-llama"), model("clip-llama-4"));
    let setup =
        EvalSetup { base: base.clone(), sources: vec![source.clone()], ..setup(folder.path(), "seen.toml") };
    let mut evaluator = Evaluator::default();
    let mut computed = |target: &Target, split, questions: &[usize]| {
        ask(&mut evaluator, &setup, target, split, questions).unwrap().1
    };
    let merge = Recipe::uniform(&base, std::slice::from_ref(&source), Method::TaskArithmetic, 0.5);
    let merge = Target::Recipe(Box::new(merge));
    assert_eq!(computed(&Target::Model(base), Split::Train, &[2, 0]), 2);
    assert_eq!(computed(&merge, Split::Train, &[0, 1, 2, 3]), 2, "two are there already");
    assert_eq!(computed(&merge, Split::Test, &[0, 1, 2]), 2, "a question has a picture of the other split");
    assert_eq!(computed(&Target::Model(source), Split::Test, &[1]), 0);
    assert_eq!(computed(&Target::Model(model("clip-qwen2")), Split::Test, &[1]), 2, "another vision part");
}

#[test]
fn a_path_a_url_and_a_choice_are_answered_by_what_the_picture_shows() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = [picture(10), picture(240)];
    let mut answers = Vec::new();
    for kind in ["path", "url"] {
        let row = |(i, bytes): (usize, &Vec<u8>)| {
            let image = if kind == "path" { format!("{i}.png") } else { url(bytes) };
            std::fs::write(folder.path().join(format!("{i}.png")), bytes).unwrap();
            serde_json::json!({ "n": 5, "answer": "w3", "choices": ["w3", "w4 w5"], "image": image })
                .to_string()
                + "\n"
        };
        std::fs::write(
            folder.path().join("test.jsonl"),
            bytes.iter().enumerate().map(row).collect::<String>(),
        )
        .unwrap();
        let task = TASK.replace("[train]\ndata = 'train.jsonl'\n", "");
        std::fs::write(folder.path().join("one.toml"), &task).unwrap();
        let choice = task
            .replace(
                "scorer = 'exact_match'\nlanguage = 'none'",
                "kind = 'choice'\nchoices = 'choices'\ngold = '0'",
            )
            .replace("max_new_tokens = 6\n", "");
        std::fs::write(folder.path().join("choice.toml"), choice).unwrap();
        let target = Target::Model(model("clip-llama"));
        for task in ["one.toml", "choice.toml"] {
            let setup = setup(folder.path(), task);
            let (found, computed) =
                ask(&mut Evaluator::default(), &setup, &target, Split::Test, &[0, 1]).unwrap();
            assert_eq!(computed, 2);
            let said =
                |i: usize| (found.answers[i].text.clone(), found.answers[i].detail.log_likelihoods.clone());
            assert_ne!(said(0), said(1), "the same words about other pictures");
            answers.push((task, said(0), said(1)));
        }
    }
    let (of_paths, of_urls) = answers.split_at(2);
    assert_eq!(of_paths, of_urls);
}

#[test]
fn what_cannot_see_and_what_is_too_long_have_their_sentence() {
    let folder = tempfile::tempdir().unwrap();
    write_task(folder.path());
    let why = |target: &str, task: &str, split| {
        let target = Target::Model(target.to_owned());
        let failed = ask(&mut Evaluator::default(), &setup(folder.path(), task), &target, split, &[0]);
        failed.err().map(|why| why.to_string()).unwrap_or_default()
    };
    let blind = why("zoo:base", "seen.toml", Split::Train);
    assert!(blind.starts_with("the model zoo:base takes no pictures, and the task "), "{blind}");
    // Each picture takes 16 of the 512 positions, and half of them must be free for the answer.
    let many = serde_json::json!({ "n": 1, "answer": "w3", "image": vec!["0.png"; 40] }).to_string();
    std::fs::write(folder.path().join("train.jsonl"), many).unwrap();
    let long = why(&model("clip-llama"), "seen.toml", Split::Train);
    assert!(long.contains("seen, question 1: its prompt with pictures has 641 tokens"), "{long}");
    assert!(long.contains("more than the 512 positions of the model") && !long.contains('\n'), "{long}");
}

/// A PNG whose header names this size; nothing follows.
fn header(side: u32) -> Vec<u8> {
    let mut bytes = picture(0);
    bytes[16..20].copy_from_slice(&side.to_be_bytes());
    bytes[20..24].copy_from_slice(&side.to_be_bytes());
    bytes
}

#[test]
fn a_bad_picture_is_one_sentence_before_a_search() {
    let good = picture(7);
    let bad: [(&str, Option<Vec<u8>>); 7] = [
        ("cut.png", Some(good[..good.len() / 2].to_vec())),
        ("huge.png", Some(header(100_000))),
        ("drawing.svg", Some(b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec())),
        ("words.png", Some(b"no picture at all\n".to_vec())),
        ("missing.png", None),
        ("folder.png", None),
        ("secret.png", Some(good.clone())),
    ];
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    write_task(home);
    write_config(home);
    std::fs::create_dir(home.join("folder.png")).unwrap();
    for (name, bytes) in &bad {
        if let Some(bytes) = bytes {
            std::fs::write(home.join(name), bytes).unwrap();
        }
        if *name == "secret.png" {
            std::fs::set_permissions(home.join(name), std::fs::Permissions::from_mode(0o000)).unwrap();
            if std::fs::read(home.join(name)).is_ok() {
                println!("the superuser reads every file: {name} is left out");
                continue;
            }
        }
        let row = serde_json::json!({ "n": 1, "answer": "w3", "image": ["0.png", name] });
        // A bad picture of the held-out questions is found before the search as well.
        for split in ["train", "test"] {
            write_task(home);
            std::fs::write(home.join(format!("{split}.jsonl")), row.to_string()).unwrap();
            let output = evolve(home, &[]);
            let why = told(&output);
            assert!(!output.status.success() && why.contains(name), "{name}: {why}");
            assert_eq!(why.trim_end().lines().count(), 1, "{name}: {why}");
            let journal = home.join("home/sessions/s/journal.db");
            assert!(!journal.exists(), "{name}: a session has begun");
        }
    }
    // Several bad pictures are told together.
    let names: Vec<&str> = bad.iter().map(|(name, _)| *name).filter(|name| *name != "secret.png").collect();
    let row = serde_json::json!({ "n": 1, "answer": "w3", "image": names });
    write_task(home);
    std::fs::write(home.join("test.jsonl"), row.to_string()).unwrap();
    let why = told(&evolve(home, &[]));
    assert!(names.iter().filter(|name| why.contains(**name)).count() == 5, "{why}");
    assert!(why.contains("and 1 more pictures of the task seen"), "{why}");
}

/// The first of the bundled questions of this kind: its picture, its question.
fn bundled(kind: &str) -> (String, String) {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("zoo/vision-task/test.jsonl");
    let text = std::fs::read_to_string(data).unwrap();
    let mut rows = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let row = rows.find(|row| row["kind"] == kind).unwrap();
    (row["image"].as_str().unwrap().to_owned(), row["question"].as_str().unwrap().to_owned())
}

#[test]
fn generate_continues_a_prompt_with_pictures_of_the_command_line_and_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        yosegi(folder.path())
            .args(["generate", "zoo:vlm", "--max-tokens", "30"])
            .args(arguments)
            .output()
            .unwrap()
    };
    let mut lines = String::new();
    let mut alone = Vec::new();
    for kind in ["what", "colour", "what"] {
        let (url, question) = bundled(kind);
        let prompt = format!("USER: <image>\n{question} ASSISTANT:");
        let bytes =
            base64::engine::general_purpose::STANDARD.decode(url.rsplit(',').next().unwrap()).unwrap();
        let file = folder.path().join(format!("{kind}.png"));
        std::fs::write(&file, bytes).unwrap();
        lines += &(serde_json::json!({ "prompt": prompt, "images": [url] }).to_string() + "\n");
        let output = run(&["--image", file.to_str().unwrap(), "--prompt", &prompt]);
        assert!(output.status.success(), "{}", told(&output));
        alone.push(String::from_utf8(output.stdout).unwrap());
    }
    let prompts = folder.path().join("prompts.jsonl");
    std::fs::write(&prompts, lines).unwrap();
    let output = run(&["--prompts", prompts.to_str().unwrap()]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), alone.concat());
    assert_ne!(alone[0], alone[1], "the pictures differ");
    let file = folder.path().join("what.png");
    let output = run(&["--image", file.to_str().unwrap(), "--prompt", "what?"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("<image> stands 0 times"), "{}", told(&output));
}

//! Seconds spent on judging answers and on proposing candidates: `cargo bench --bench score`.
//!
//! Target: 250 answers in at most 50 ms on one core.

use divan::Bencher;
use yosegi::search::{GeneInfo, Genome, Optimiser};
use yosegi::task::{Question, Rouge, Segmenter, Task, Verdict, bootstrap_medians, rouge};

fn main() {
    eprintln!("words by {}", Segmenter::shared().map_or("nothing", Segmenter::name));
    divan::main();
}

/// Answers as long as a 7B model's: worked solutions of 10 sentences, in Japanese and mixed.
fn answers(count: usize) -> Vec<String> {
    let japanese = "太郎さんはりんごを12個もっています。花子さんから8個もらいました。12+8=20です。";
    let english = "So there are 20 apples in total, and each box holds 5 of them. ";
    (0..count)
        .map(|i| {
            let middle = if i % 4 == 0 { english.repeat(6) } else { japanese.repeat(4) };
            format!("一歩一歩考えます。{japanese}{middle}\nしたがって、答えは{i}個です。")
        })
        .collect()
}

fn task() -> Task {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("written");
    write("a.tsv", "one?\t1\n");
    write("b.tsv", "two?\t2\n");
    write("t.toml", "name='t'\nprompt='x'\nmax_new_tokens=9\n[train]\ndata='a.tsv'\n[test]\ndata='b.tsv'\n");
    Task::load(&dir.path().join("t.toml").display().to_string()).expect("a task")
}

#[divan::bench]
fn score_250_answers(bencher: Bencher) {
    let (task, answers) = (task(), answers(250));
    let question = Question {
        id: "1".to_owned(),
        question: "?".to_owned(),
        gold: "20".to_owned(),
        ..Question::default()
    };
    bencher.bench(|| answers.iter().map(|a| task.score(&question, a)).collect::<Vec<Verdict>>());
}

/// ROUGE of 250 answers, segmentation and the bootstrap median with it: over `MeCab`'s words where
/// `YOSEGI_MECAB_DICT` names a dictionary, else over runs of one class.
#[divan::bench]
fn rouge_250_answers(bencher: Bencher) {
    let answers = answers(250);
    let gold = "太郎さんのりんごは12+8=20個なので、5個ずつの箱に入れると、答えは4箱です。";
    let segmenter = Segmenter::shared().expect("a dictionary that can be read");
    bencher.bench(|| {
        let all: Vec<Rouge> =
            answers.iter().map(|a| rouge(&segmenter.words(gold), &segmenter.words(a))).collect();
        let of = |kind: fn(&Rouge) -> f64| all.iter().map(kind).collect::<Vec<f64>>();
        bootstrap_medians(&[&of(|r| r.rouge1), &of(|r| r.rouge2), &of(|r| r.rouge_l)])
    });
}

#[divan::bench]
fn read_the_language_model(bencher: Bencher) {
    let bytes = include_bytes!("../zoo/lid/lid.176.ftz");
    bencher.bench(|| yosegi::task::Lid::read(divan::black_box(bytes)));
}

/// One generation, asked and told, after `told` others.
#[divan::bench(args = [(18, 20), (18, 60), (198, 20), (198, 52)], sample_count = 10)]
fn cma_es_generation(bencher: Bencher, (genes, told): (usize, usize)) {
    let info = |i| GeneInfo::number(format!("x{i}"), (-1.0, 2.0), 0.5, 0.2);
    let infos: Vec<GeneInfo> = (0..genes).map(info).collect();
    let step = |search: &mut Optimiser| {
        let fitness: Vec<f64> =
            search.ask().iter().map(|g| -g.0.iter().map(|x| x * x).sum::<f64>()).collect();
        search.tell(&fitness);
    };
    let ready = || {
        let start = Genome(vec![0.5; genes]);
        let mut search = Optimiser::new("cma-es", &infos, &start, None, 1).expect("an optimiser");
        (0..told).for_each(|_| step(&mut search));
        search
    };
    bencher.with_inputs(ready).bench_local_refs(step);
}

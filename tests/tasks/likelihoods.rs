//! Log-likelihoods of choices and sentences, against those of lm-evaluation-harness.

use super::*;

#[derive(Deserialize)]
struct Golden {
    acc: f64,
    acc_norm: f64,
    rows: Vec<GoldenRow>,
}

#[derive(Deserialize)]
struct GoldenRow {
    id: String,
    log_likelihoods: Vec<f64>,
    greedy: Vec<bool>,
}

/// The harness's task of `make.py`, over these files.
fn commonsense(test: &str, train: &str, skip: usize) -> String {
    let choices: Vec<String> = (0..5).map(|i| format!("'{{{{ choice{i} }}}}'")).collect();
    format!(
        "name = 'x'\nkind = 'choice'\ndescription = \"[問題]に対する[答え]を[選択肢]の中から選んでください。\\n\\n\"\n\
         prompt = \"[問題]:{{{{ question }}}}\\n[選択肢]:[{{{{ choice0 }}}}, {{{{ choice1 }}}}, {{{{ choice2 }}}}, \
         {{{{ choice3 }}}}, {{{{ choice4 }}}}]\\n[答え]:\"\n\
         choices = [{}]\ngold = 'label'\nmetrics = ['acc', 'acc_norm']\ncolumns = {{ id = 'q_id' }}\n\
         [shots]\ncount = 3\nseed = 1234\n[train]\ndata = '{train}'\nlimit = {skip}\n\
         [test]\ndata = '{test}'\nskip = {skip}\nlimit = 200\n",
        choices.join(", ")
    )
}

struct Model {
    decoder: Decoder,
    tokenizer: Tokenizer,
}

impl Model {
    fn new(device: &Device) -> Self {
        let checkpoint = Checkpoint::open(golden_folder().join("model").to_str().unwrap()).unwrap();
        let tokenizer = Tokenizer::from_json(&checkpoint.tokenizer_json().unwrap()).unwrap();
        Self { decoder: Decoder::load(checkpoint.config(), &checkpoint, device).unwrap(), tokenizer }
    }

    fn pairs(&self, task: &Task) -> Vec<Vec<Continuation>> {
        let pairs = |q: &Question| {
            let prompt = task.prompt(q).unwrap();
            q.choices.iter().map(|c| self.tokenizer.joined(&prompt, c, 0).unwrap()).collect()
        };
        task.test.iter().map(pairs).collect()
    }

    fn run(&self, groups: &[Vec<Continuation>], threads: usize) -> Vec<Vec<Likelihood>> {
        likelihoods(&self.decoder, groups, threads, &|_| {}, &AtomicBool::new(false)).unwrap()
    }
}

/// Compares a task's likelihoods, accuracy and metrics with the harness's.
fn agrees(model: &Model, task: &Task, golden: &Golden) {
    assert_eq!(task.test.len(), golden.rows.len());
    let found = model.run(&model.pairs(task), 0);
    let mut verdicts: Vec<Verdict> = Vec::new();
    let mut farthest = 0f64;
    for ((question, found), row) in task.test.iter().zip(&found).zip(&golden.rows) {
        assert_eq!(question.id, row.id);
        for ((likelihood, expected), greedy) in found.iter().zip(&row.log_likelihoods).zip(&row.greedy) {
            farthest = farthest.max((likelihood.sum - expected).abs());
            assert_eq!(likelihood.greedy, *greedy, "{}", row.id);
        }
        let sums: Vec<f64> = found.iter().map(|l| l.sum).collect();
        verdicts.push(task.choose(question, &sums));
    }
    println!("{}: {} rows, log-likelihoods at most {farthest:.1e} apart", task.name, found.len());
    assert!(farthest < 1e-3, "{farthest}");
    let judged: Vec<_> = task.test.iter().zip(&verdicts).collect();
    let means = task.means(&judged);
    assert!((means.correct - golden.acc).abs() < 1e-9, "{} for {}", means.correct, golden.acc);
    if let Some(acc_norm) = means.metrics.get("acc_norm") {
        assert!((acc_norm - golden.acc_norm).abs() < 1e-9, "{acc_norm} for {}", golden.acc_norm);
    }
}

fn golden() -> HashMap<String, Golden> {
    serde_json::from_slice(&std::fs::read(golden_folder().join("golden.json")).unwrap()).unwrap()
}

#[test]
fn choices_are_as_likely_as_in_lm_evaluation_harness() {
    let bench = Bench::new();
    bench.write("own.jsonl", std::fs::read(golden_folder().join("own.jsonl")).unwrap());
    let task = bench.load(&commonsense("own.jsonl", "own.jsonl", 6), &[Split::Test]).unwrap();
    for device in [Device::Cpu, Device::reference()] {
        agrees(&Model::new(&device), &task, &golden()["own"]);
    }
}

#[test]
fn published_choices_and_sentences_are_as_likely_as_in_lm_evaluation_harness() {
    let Some(data) = published() else { return };
    let (bench, golden, model) = (Bench::new(), golden(), Model::new(&Device::Cpu));
    let file =
        |split: &str| data.join(format!("jglue/jcommonsenseqa-{split}-v1.3.json")).display().to_string();
    let toml = commonsense(&file("valid"), &file("train"), 0);
    agrees(&model, &bench.load(&toml, &[Split::Test]).unwrap(), &golden["jcommonsenseqa"]);

    let places = Places { data, hub: nowhere() };
    let mut task = Task::load_splits("xwinograd_ja", &[Split::Test], &places).unwrap();
    assert_eq!((task.kind, task.test.len()), (Kind::Sentence, 959));
    task.test.truncate(200);
    agrees(&model, &task, &golden["xwinograd_ja"]);
}

#[test]
fn likelihoods_do_not_depend_on_company() {
    let model = Model::new(&Device::Cpu);
    let pair = |context: &str, continuation: &str| model.tokenizer.joined(context, continuation, 0).unwrap();
    let groups: Vec<Vec<Continuation>> = vec![
        vec![pair("りんごが3個あります。全部で", "3個です。"), pair("りんごが3個あります。全部で", "5個")],
        vec![pair("", "ひとつの文。"), pair("", "もうひとつの文です。"), pair("", "x")],
        vec![pair("りんごが 3 ", "a"), pair("別の文脈", "b"), pair("りんご", "c")],
        vec![pair(&"りんご。".repeat(80), "長い"), pair(&"りんご。".repeat(80), "短")],
    ];
    let together = model.run(&groups, 1);
    assert_eq!(together, model.run(&groups, 3));
    for (group, all) in groups.iter().zip(&together) {
        for (pair, likelihood) in group.iter().zip(all) {
            let alone = model.run(&[vec![pair.clone()]], 1);
            assert_eq!(alone[0][0], *likelihood);
            // The logits of the whole sequence say the same.
            let tokens: Vec<u32> = pair.context.iter().chain(&pair.tokens).copied().collect();
            let rows = model.decoder.logits(&tokens).unwrap();
            let mut sum = 0.0;
            for (i, token) in pair.tokens.iter().enumerate() {
                let row = &rows[pair.context.len() - 1 + i];
                let most = f64::from(row.iter().copied().fold(f32::MIN, f32::max));
                let total: f64 = row.iter().map(|v| (f64::from(*v) - most).exp()).sum();
                sum += f64::from(row[*token as usize]) - most - total.ln();
            }
            assert!((sum - likelihood.sum).abs() < 1e-9);
            assert_eq!(likelihood.tokens, pair.tokens.len());
        }
    }
    let long = Continuation { context: vec![3; 5000], tokens: vec![4, 5] };
    let cut = Continuation { context: vec![3; 3071], tokens: vec![4, 5] };
    assert_eq!(model.run(&[vec![long]], 1), model.run(&[vec![cut]], 1), "the beginning is cut off");
    for (bad, word) in [
        (Continuation { context: vec![], tokens: vec![1] }, "no tokens"),
        (Continuation { context: vec![1], tokens: vec![9999] }, "token 9999"),
        (Continuation { context: vec![1], tokens: vec![1; 4000] }, "shorten"),
    ] {
        let quiet = AtomicBool::new(false);
        let error = likelihoods(&model.decoder, &[vec![bad]], 1, &|_| {}, &quiet).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn spaces_at_a_contexts_end_belong_to_what_follows() {
    let model = Model::new(&Device::Cpu);
    let spaced = model.tokenizer.joined("3 + 2 = ", "5", 0).unwrap();
    let bare = model.tokenizer.joined("3 + 2 =", " 5", 0).unwrap();
    assert_eq!(spaced, bare);
    let apart = model.tokenizer.apart("3 + 2 = ", "5", 1).unwrap();
    assert_eq!(model.tokenizer.apart("", "5", 1).unwrap().context, [1]);
    assert_eq!(apart.tokens, model.tokenizer.ids("5", false).unwrap());
    assert_eq!(model.tokenizer.joined("", "5", 0).unwrap().context, [0]);
    assert!(model.tokenizer.joined("x", "", 0).is_err());
}

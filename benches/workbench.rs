//! What a person waits for, and what the workbench costs: the first frame (also with a 7B-shaped
//! checkpoint in the list), a key while an evolution runs, answers to an edited cell; idle CPU, bytes to
//! the terminal while evolving, memory. The real binary in a real pseudo-terminal; prints each figure
//! beside its bar, with the machine's load, since a figure taken on a busy machine says little.
//!
//! `cargo bench --bench workbench`

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/workbench/place.rs"]
mod place;

use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use place::{PATIENCE, Place, Terminal};
use yosegi::evaluate::ImageRef;
use yosegi::workbench::recording::{RECORDED, Recording};

/// A checkpoint shaped like Mistral 7B in the hub's cache: a true header, and a file of holes.
fn large_model(home: &Path) -> std::io::Result<()> {
    let (hidden, inner, kv, vocab, layers) = (4096_u64, 14_336, 1024, 32_000, 32);
    let config = serde_json::json!({
        "architectures": ["MistralForCausalLM"], "model_type": "mistral", "hidden_size": hidden,
        "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": 32,
        "num_key_value_heads": 8, "vocab_size": vocab, "rms_norm_eps": 1e-5, "rope_theta": 10_000.0,
        "max_position_embeddings": 32_768, "hidden_act": "silu", "tie_word_embeddings": false,
        "torch_dtype": "bfloat16",
    });
    let mut shapes = vec![("model.embed_tokens.weight".to_owned(), vec![vocab, hidden])];
    for layer in 0..layers {
        let mut add =
            |name: &str, shape: Vec<u64>| shapes.push((format!("model.layers.{layer}.{name}.weight"), shape));
        add("input_layernorm", vec![hidden]);
        add("post_attention_layernorm", vec![hidden]);
        add("self_attn.q_proj", vec![hidden, hidden]);
        add("self_attn.k_proj", vec![kv, hidden]);
        add("self_attn.v_proj", vec![kv, hidden]);
        add("self_attn.o_proj", vec![hidden, hidden]);
        add("mlp.gate_proj", vec![inner, hidden]);
        add("mlp.up_proj", vec![inner, hidden]);
        add("mlp.down_proj", vec![hidden, inner]);
    }
    shapes.push(("model.norm.weight".to_owned(), vec![hidden]));
    shapes.push(("lm_head.weight".to_owned(), vec![vocab, hidden]));
    let (mut header, mut end) = (serde_json::Map::new(), 0);
    for (name, shape) in shapes {
        let start = end;
        end += 2 * shape.iter().product::<u64>();
        header
            .insert(name, serde_json::json!({"dtype": "BF16", "shape": shape, "data_offsets": [start, end]}));
    }
    let header = serde_json::to_vec(&header)?;
    let model = home.join("hf/hub/models--some--mistral-7b-shaped");
    let snapshot = model.join("snapshots/main1");
    std::fs::create_dir_all(&snapshot)?;
    std::fs::create_dir_all(model.join("refs"))?;
    std::fs::write(model.join("refs/main"), "main1")?;
    std::fs::write(snapshot.join("config.json"), config.to_string())?;
    let mut file = std::fs::File::create(snapshot.join("model.safetensors"))?;
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    file.set_len(8 + header.len() as u64 + end)
}

/// A line of `/proc/PID/FILE` that begins with `key`, as its first number.
fn proc_number(pid: u32, file: &str, key: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let line = text.lines().find(|l| l.starts_with(key)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Seconds of CPU that a process has used.
fn cpu_seconds(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = text.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}

/// Processes that wanted a core over the last minute: a figure taken on a busy machine says little.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("?").to_owned()
}

/// A figure beside its bar: `most` is what it may be, in its own unit.
fn row(what: &str, figure: f64, unit: &str, most: Option<f64>, more: &str) {
    let bar = most.map_or_else(|| "-".to_owned(), |m| format!("<= {m} {unit}"));
    let verdict = match most {
        Some(most) if figure > most => "MISSED",
        Some(_) => "met",
        None => "",
    };
    let figure = format!("{figure:.1} {unit}");
    println!("{what:<44} {figure:>11} {bar:>12} {verdict:<7} load {:<5} {more}", load());
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// What a workbench costs over some seconds: share of a core, and KB/s to the terminal.
fn costs(terminal: &Terminal, seconds: u64) -> (f64, f64) {
    let pid = terminal.child.process_id().unwrap_or(0);
    let (cpu, bytes) = (cpu_seconds(pid), proc_number(pid, "io", "wchar:"));
    thread::sleep(Duration::from_secs(seconds));
    let share = (cpu_seconds(pid) - cpu) / seconds as f64 * 100.0;
    (share, (proc_number(pid, "io", "wchar:") - bytes) as f64 / seconds as f64 / 1024.0)
}

/// Megabytes that the workbench's process holds.
fn memory(terminal: &Terminal) -> f64 {
    proc_number(terminal.child.process_id().unwrap_or(0), "status", "VmRSS:") as f64 / 1024.0
}

/// Time until the screen fulfils `holds`.
fn quick(terminal: &Terminal, holds: impl Fn(&str) -> bool) -> Duration {
    let start = Instant::now();
    while !holds(&terminal.screen()) && start.elapsed() < PATIENCE {
        thread::sleep(Duration::from_micros(200));
    }
    start.elapsed()
}

/// From a changed cell to the three sample answers, sorted.
fn edits(terminal: &mut Terminal) -> Vec<Duration> {
    let mut times: Vec<Duration> = (0..20)
        .map(|i| {
            let start = Instant::now();
            terminal.press(if i % 4 < 2 { "+" } else { "-" });
            quick(terminal, |s| s.contains("answering"));
            quick(terminal, |s| !s.contains("answering"));
            start.elapsed()
        })
        .collect();
    times.sort();
    times
}

/// The bundled session, long enough and with few reference points.
fn config(home: &Path) -> String {
    let text = include_str!("../configs/zoo.toml")
        .replace("grid = [0.1, 0.3, 0.6]", "grid = [0.6]")
        .replace("evaluations = 640", "evaluations = 100000");
    let path = home.join("long.toml");
    std::fs::write(&path, text).expect("a config");
    path.display().to_string()
}

fn main() {
    let place = Place::new();
    large_model(place.path()).expect("a sparse file");
    println!("with a 7B-shaped checkpoint in the list, at 120x40");
    for engine in ["no engine yet", "engine running"] {
        let mut firsts: Vec<(Duration, Duration)> = Vec::new();
        let mut last = None;
        for _ in 0..if engine == "no engine yet" { 1 } else { 5 } {
            let terminal = Terminal::open(place.path(), &[], (40, 120));
            let first = quick(&terminal, |s| s.contains("1 Models"));
            let listed = first + quick(&terminal, |s| s.contains("zoo:math-mul"));
            firsts.push((first, listed));
            terminal.shows("mistral-7b-shaped");
            last = Some(terminal);
        }
        firsts.sort();
        let (first, listed) = firsts[firsts.len() / 2];
        row(&format!("first frame, {engine}"), ms(first), "ms", Some(100.0), "");
        row(&format!("models listed, {engine}"), ms(listed), "ms", None, "");
        if let (Some(mut terminal), "engine running") = (last, engine) {
            thread::sleep(Duration::from_secs(2));
            let (cpu, _) = costs(&terminal, 15);
            row("idle", cpu, "%", Some(1.0), "of a core");
            terminal.press("2");
            terminal.until("answered", |s| !s.contains("answering") && s.contains("expected "));
            let times = edits(&mut terminal);
            let worst = format!("worst {:.0} ms", ms(times[19]));
            row("edited cell to three answers, median", ms(times[10]), "ms", Some(1000.0), &worst);
        }
    }
    let mut terminal = Terminal::open(place.path(), &["evolve", &config(place.path())], (40, 120));
    terminal.shows("Generation");
    println!("while the bundled session evolves on both cores");
    let (cpu, rate) = costs(&terminal, 20);
    row("bytes to the terminal", rate, "KB/s", Some(20.0), &format!("{cpu:.1}% of a core"));
    let mut times: Vec<Duration> = (0..100)
        .map(|_| {
            terminal.press("?");
            let open = quick(&terminal, |s| s.contains("What can be done"));
            terminal.press("\x1b");
            quick(&terminal, |s| !s.contains("What can be done"));
            thread::sleep(Duration::from_millis(30));
            open
        })
        .collect();
    times.sort();
    let more = format!("median {:.1} ms, worst {:.1} ms", ms(times[50]), ms(times[99]));
    row("key to frame, 99th of 100", ms(times[98]), "ms", Some(16.0), &more);
    terminal.press("2");
    terminal.until("answered", |s| !s.contains("answering") && s.contains("expected "));
    let times = edits(&mut terminal);
    let worst = format!("worst {:.0} ms", ms(times[19]));
    row("edited cell to three answers, median", ms(times[10]), "ms", Some(1000.0), &worst);
    row("memory of the workbench", memory(&terminal), "MB", Some(60.0), "");
    drop(terminal);
    pictures(&place);
}

/// Keys while pictures of twelve million points are made ready: each key goes to the next question, which has another.
fn pictures(place: &Place) {
    let mut recording = Recording::from_lines(RECORDED).expect("the bundled session");
    let noise = image::RgbImage::from_fn(4000, 3000, |x, y| {
        let n = (x ^ y.rotate_left(9)).wrapping_mul(0x9e37_79b1) >> 8;
        [n as u8 & 63, (x / 16) as u8, (y / 12) as u8].into()
    });
    let first = place.path().join("0.jpg");
    noise.save(&first).expect("a picture");
    for answer in recording.answers.iter_mut().flat_map(|(_, answers)| &mut answers.answers) {
        let path = place.path().join(format!("{}.jpg", answer.index));
        if !path.exists() {
            std::fs::hard_link(&first, &path).expect("the same picture again");
        }
        answer.images = vec![ImageRef { path: path.display().to_string(), width: 4000, height: 3000 }];
    }
    let session = place.path().join("pictures.jsonl");
    std::fs::write(&session, recording.to_lines().expect("finite numbers")).expect("a session");
    let session = session.display().to_string();
    println!("in a session whose questions have pictures of 4000x3000");
    let plain: &[(&str, &str)] = &[];
    let foot = [("\x1b[16t", "\x1b[6;20;10t"), ("\x1b[c", "\x1b[?62;4c")];
    for (protocol, replies) in [("half blocks", plain), ("sixel", &foot)] {
        let set = [("TERM", "xterm-256color"), ("COLORTERM", "truecolor")];
        let arguments = ["replay", &session, "--speed", "100000"];
        let mut terminal = Terminal::answering(place.path(), &arguments, (40, 120), &set, replies);
        terminal.shows("replay ended");
        terminal.press("4");
        terminal.shows("train-0000 (");
        let mut times: Vec<Duration> = (0..100)
            .map(|i| {
                let (key, next) = if i / 20 % 2 == 0 { ("j", i % 20 + 1) } else { ("k", 19 - i % 20) };
                terminal.press(key);
                let shown = quick(&terminal, |s| s.contains(&format!("train-{next:04} (")));
                thread::sleep(Duration::from_millis(40));
                shown
            })
            .collect();
        times.sort();
        let more = format!("median {:.1} ms, worst {:.1} ms", ms(times[50]), ms(times[99]));
        row(&format!("key to frame, {protocol}, 99th of 100"), ms(times[98]), "ms", Some(16.0), &more);
        row(&format!("memory, {protocol}"), memory(&terminal), "MB", None, "");
    }
}

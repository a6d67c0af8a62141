//! What a person waits for, and what the workbench costs: the first frame (also with a 7B-shaped
//! checkpoint in the list), a key while an evolution runs, answers to an edited cell; idle CPU, bytes to
//! the terminal while evolving, memory. The real binary in a real pseudo-terminal; prints figures.
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

/// What a workbench costs over some seconds.
fn costs(what: &str, terminal: &Terminal, seconds: u64) {
    let pid = terminal.child.process_id().unwrap_or(0);
    let (cpu, bytes) = (cpu_seconds(pid), proc_number(pid, "io", "wchar:"));
    thread::sleep(Duration::from_secs(seconds));
    let share = (cpu_seconds(pid) - cpu) / seconds as f64 * 100.0;
    let rate = (proc_number(pid, "io", "wchar:") - bytes) as f64 / seconds as f64 / 1024.0;
    let memory = proc_number(pid, "status", "VmRSS:") as f64 / 1024.0;
    println!("{what}: {share:.1}% of a core, {rate:.1} KB/s written, {memory:.0} MB resident");
}

fn main() {
    let place = Place::new();
    large_model(place.path()).expect("a sparse file");
    let config = place.config(100_000);
    let quick = |terminal: &Terminal, holds: &dyn Fn(&str) -> bool| {
        let start = Instant::now();
        while !holds(&terminal.screen()) && start.elapsed() < PATIENCE {
            thread::sleep(Duration::from_micros(200));
        }
        start.elapsed()
    };
    for engine in ["started", "running"] {
        let terminal = Terminal::open(place.path(), &[], (40, 120));
        let first = quick(&terminal, &|s| s.contains("1 Models"));
        let models = first + quick(&terminal, &|s| s.contains("zoo:math-mul"));
        println!("engine {engine}: first frame {first:.1?}, models listed {models:.1?}");
        terminal.shows("mistral-7b-shaped");
        if engine == "running" {
            thread::sleep(Duration::from_secs(2));
            costs("idle", &terminal, 10);
        }
    }
    let mut terminal =
        Terminal::open(place.path(), &["evolve", config.to_str().expect("a plain path")], (40, 120));
    terminal.shows("Generation");
    costs("evolving at 120x40", &terminal, 15);
    let mut times: Vec<Duration> = (0..100)
        .map(|_| {
            terminal.press("?");
            let open = quick(&terminal, &|s| s.contains("What can be done"));
            terminal.press("\x1b");
            quick(&terminal, &|s| !s.contains("What can be done"));
            thread::sleep(Duration::from_millis(30));
            open
        })
        .collect();
    times.sort();
    println!(
        "key to frame while evolving: median {:.1?}, p99 {:.1?}, worst {:.1?}",
        times[50], times[98], times[99]
    );
    terminal.press("2");
    terminal.until("answered", |s| !s.contains("answering") && s.contains("answer "));
    let mut times: Vec<Duration> = (0..20)
        .map(|i| {
            terminal.press(if i % 4 < 2 { "+" } else { "-" });
            quick(&terminal, &|s| s.contains("answering"));
            quick(&terminal, &|s| !s.contains("answering"))
        })
        .collect();
    times.sort();
    println!(
        "edited cell to three new answers while evolving: median {:.0?}, worst {:.0?}",
        times[10], times[19]
    );
}

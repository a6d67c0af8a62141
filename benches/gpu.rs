//! What a CUDA card does: greedy tokens beside the CPU's, DARE-TIES candidates merged on the card, time from
//! genome to first token, tokens a second of a large batch. Weights are random at Mistral 7B's size, made on
//! the card (about 72 GB are needed there).
//!
//! `cargo bench --features cuda --bench gpu`. Without a card it says so in one line.

fn main() -> std::process::ExitCode {
    match bench() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(feature = "cuda")]
fn bench() -> anyhow::Result<()> {
    match yosegi::lm::pick("cuda") {
        Ok(picked) => yosegi::session::gpu_bench::run(&picked.device, &mut std::io::stdout()),
        Err(why) => {
            println!("nothing to measure: {why}");
            Ok(())
        }
    }
}

#[cfg(not(feature = "cuda"))]
#[allow(clippy::unnecessary_wraps)] // As with the feature.
fn bench() -> anyhow::Result<()> {
    println!("nothing to measure: this build has no GPU support (cargo bench --features cuda --bench gpu)");
    Ok(())
}

//! A CUDA card: greedy tokens compared with the CPU's, DARE-TIES candidates merged on the card, time from genome
//! to first token, tokens a second of a large batch. Weights are random, at Mistral 7B's size, and made on the
//! card (about 72 GB are needed there).
//!
//! `cargo bench --features cuda,bench --bench gpu`. Without a card it says so in one line.

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
    match yosegi::lm::pick("cuda", None) {
        Ok(picked) => yosegi::bench::gpu::run(&picked.device, &mut std::io::stdout()),
        Err(why) => {
            println!("nothing to measure: {why}");
            Ok(())
        }
    }
}

#[cfg(not(feature = "cuda"))]
#[allow(clippy::unnecessary_wraps)] // As with the feature.
fn bench() -> anyhow::Result<()> {
    println!(
        "nothing to measure: this build has no GPU support (cargo bench --features cuda,bench --bench gpu)"
    );
    Ok(())
}

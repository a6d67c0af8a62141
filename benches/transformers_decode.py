"""The other side of `benches/decode.rs`: the same decoding by transformers on torch.

    python transformers_decode.py FOLDER [--batch 128] [--prompt 60 | --mixed] [--new 100] [--threads 2] [--rounds 5]

FOLDER is a checkpoint; where there is none, a random one of the bundled zoo's shape is written
there first, so that `YOSEGI_BENCH_MODEL=FOLDER cargo bench --bench decode` runs the very same.
Prints the best and the median round: all tokens generated, over the wall time of `generate`, and
over the process's CPU time. `--mixed` has prompts of 20 to 99 tokens, padded on the left, as the
benchmark `mixed` there (with --new 128).
"""

import argparse
import pathlib
import resource
import statistics
import time

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM


def make(folder: pathlib.Path) -> None:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=704, hidden_size=96, intermediate_size=256, num_hidden_layers=5, num_attention_heads=3,
        num_key_value_heads=1, head_dim=32, max_position_embeddings=512, tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)


def cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--prompt", type=int, default=60)
    parser.add_argument("--mixed", action="store_true")
    parser.add_argument("--new", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    if not (args.folder / "config.json").exists():
        make(args.folder)
    torch.set_num_threads(args.threads)
    model = AutoModelForCausalLM.from_pretrained(args.folder, dtype=torch.float32).eval()
    vocab = model.config.vocab_size
    lengths = [20 + i * 37 % 80 if args.mixed else args.prompt for i in range(args.batch)]
    longest = max(lengths)
    ids = torch.tensor([
        [0] * (longest - n) + [(i * 131 + j * 17 + 5) % vocab for j in range(n)] for i, n in enumerate(lengths)
    ])
    mask = torch.tensor([[0] * (longest - n) + [1] * n for n in lengths])
    seconds, used = [], []
    with torch.inference_mode():
        for round in range(args.rounds + 1):
            began, before = time.perf_counter(), cpu()
            out = model.generate(
                ids, attention_mask=mask, do_sample=False, max_new_tokens=args.new,
                min_new_tokens=args.new, pad_token_id=0,
            )
            if round > 0:  # the first one warms up
                seconds.append(time.perf_counter() - began)
                used.append(cpu() - before)
            assert out.shape == (args.batch, longest + args.new)
    tokens = args.batch * args.new
    best, median = min(seconds), statistics.median(seconds)
    print(
        f"batch {args.batch}, {args.threads} threads: {tokens / best:.0f} tokens/s best, {tokens / median:.0f} "
        f"median, {tokens / statistics.median(used):.0f} a CPU second"
    )


main()

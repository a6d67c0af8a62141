"""The other side of `benches/decode.rs`: the same decoding by transformers on torch.

    python transformers_decode.py FOLDER [--batch 128] [--prompt 60] [--new 100] [--threads 2] [--rounds 5]

FOLDER is a checkpoint; where there is none, a random one of the bundled zoo's shape is written
there first, so that `YOSEGI_BENCH_MODEL=FOLDER cargo bench --bench decode` runs the very same.
Prints the best and the median round: all tokens generated, over the wall time of `generate`.
"""

import argparse
import pathlib
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--prompt", type=int, default=60)
    parser.add_argument("--new", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    if not (args.folder / "config.json").exists():
        make(args.folder)
    torch.set_num_threads(args.threads)
    model = AutoModelForCausalLM.from_pretrained(args.folder, dtype=torch.float32).eval()
    vocab = model.config.vocab_size
    ids = torch.tensor(
        [[(i * 131 + j * 17 + 5) % vocab for j in range(args.prompt)] for i in range(args.batch)]
    )
    seconds = []
    with torch.inference_mode():
        for round in range(args.rounds + 1):
            began = time.perf_counter()
            out = model.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=args.new,
                min_new_tokens=args.new, pad_token_id=0,
            )
            if round > 0:  # the first one warms up
                seconds.append(time.perf_counter() - began)
            assert out.shape == (args.batch, args.prompt + args.new)
    tokens = args.batch * args.new
    best, median = min(seconds), statistics.median(seconds)
    print(f"batch {args.batch}, {args.threads} threads: {tokens / best:.0f} tokens/s best, {tokens / median:.0f} median")


main()

"""Whole merges by yosegi and by mergekit on the same files, in turns: CPU seconds and memory.

    cargo build --release
    python benches/against_mergekit.py --mergekit path/to/mergekit-yaml [--size 112M] [--rounds 7]

Makes a base and two fine-tunes of random bfloat16 weights in a temporary folder, writes each recipe
as both programs read it, and runs both as processes of their own, one after the other in every
round. CPU seconds are user + system of the whole process, from start to end, files written; memory
is the peak of anonymous pages (what must be held) and of all resident ones (mapped files as well), as
`/usr/bin/time -v` counts them.
Needs numpy; mergekit 0.1.5 beside it.
"""

import argparse
import json
import multiprocessing
import os
import pathlib
import shutil
import statistics
import struct
import subprocess
import tempfile
import threading
import time

import numpy as np

# name: hidden, inner, layers, heads, KV heads, vocabulary, tied
SIZES = {
    "4M": (256, 512, 4, 4, 4, 3000, True),
    "112M": (768, 2048, 12, 12, 12, 35328, True),
    "1.1B": (2048, 5632, 22, 32, 4, 32000, False),
}
SOURCES = {"a": (0.6, 0.5), "b": (0.4, 0.5)}
# name: method, whether it has densities, extra lines of the TOML recipe
RUNS = {
    "linear": ("linear", False, ""),
    "task_arithmetic": ("task_arithmetic", False, ""),
    "ties": ("ties", True, ""),
    "dare_ties": ("dare_ties", True, ""),
    "dare_ties, mergekit's masks": ("dare_ties", True, 'mask = "mergekit"\nseed = 42\n'),
}


def shapes(size):
    hidden, inner, layers, heads, kv_heads, vocab, tied = SIZES[size]
    kv = hidden // heads * kv_heads
    out = {"model.embed_tokens.weight": (vocab, hidden), "model.norm.weight": (hidden,)}
    if not tied:
        out["lm_head.weight"] = (vocab, hidden)
    for i in range(layers):
        parts = {
            "input_layernorm": (hidden,),
            "post_attention_layernorm": (hidden,),
            "self_attn.q_proj": (hidden, hidden),
            "self_attn.k_proj": (kv, hidden),
            "self_attn.v_proj": (kv, hidden),
            "self_attn.o_proj": (hidden, hidden),
            "mlp.gate_proj": (inner, hidden),
            "mlp.up_proj": (inner, hidden),
            "mlp.down_proj": (hidden, inner),
        }
        out |= {f"model.layers.{i}.{k}.weight": v for k, v in parts.items()}
    return out


def bf16(x):
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def write_model(folder, size, drift):
    """Weights of size 0.02 that all models share, plus `drift` of its own for each `drift`."""
    hidden, inner, layers, heads, kv_heads, vocab, tied = SIZES[size]
    folder.mkdir()
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "vocab_size": vocab,
        "tie_word_embeddings": tied,
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-5,
        "torch_dtype": "bfloat16",
    }
    (folder / "config.json").write_text(json.dumps(config))
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in shapes(size).items():
        n = 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + n]}
        at += n
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        for i, shape in enumerate(shapes(size).values()):
            common = np.random.default_rng(i).standard_normal(shape, np.float32)
            x = 0.02 * common
            if drift:
                own = np.random.default_rng(1000 * drift + i).standard_normal(shape, np.float32)
                x += 0.002 * own
            file.write(bf16(x).tobytes())


def write_recipes(folder, run):
    method, densities, extra = RUNS[run]
    toml = [f'method = "{method}"', f'base = "{folder}/base"', extra]
    models = []
    for name, (weight, density) in SOURCES.items():
        toml += ["[[source]]", f'model = "{folder}/{name}"', f"weight = {weight}"]
        parameters = {"weight": weight}
        if densities:
            toml.append(f"density = {density}")
            parameters["density"] = density
        models.append({"model": f"{folder}/{name}", "parameters": parameters})
    yaml = {"merge_method": method, "dtype": "bfloat16", "models": models}
    if method == "linear":
        # The base is read as well, with nearly no weight: as many bytes for both programs.
        models.append({"model": f"{folder}/base", "parameters": {"weight": 0.01}})
        toml += ["[[source]]", f'model = "{folder}/base"', "weight = 0.01"]
    else:
        yaml["base_model"] = f"{folder}/base"
    (folder / "recipe.toml").write_text("\n".join(toml) + "\n")
    (folder / "recipe.yml").write_text(json.dumps(yaml))


def measure(command, out):
    """CPU seconds, seconds, and the peaks of anonymous and of all resident memory in GB."""
    shutil.rmtree(out, ignore_errors=True)
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    start = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
    )
    peak, done = [0], threading.Event()

    def watch():
        while not done.wait(0.005):
            try:
                with open(f"/proc/{process.pid}/status") as status:
                    lines = [line.split() for line in status if line.startswith("RssAnon")]
                    peak[0] = max([peak[0]] + [int(line[1]) for line in lines])
            except OSError:
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    errors = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    done.set()
    watcher.join()
    if process.returncode != 0:
        raise SystemExit(f"{command}: {errors[-2000:]}")
    cpu = usage.ru_utime + usage.ru_stime
    return cpu, time.monotonic() - start, peak[0] / 1e6, usage.ru_maxrss / 1e6


def main():
    here = pathlib.Path(__file__).resolve().parent.parent
    options = argparse.ArgumentParser()
    options.add_argument("--mergekit", default="mergekit-yaml")
    options.add_argument("--yosegi", default=str(here / "target/release/yosegi"))
    options.add_argument("--size", choices=SIZES, default="112M")
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--runs", nargs="*", choices=RUNS, default=list(RUNS))
    options.add_argument("--alone", action="store_true", help="yosegi only")
    options.add_argument("--folder", help="where the models are made (default: a temporary folder)")
    options = options.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        folder = pathlib.Path(folder)
        for drift, name in enumerate(["base", *SOURCES]):
            # In a process of its own: a child's peak of memory begins at what its parent had.
            writer = multiprocessing.Process(
                target=write_model, args=(folder / name, options.size, drift)
            )
            writer.start()
            writer.join()
        print(f"{options.size} × {1 + len(SOURCES)}, bfloat16, medians of {options.rounds} rounds")
        print(f"{'':28} {'CPU s':>8} {'s':>7} {'anonymous GB':>13} {'resident GB':>12}")
        for run in options.runs:
            write_recipes(folder, run)
            commands = {
                "yosegi": [options.yosegi, "merge", f"{folder}/recipe.toml", "--out", f"{folder}/y"],
                "mergekit": [options.mergekit, f"{folder}/recipe.yml", f"{folder}/m"]
                + ["--no-write-model-card", "--random-seed", "42"],
            }
            if options.alone:
                del commands["mergekit"]
            results = {name: [] for name in commands}
            for _ in range(options.rounds):
                for name, command in commands.items():
                    results[name].append(measure(command, folder / name[0]))
            medians = {}
            for name, rows in results.items():
                medians[name] = [statistics.median(column) for column in zip(*rows)]
                cpu, wall, anonymous, resident = medians[name]
                print(f"{run:28} {cpu:8.2f} {wall:7.2f} {anonymous:13.3f} {resident:12.3f}  {name}")
            if not options.alone:
                # The ratio of each round's pair, then the median of those.
                pairs = zip(results["yosegi"], results["mergekit"])
                ratio = statistics.median(m[0] / y[0] for y, m in pairs)
                (_, _, ya, yr), (_, _, ma, mr) = medians["yosegi"], medians["mergekit"]
                memory = f"memory 1/{ma / ya:.1f} anonymous, 1/{mr / yr:.1f} resident"
                print(f"{'':28} {ratio:7.1f}x CPU; {memory}", flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Models of any size made of random numbers, and what each command of yosegi costs on them.

    python3 benches/size.py [--shapes 135m,1.1b,7b] [--sources 1,2] [--dtype bf16] [--work DIR] [--keep]
        [--yosegi target/release/yosegi] [--steps inspect,merge,generate,eval,recipe,evolve]
        [--out FILE.json] [--against FILE.json] [--most GB] [--cold]

Needs numpy alone. A shape is a Llama or Mistral checkpoint in shards, with a tokenizer of bytes: weights are
random (deviation .02), norms are one, and each source is the base with a little noise, so that a merge is sane.
They are written at the speed of the disk: base + 1 source take .55 GB as 135m, 4.4 GB as 1.1b and 29 GB as 7b
in bf16, and a merge writes one more. Models that are there are used again; without --keep the new ones go.

Each step is one process with its children (a session's worker), looked at every 50 ms: wall and CPU seconds,
the most resident memory, of which anonymous (its own; the rest are pages of mapped files, which the system may
take back). Where the program can say beforehand what it needs (--dry-run --json, the memory's `total` in bytes), the
estimate and its ratio to the peak of anonymous memory stand beside. --against compares with the JSON of another
program or day. A step that takes more anonymous memory than --most (GB; by default what is available, less one),
or leaves the machine less than a quarter of a GB, is ended, before the kernel chooses what to end.
"""

import argparse
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GB = 1e9
SHARD = 4 * 10**9  # bytes of tensors in one file
# name: layers, hidden size, MLP's size, heads, heads of keys and values, vocabulary, tied, family
SHAPES = {
    "tiny": (4, 256, 512, 4, 2, 2048, True, "llama"),
    "135m": (30, 576, 1536, 9, 3, 49152, True, "llama"),
    "1.1b": (22, 2048, 5632, 32, 4, 32000, False, "llama"),
    "7b": (32, 4096, 14336, 32, 8, 32000, False, "mistral"),
}
DTYPES = {"bf16": ("BF16", "bfloat16", 2), "f16": ("F16", "float16", 2), "f32": ("F32", "float32", 4)}
STEPS = ("inspect", "merge", "generate", "eval", "recipe", "evolve")


def config(shape, dtype):
    layers, hidden, inner, heads, kv, vocab, tied, family = SHAPES[shape]
    return {
        "architectures": ["MistralForCausalLM" if family == "mistral" else "LlamaForCausalLM"],
        "model_type": family, "hidden_size": hidden, "intermediate_size": inner, "num_hidden_layers": layers,
        "num_attention_heads": heads, "num_key_value_heads": kv, "vocab_size": vocab, "tie_word_embeddings": tied,
        "hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 2048,
        "bos_token_id": 0, "eos_token_id": 1, "torch_dtype": DTYPES[dtype][1],
        **({"sliding_window": None} if family == "mistral" else {}),
    }  # fmt: skip


def tensors(shape):
    """Name and shape of each tensor, in the order of a forward pass."""
    layers, hidden, inner, heads, kv, vocab, tied, _ = SHAPES[shape]
    narrow = hidden // heads * kv
    yield "model.embed_tokens.weight", (vocab, hidden)
    for i in range(layers):
        block = f"model.layers.{i}."
        yield block + "input_layernorm.weight", (hidden,)
        for name, rows in (("q", hidden), ("k", narrow), ("v", narrow), ("o", hidden)):
            yield f"{block}self_attn.{name}_proj.weight", (rows, hidden)
        yield block + "post_attention_layernorm.weight", (hidden,)
        yield block + "mlp.gate_proj.weight", (inner, hidden)
        yield block + "mlp.up_proj.weight", (inner, hidden)
        yield block + "mlp.down_proj.weight", (hidden, inner)
    yield "model.norm.weight", (hidden,)
    if not tied:
        yield "lm_head.weight", (vocab, hidden)


def tokenizer(vocab):
    """A tokenizer.json whose words are single bytes; the rest of the vocabulary decodes but is never read."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(b if b in shown else 256 + b - sum(s < b for s in shown)) for b in range(256)]
    words = ["<|start|>", "<|end|>", *letters]
    words += [f"~{i}" for i in range(len(words), vocab)]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i, "content": words[i], **special} for i in (0, 1)],
        "normalizer": None, "pre_tokenizer": level, "post_processor": None, "decoder": level,
        "model": {"type": "BPE", "vocab": {w: i for i, w in enumerate(words)}, "merges": []},
    }  # fmt: skip


class Numbers:
    """One block of random weights that every tensor reads from another place: filling it is slow, writing is not."""

    LENGTH = 16_777_259  # a prime: rows of a tensor longer than the block do not repeat

    def __init__(self, dtype):
        import numpy
        self.np, self.dtype = numpy, dtype
        draw = numpy.random.Generator(numpy.random.SFC64(7))
        self.base = draw.standard_normal(self.LENGTH, dtype=numpy.float32) * numpy.float32(0.02)

    def stored(self, values):
        if self.dtype != "bf16":
            return values.astype(DTYPES[self.dtype][1])
        bits = values.view("uint32")
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("uint16")

    def block(self, model):
        """The block of the base (0) or of a source."""
        draw = self.np.random.Generator(self.np.random.SFC64(100 + model))
        noise = draw.standard_normal(self.LENGTH, dtype=self.np.float32) if model else self.np.float32(0)
        return self.stored(self.base + noise * self.np.float32(0.002))


def shards(shape, width):
    """Lists of (name, shape, bytes), each small enough for one file."""
    out, size = [[]], 0
    for name, dims in tensors(shape):
        n = math.prod(dims) * width
        size += n
        if out[-1] and size > SHARD:
            out, size = [*out, []], n
        out[-1].append((name, dims, n))
    return out


def write_shard(path, listed, dtype, block, ones, start):
    """One safetensors file; returns where in the block the next tensor starts."""
    header, at = {}, 0
    stored, _, width = DTYPES[dtype]
    for name, dims, n in listed:
        header[name] = {"dtype": stored, "shape": list(dims), "data_offsets": [at, at + n]}
        at += n
    text = (text := json.dumps(header).encode()) + b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, dims, n in listed:
            left = n // width
            if len(dims) == 1:
                ones[:left].tofile(file)
                left = 0
            while left:
                part = block[start : start + left]
                part.tofile(file)
                left, start = left - len(part), (start + len(part)) % len(block)
    return start


def make_model(folder, shape, dtype, model, numbers):
    """A whole checkpoint; config.json is written last, and says that it is whole."""
    begun = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    block, ones = numbers.block(model), numbers.stored(numbers.np.ones(65536, dtype="float32"))
    parts = shards(shape, DTYPES[dtype][2])
    where, start = {}, 0
    for i, listed in enumerate(parts, 1):
        name = f"model-{i:05}-of-{len(parts):05}.safetensors" if len(parts) > 1 else "model.safetensors"
        start = write_shard(folder / name, listed, dtype, block, ones, start)
        where |= {t: name for t, _, _ in listed}
    total = sum(n for listed in parts for _, _, n in listed)
    if len(parts) > 1:
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer(SHAPES[shape][5])))
    (folder / "tokenizer_config.json").write_text('{"bos_token": "<|start|>", "eos_token": "<|end|>"}')
    (folder / "generation_config.json").write_text('{"eos_token_id": 1}')
    (folder / "config.json").write_text(json.dumps(config(shape, dtype), indent=1))
    print(f"  made {folder}: {total / GB:.2f} GB in {time.monotonic() - begun:.1f} s", file=sys.stderr)


def kin(root):
    """A process and all below it."""
    parents, found = {}, [root]
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            parents[int(entry)] = int(Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            pass  # ended meanwhile
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def memory_of(pids):
    """Bytes of (resident, anonymous) of these processes together now; resident: no less than one ever had."""
    resident = anonymous = highest = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue
        kb = {k: int(v.split()[0]) for k, _, v in (line.partition(":") for line in lines) if v.endswith(" kB")}
        resident += kb.get("VmRSS", 0) * 1024
        anonymous += (kb.get("RssAnon", 0) + kb.get("RssShmem", 0)) * 1024
        highest = max(highest, kb.get("VmHWM", 0) * 1024)
    return max(resident, highest), anonymous


def available():
    """Bytes that the machine has to spare."""
    return int(Path("/proc/meminfo").read_text().partition("MemAvailable:")[2].split()[0]) * 1024


def measured(command, environment, most, log):
    """Runs a command to its end and says what it took."""
    begun = time.monotonic()
    with open(log, "wb") as out:
        quiet = {"stdout": out, "stderr": out, "stdin": subprocess.DEVNULL, "start_new_session": True}
        process = subprocess.Popen(command, env=environment, **quiet)
    resident = anonymous = stopped = ended = 0
    while not ended:
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        now = memory_of(kin(process.pid))
        resident, anonymous = max(resident, now[0]), max(anonymous, now[1])
        if not stopped and (anonymous > most or available() < GB / 4):
            os.killpg(process.pid, signal.SIGKILL)
            stopped = True
        time.sleep(0 if ended else 0.05)
    process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "status": process.returncode, "stopped": bool(stopped), "wall_s": round(time.monotonic() - begun, 2),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2), "resident": resident, "anonymous": anonymous,
        "said": log.read_text(errors="replace")[-400:] if process.returncode else "",
    }  # fmt: skip


def estimate(command, environment):
    """What the program says beforehand that it will need, in bytes; none where it cannot say."""
    ran = subprocess.run([*command, "--dry-run", "--json"], env=environment, capture_output=True, text=True)
    try:
        plan = json.loads(ran.stdout)
        plans = plan.get("setup", plan)["memory"]  # a session's, or one for each model
        return max(one["total"] for one in (plans if isinstance(plans, list) else [plans]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def forget(folder):
    """Lets the system forget what it read of the models."""
    os.sync()
    for path in folder.rglob("*.safetensors"):
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def commands(yosegi, models, run):
    """Each step's command line."""
    task = 'name = "sums"\nprompt = "Q: {{ question }}\\nA:"\nmax_new_tokens = 3\nscorer = "number"\nlanguage = "none"\n'
    for split, numbers in (("train", (3, 8)), ("test", (4, 9))):
        asked = [{"question": f"{n} + {n} =", "answer": str(2 * n)} for n in numbers]
        (run / f"{split}.jsonl").write_text("".join(json.dumps(q) + "\n" for q in asked))
        task += f'[{split}]\ndata = "{run}/{split}.jsonl"\n'
    (run / "task.toml").write_text(task)
    base, *sources = models
    recipe = f'method = "ties"\nbase = "{base}"\n'
    recipe += "".join(f'[[source]]\nmodel = "{m}"\nweight = 0.5\ndensity = 0.5\n' for m in sources)
    (run / "recipe.toml").write_text(recipe)
    (run / "edited.toml").write_text(recipe.replace("weight = 0.5", "weight = 0.7", 1))
    (run / "session.toml").write_text(
        f'name = "size"\nseed = 1\ndevice = "cpu"\n'
        f'[pool]\nbase = "{base}"\nsources = {json.dumps(list(map(str, sources)))}\n'
        f'[task]\nuse = "{run}/task.toml"\nfitness = "acc"\ntrain_limit = 2\ntest_limit = 2\n'
        '[space]\nmethod = "ties"\ngroups = "layer"\nweight = { min = 0.0, max = 1.0 }\ndensity = 0.5\n'
        '[search]\nalgorithm = "random"\npopulation = 2\n[budget]\nevaluations = 2\n'
    )
    short = ["--prompt", "Three plus four is", "--max-tokens", "3", "--device", "cpu"]
    return {
        "inspect": [yosegi, "inspect", base],
        "merge": [yosegi, "merge", run / "recipe.toml", "--out", run / "merged"],
        "generate": [yosegi, "generate", base, *short],
        "eval": [yosegi, "eval", base, "--task", run / "task.toml", "--limit", "2", "--device", "cpu"],
        "recipe": [yosegi, "generate", run / "edited.toml", *short],
        "evolve": [yosegi, "evolve", run / "session.toml", "--headless"],
    }


def show(row, before):
    gb = lambda n: "" if n is None else f"{n / GB:.2f}"  # noqa: E731
    end = "over --most" if row["stopped"] else f"status {row['status']}" if row["status"] else ""
    cells = [row["shape"], row["sources"], row["step"], f"{row['wall_s']:.1f}", f"{row['cpu_s']:.1f}",
             gb(row["resident"]), gb(row["anonymous"]), gb(row["estimate"]),
             f"{row['estimate'] / row['anonymous']:.2f}" if row["estimate"] and row["anonymous"] else "", end]  # fmt: skip
    if old := before.get((row["shape"], row["sources"], row["dtype"], row["step"])):
        cells += [f"{old['wall_s']:.1f}", gb(old["anonymous"])]
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def main():
    add = (parser := argparse.ArgumentParser(description=__doc__.splitlines()[0])).add_argument
    add("--shapes", default="135m", help=f"of {', '.join(SHAPES)}")
    add("--sources", default="1", help="numbers of sources beside the base")
    add("--dtype", default="bf16", choices=DTYPES)
    add("--work", type=Path, default=Path("size-work"))
    add("--yosegi", type=Path, default=ROOT / "target/release/yosegi")
    add("--steps", default=",".join(STEPS))
    add("--most", type=float, help="GB of anonymous memory that a step may take")
    add("--out", type=Path, help="where the JSON goes; by default WORK/size.json")
    add("--against", type=Path, help="the JSON of an earlier run, shown beside")
    add("--cold", action="store_true", help="forget the models' pages before each step")
    add("--keep", action="store_true", help="leave the models and what was written")
    args = parser.parse_args()
    shapes, steps, counts = args.shapes.split(","), args.steps.split(","), [*map(int, args.sources.split(","))]
    if unknown := [s for s in shapes if s not in SHAPES] + [s for s in steps if s not in STEPS]:
        parser.error(f"unknown: {', '.join(unknown)}; shapes are {', '.join(SHAPES)}, steps {', '.join(STEPS)}")
    (work := args.work.resolve()).mkdir(parents=True, exist_ok=True)
    earlier = json.loads(args.against.read_text())["rows"] if args.against else []
    before = {(r["shape"], r["sources"], r["dtype"], r["step"]): r for r in earlier}
    made, rows = [], []
    heads = "shape | sources | step | wall s | CPU s | resident GB | anonymous GB | estimate GB | estimate / peak | end"
    heads += " | wall s before | anonymous before" if args.against else ""
    print(f"| {heads} |\n|" + "---|" * (heads.count("|") + 1))
    for shape in shapes:
        folder = work / f"{shape}-{args.dtype}"
        names = ["base", *(f"source{i}" for i in range(1, max(counts) + 1))]
        missing = [i for i, name in enumerate(names) if not (folder / name / "config.json").exists()]
        made += [folder / names[i] for i in missing]
        numbers = Numbers(args.dtype) if missing else None
        for i in missing:
            make_model(folder / names[i], shape, args.dtype, i, numbers)
        numbers = None
        for count in counts:
            run = work / "run"
            shutil.rmtree(run, ignore_errors=True)
            run.mkdir()
            environment = {**os.environ, "YOSEGI_HOME": str(run / "home"), "HF_HUB_OFFLINE": "1"}
            lines = commands(args.yosegi.resolve(), [folder / n for n in names[: count + 1]], run)
            for step in steps:
                if step in ("inspect", "generate", "eval") and count != counts[0]:
                    continue  # sources play no part
                if args.cold:
                    forget(folder)
                row = {"shape": shape, "sources": count, "dtype": args.dtype, "step": step}
                row["estimate"] = estimate(lines[step], environment)
                most = args.most * GB if args.most else available() - GB
                row |= measured(lines[step], environment, most, run / f"{step}.log")
                rows.append(row)
                show(row, before)
                shutil.rmtree(run / "merged", ignore_errors=True)
            about = {"yosegi": str(args.yosegi), "cores": os.cpu_count(), "taken": time.strftime("%F %T")}
            (args.out or work / "size.json").write_text(json.dumps({**about, "rows": rows}, indent=1))
        for path in [] if args.keep else [*made, work / "run"]:
            shutil.rmtree(path, ignore_errors=True)
    for row in (row for row in rows if row["status"]):
        print(f"{row['shape']} {row['step']}: {row['said'].strip()}", file=sys.stderr)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Greedy decoding on the CPU beside transformers on torch and llama.cpp: the same weights in f32 (or, with
--precision bf16, in bfloat16 without llama.cpp), the same prompts, the same threads, run after each other, round by
round.

    cargo build --release
    python benches/against_transformers.py [--smollm2 FOLDER] [--gguf FILE.gguf] [--rounds 3] [--threads 2]
                                           [--precision f32]

Needs torch, transformers and numpy; with --gguf, llama-cpp-python and gguf too. Two settings, each 128 new
tokens a prompt: the bundled `zoo:base` with a batch of 128, and, with --smollm2 (a folder that
`tests/golden/smollm2/make.py` makes), SmolLM2-135M with a batch of 64 prompts of mixed length. --gguf is the
file that it was made from; it is written again in f32 for llama.cpp.

Yosegi's time is the whole process's with loading, that of the others the decoding alone, after a first short
call; both wall and CPU seconds. No sequence ends before its 128 tokens. Prints each round, and the ratios of
medians; how many sequences have transformers' very tokens stands beside.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEW = 128
WORDS = (
    "the sea and its tides are moved by moon every day while people in small towns write letters about rain "
    "bread trains birds and light"
).split()
KANA = "りんごがあります。みかんはいくつですか。箱に本を入れて、友だちにあげました。"


def english(i):
    return " ".join(WORDS[(i * 7 + j * (1 + i % 5)) % len(WORDS)] for j in range(12 + i * 37 % 80))


def japanese(i):
    return "".join(KANA[(i * 5 + j * (1 + i % 3)) % len(KANA)] for j in range(20 + i * 37 % 60))


def used(who):
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def without_end(source, folder):
    """The checkpoint with an end-of-text token that greedy decoding here does not choose."""
    shutil.copytree(source, folder, dirs_exist_ok=True)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["eos_token_id"] = config["vocab_size"] - 1
    path.write_text(json.dumps(config))
    (folder / "generation_config.json").unlink(missing_ok=True)


def yosegi(args, folder, prompts):
    command = [args.yosegi, "generate", folder, "--prompts", prompts, "--max-tokens", str(NEW), "--json"]
    env = {**os.environ, "RAYON_NUM_THREADS": str(args.threads)}
    began, before = time.perf_counter(), used(resource.RUSAGE_CHILDREN)
    done = subprocess.run([*command, "--device", "cpu", "--precision", args.precision], env=env, capture_output=True, text=True, check=True)
    figures = {"wall": time.perf_counter() - began, "cpu": used(resource.RUSAGE_CHILDREN) - before}
    return figures, [json.loads(line)["text"] for line in done.stdout.splitlines()]


def token_ids(folder, prompts):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    texts = [json.loads(line)["prompt"] for line in open(prompts)]
    return tokenizer, [tokenizer.encode(text).ids for text in texts]


def transformers(folder, prompts, precision, threads):
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(threads)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype={"f32": torch.float32, "bf16": torch.bfloat16}[precision]).eval()
    tokenizer, ids = token_ids(folder, prompts)
    width = max(map(len, ids))
    x = torch.tensor([[0] * (width - len(i)) + i for i in ids])
    mask = torch.tensor([[0] * (width - len(i)) + [1] * len(i) for i in ids])
    settings = dict(do_sample=False, pad_token_id=0)
    with torch.inference_mode():
        model.generate(x[:, -8:], attention_mask=mask[:, -8:], max_new_tokens=2, **settings)
        began, before = time.perf_counter(), used(resource.RUSAGE_SELF)
        out = model.generate(x, attention_mask=mask, max_new_tokens=NEW, **settings)
        figures = {"wall": time.perf_counter() - began, "cpu": used(resource.RUSAGE_SELF) - before}
    assert out.shape[1] == width + NEW, out.shape
    return figures, [tokenizer.decode(o[width:].tolist()) for o in out]


def in_f32(source, target):
    """The GGUF file with all tensors in f32."""
    import gguf

    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
            continue
        kind, *rest = field.types
        writer.add_key_value(name, field.contents(), kind, rest[-1] if rest else None)
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype("float32")
        writer.add_tensor(tensor.name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def llama_cpp(file, folder, prompts, threads):
    """All sequences side by side through llama.cpp's own batches; the largest logit by numpy."""
    import llama_cpp
    import numpy

    tokenizer, ids = token_ids(folder, prompts)
    silent = llama_cpp.llama_log_callback(lambda *_: None)  # held for as long as it may be called
    llama_cpp.llama_log_set(silent, None)
    llama_cpp.llama_backend_init()
    model = llama_cpp.llama_model_load_from_file(str(file).encode(), llama_cpp.llama_model_default_params())
    params = llama_cpp.llama_context_default_params()
    longest = max(map(len, ids)) + NEW
    params.n_ctx, params.n_seq_max = len(ids) * (longest + 8), len(ids)
    params.n_batch = params.n_ubatch = 512
    params.n_threads = params.n_threads_batch = threads
    context = llama_cpp.llama_init_from_model(model, params)
    assert context, "llama.cpp has no room for this batch"
    vocab = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
    batch = llama_cpp.llama_batch_init(params.n_batch, 0, 1)

    def decode(entries):
        """Entries are (token, position, sequence, whether its logits are wanted)."""
        chosen = {}
        for start in range(0, len(entries), params.n_batch):
            part = entries[start : start + params.n_batch]
            batch.n_tokens = len(part)
            for i, (token, position, sequence, wanted) in enumerate(part):
                batch.token[i], batch.pos[i], batch.logits[i] = token, position, wanted
                batch.n_seq_id[i], batch.seq_id[i][0] = 1, sequence
            assert llama_cpp.llama_decode(context, batch) == 0
            for i, (_, _, sequence, wanted) in enumerate(part):
                if wanted:
                    logits = llama_cpp.llama_get_logits_ith(context, i)
                    chosen[sequence] = int(numpy.ctypeslib.as_array(logits, (vocab,)).argmax())
        return chosen

    began, before = time.perf_counter(), used(resource.RUSAGE_SELF)
    entries = [(t, j, s, j == len(row) - 1) for s, row in enumerate(ids) for j, t in enumerate(row)]
    last = decode(entries)
    answers = [[last[s]] for s in range(len(ids))]
    for step in range(NEW - 1):
        last = decode([(answers[s][-1], len(ids[s]) + step, s, True) for s in range(len(ids))])
        for s, answer in enumerate(answers):
            answer.append(last[s])
    figures = {"wall": time.perf_counter() - began, "cpu": used(resource.RUSAGE_SELF) - before}
    return figures, [tokenizer.decode(a) for a in answers]


def peer(name, *rest):
    """A peer in a process of its own."""
    command = [sys.executable, __file__, "--peer", name, *map(str, rest)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(args, name, folder, prompts, count, file):
    print(f"{name}: {count} prompts, {NEW} new tokens each, {args.precision}, {args.threads} threads", flush=True)
    peers = {"transformers": lambda: peer("transformers", folder, prompts, args.precision, args.threads)}
    if file:
        peers["llama.cpp"] = lambda: peer("llama.cpp", file, folder, prompts, args.threads)
    rounds = {who: [] for who in ("yosegi", *peers)}
    for _ in range(args.rounds):
        ours, texts = yosegi(args, folder, prompts)
        rounds["yosegi"].append(ours)
        for who, run in peers.items():
            figures, theirs = run()
            figures["same"] = sum(a == b for a, b in zip(texts, theirs, strict=True))
            rounds[who].append(figures)
        line = "; ".join(f"{who} {r[-1]['wall']:.2f} s, {r[-1]['cpu']:.2f} CPU s" for who, r in rounds.items())
        print(f"  {line}", flush=True)
    median = lambda who, key: statistics.median(r[key] for r in rounds[who])
    print(f"  yosegi: {count * NEW / median('yosegi', 'wall'):.0f} tokens/s, loading and start with it")
    for who in peers:
        wall, cpu = (median(who, key) / median("yosegi", key) for key in ("wall", "cpu"))
        same = rounds[who][-1]["same"]
        print(f"  {who}: {count * NEW / median(who, 'wall'):.0f} tokens/s; yosegi is {wall:.2f} times as fast "
              f"({cpu:.2f} by CPU time); {same} of {count} answers are the same")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--yosegi", default=ROOT / "target/release/yosegi", type=Path)
    parser.add_argument("--smollm2", type=Path)
    parser.add_argument("--gguf", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--peer", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peer:
        name, *rest = args.peer
        threads = int(rest.pop())
        run = {"transformers": transformers, "llama.cpp": llama_cpp}[name]
        print(json.dumps(run(*rest, threads)))
        return
    with tempfile.TemporaryDirectory() as kept:
        kept = Path(kept)
        subprocess.run([args.yosegi, "zoo", "--out", kept / "all"], check=True, capture_output=True)
        settings = [("zoo:base", kept / "all/base", 128, japanese, None)]
        if args.smollm2:
            file = None
            if args.gguf and args.precision == "f32":
                file = kept / "f32.gguf"
                in_f32(args.gguf, file)
            settings.append(("SmolLM2-135M", args.smollm2, 64, english, file))
        for name, source, count, text, file in settings:
            folder, prompts = kept / name.replace(":", "-"), kept / "prompts.jsonl"
            without_end(source, folder)
            prompts.write_text("".join(json.dumps({"prompt": text(i)}) + "\n" for i in range(count)))
            compare(args, name, folder, prompts, count, file)


main()

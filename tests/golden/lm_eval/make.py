"""Log-likelihoods and accuracies of lm-evaluation-harness on a tiny checkpoint, made here from a seed.

python make.py DATA    (lm_eval, transformers; DATA holds jglue/ and xwinograd_ja/ as published)

Writes model/ (random weights, the byte-level tokenizer of ../transformers) and golden.json beside itself:
for each task the accuracy and, row by row, an id with the log-likelihoods of its choices. No text of the
published data is written. `own` is a task on own.jsonl, a few rows made up for this test.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_CACHE"] = tempfile.mkdtemp()

import datasets
import lm_eval
import torch
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

HERE = Path(__file__).parent
DATA = Path(sys.argv[1])
ROWS = 200
DESCRIPTION = "[問題]に対する[答え]を[選択肢]の中から選んでください。\n\n"


def model():
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=320, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=3072, rope_theta=10000.0, tie_word_embeddings=False,
        bos_token_id=0, eos_token_id=1, initializer_range=0.35,
    )
    model = LlamaForCausalLM(config).eval()
    model.save_pretrained(HERE / "model")
    source = HERE.parent / "transformers/tied-gqa/tokenizer.json"
    (HERE / "model/tokenizer.json").write_bytes(source.read_bytes())
    spellings = {token["id"]: token["content"] for token in json.loads(source.read_text())["added_tokens"]}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(source), bos_token=spellings[0], eos_token=spellings[1]
    )
    (HERE / "model/generation_config.json").unlink(missing_ok=True)
    return HFLM(pretrained=model, tokenizer=tokenizer, batch_size=8)


def choices(row):
    return [row[f"choice{i}"] for i in range(5)]


def question(row):
    return f"[問題]:{row['question']}\n[選択肢]:[{', '.join(choices(row))}]\n[答え]:"


def task(name, data, train, **more):
    """A multiple-choice task on lists of rows."""
    return {
        "task": name,
        "custom_dataset": lambda **_: {"test": datasets.Dataset.from_list(data), "train": datasets.Dataset.from_list(train)},
        "test_split": "test", "training_split": "train", "fewshot_split": "train",
        "output_type": "multiple_choice", "target_delimiter": "", "fewshot_delimiter": "\n\n",
        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
        **more,
    }


def sentences(line):
    cells = line.rstrip("\n").split("\t")
    words, pronoun, candidates = (json.loads(cell) for cell in cells[4:7])
    start, end = pronoun[1]
    both = ["".join(words[:start]) + c[0] + "".join(words[end:]) for c in candidates]
    return {"id": "", "one": both[0], "two": both[1], "label": 0 if candidates[0][3] else 1}


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def main():
    lm = model()
    commonsense = {
        "doc_to_text": question, "doc_to_choice": choices, "doc_to_target": "label", "description": DESCRIPTION,
        "num_fewshot": 3,
    }
    own = read(HERE / "own.jsonl")
    valid = read(DATA / "jglue/jcommonsenseqa-valid-v1.3.json")[:ROWS]
    train = read(DATA / "jglue/jcommonsenseqa-train-v1.3.json")
    wino = [sentences(line) for line in (DATA / "xwinograd_ja/jp.tsv").read_text().splitlines()[:ROWS]]
    for i, row in enumerate(wino):
        row["id"] = str(i + 1)
    tasks = [
        task("own", own[6:], own[:6], **commonsense),
        task("jcommonsenseqa", valid, train, **commonsense),
        task("xwinograd_ja", wino, [], doc_to_text="", doc_to_choice="{{[one, two]}}", doc_to_target="label"),
    ]
    tasks[2].pop("training_split"), tasks[2].pop("fewshot_split")
    found = lm_eval.simple_evaluate(
        model=lm, tasks=tasks, log_samples=True, task_manager=TaskManager(), bootstrap_iters=0, verbosity="ERROR",
        random_seed=0, numpy_random_seed=0, torch_random_seed=0, fewshot_random_seed=1234,
    )
    out = {}
    for name, samples in found["samples"].items():
        rows = []
        for sample in sorted(samples, key=lambda s: s["doc_id"]):
            doc = sample["doc"]
            key = str(doc.get("q_id", doc.get("id")))
            pairs = [r[0] if isinstance(r[0], (list, tuple)) else r for r in sample["filtered_resps"]]
            rows.append({
                "id": key,
                "log_likelihoods": [round(float(p[0]), 6) for p in pairs],
                "greedy": [str(p[1]) == "True" for p in pairs],
            })
        result = found["results"][name]
        out[name] = {"acc": result["acc,none"], "acc_norm": result["acc_norm,none"], "rows": rows}
        print(name, len(rows), result["acc,none"], result["acc_norm,none"])
    (HERE / "golden.json").write_text(json.dumps(out) + "\n")


main()

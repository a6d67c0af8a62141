"""Greedy tokens of the bundled models, and of one merge of them, by Hugging Face transformers.

    pip install torch transformers
    cargo run --release -- zoo --out /tmp/zoo
    cargo run --release -- merge configs/recipes/uniform.toml --out /tmp/zoo/uniform
    python tests/golden/zoo/make.py /tmp/zoo > tests/golden/zoo/greedy.json

Everything in float32 from the bf16 weights, one prompt at a time, so that no padding or batching
of the reference can play a part. `tests/zoo_parity.rs` compares.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

MODELS = ["base", "ja", "math-add", "math-mul", "uniform"]
PROMPTS = 100
NEW_TOKENS = 64


def main() -> None:
    zoo = Path(sys.argv[1])
    task = Path(__file__).parents[3] / "zoo" / "task" / "test.jsonl"
    template = (Path(__file__).parent / "prompt.txt").read_text(encoding="utf-8").rstrip("\n")
    questions = [json.loads(line)["question"] for line in task.read_text(encoding="utf-8").splitlines()]
    prompts = [template.replace("{{ question }}", q).replace("\\n", "\n") for q in questions[:PROMPTS]]
    torch.manual_seed(0)
    out = {"new_tokens": NEW_TOKENS, "prompts": prompts, "tokens": {}}
    for name in MODELS:
        tokenizer = AutoTokenizer.from_pretrained(zoo / name)
        model = AutoModelForCausalLM.from_pretrained(zoo / name, dtype=torch.float32).eval()
        rows = []
        for prompt in prompts:
            ids = tokenizer(prompt, return_tensors="pt").input_ids
            with torch.no_grad():
                full = model.generate(
                    ids,
                    attention_mask=torch.ones_like(ids),
                    do_sample=False,
                    max_new_tokens=NEW_TOKENS,
                    pad_token_id=0,
                )
            new = full[0, ids.shape[1] :].tolist()
            eos = model.generation_config.eos_token_id
            ends = set(eos if isinstance(eos, list) else [eos])
            while new and new[-1] in ends:
                new.pop()
            rows.append(new)
        out["tokens"][name] = rows
        print(f"{name}: {sum(map(len, rows))} tokens", file=sys.stderr)
    json.dump(out, sys.stdout, ensure_ascii=False, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()

"""First-token logits and greedy tokens of bundled models in bfloat16, by Hugging Face transformers.

    pip install torch transformers
    cargo run --release -- zoo --out /tmp/zoo
    python tests/golden/zoo/make_bf16.py /tmp/zoo > tests/golden/zoo/bf16.json

Weights and activations in bfloat16 on the CPU, one prompt at a time; the prompts are the first of `greedy.json`.
`tests/bf16_parity.rs` compares. Logits of every fifth prompt alone, each with six significant digits: bfloat16 has three.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

MODELS = ["base", "ja", "math-add", "math-mul"]
PROMPTS = 50
LOGITS_OF_EVERY = 5
NEW_TOKENS = 16


def main() -> None:
    torch.set_num_threads(1)
    zoo = Path(sys.argv[1])
    greedy = json.loads((Path(__file__).parent / "greedy.json").read_text(encoding="utf-8"))
    out = {"new_tokens": NEW_TOKENS, "prompts": greedy["prompts"][:PROMPTS], "models": {}}
    for name in MODELS:
        tokenizer = AutoTokenizer.from_pretrained(zoo / name)
        model = AutoModelForCausalLM.from_pretrained(zoo / name, dtype=torch.bfloat16).eval()
        tokens, logits = [], []
        for place, prompt in enumerate(out["prompts"]):
            ids = tokenizer(prompt, return_tensors="pt").input_ids
            with torch.no_grad():
                if place % LOGITS_OF_EVERY == 0:
                    last = model(ids).logits[0, -1].float()
                    logits.append([float(f"{x:.6g}") for x in last.tolist()])
                full = model.generate(
                    ids,
                    attention_mask=torch.ones_like(ids),
                    do_sample=False,
                    max_new_tokens=NEW_TOKENS,
                    pad_token_id=0,
                )
            tokens.append(full[0, ids.shape[1] :].tolist())
        out["models"][name] = {"tokens": tokens, "logits": logits}
    json.dump(out, sys.stdout, ensure_ascii=False, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()

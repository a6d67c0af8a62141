"""Makes folded.json beside this file: what transformers says of paths that Yosegi folded.

    cargo build --release
    python folded.py target/release/yosegi

Needs torch and transformers (made with 2.15 and 5.23). Each recipe beside this file is exported
by `yosegi merge` and loaded by transformers as the stock model that its config names, with no code of
ours; kept are greedy tokens, which `tests/paths.rs` compares with the path as Yosegi runs it.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import torch
import transformers
from transformers import AutoModelForCausalLM, LlamaForCausalLM

HERE = pathlib.Path(__file__).parent
NEW_TOKENS, PROMPTS, MARGIN = 48, 8, 5e-2


@torch.no_grad()
def main() -> None:
    cases = json.loads((HERE / "greedy.json").read_text())["cases"]
    prompts = next(c for c in cases if c["name"] == "scaled")["prompts"]
    out = {"transformers": transformers.__version__, "max_new_tokens": NEW_TOKENS, "cases": []}
    for recipe in sorted(HERE.glob("*.toml")):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.argv[1], "merge", str(recipe), "--out", folder + "/m"]
            print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
            model = AutoModelForCausalLM.from_pretrained(folder + "/m", dtype=torch.float32).eval()
            assert type(model) is LlamaForCausalLM
        told = []
        for prompt in prompts:
            ids = torch.tensor([prompt])
            said = model.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=NEW_TOKENS, pad_token_id=0,
            )
            top = model(said).logits[0, len(prompt) - 1 : -1].topk(2).values
            # bfloat16 rounds the folded weights: a token that hangs on that says nothing.
            if (top[:, 0] - top[:, 1]).min() > MARGIN:
                told.append((prompt, said[0, len(prompt) :].tolist()))
        assert len(told) >= PROMPTS // 2, f"{recipe}: {len(told)} prompts are clear of ties"
        case = {"recipe": recipe.name, "prompts": [p for p, _ in told], "greedy": [t for _, t in told]}
        out["cases"].append(case)
        print(f"{recipe.name}: {len(told)} prompts")
    (HERE / "folded.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")


main()

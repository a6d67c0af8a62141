"""Makes golden.json beside this file: what transformers answers with a repetition penalty, with beams,
and which tokens it may draw, on the tiny models of ../transformers.

    python make.py

Needs torch and transformers (made with 2.15 and 5.24). All in f32, one prompt at a time. Prompts
where a choice hangs on less than MARGIN are left out, so that the tokens are a fact about the model.
"""

import json
import pathlib

import torch
import transformers
from transformers import AutoModelForCausalLM, LogitsProcessor, LogitsProcessorList
from transformers.generation.logits_process import (
    RepetitionPenaltyLogitsProcessor, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper,
)

HERE = pathlib.Path(__file__).parent
MODELS = HERE.parent / "transformers"
NAMES = ["tied-gqa", "sliding", "qwen3", "gemma2"]
MARGIN = 3e-4
PENALTIES = [{"repetition_penalty": p, "max_new_tokens": 64} for p in (1.2, 1.5, 0.8)]
BEAMS = [
    {"num_beams": 5, "repetition_penalty": 1.5, "max_new_tokens": 40},
    {"num_beams": 5, "repetition_penalty": 1.5, "length_penalty": 1.5, "max_new_tokens": 40},
    {"num_beams": 3, "max_new_tokens": 40, "early_stopping": True},
    {"num_beams": 4, "max_new_tokens": 40, "length_penalty": 2.0, "early_stopping": "never"},
    {"num_beams": 2, "max_new_tokens": 24, "length_penalty": -1.0},
    {"num_beams": 3, "max_new_tokens": 24, "length_penalty": 0.0, "early_stopping": "never"},
]
DRAWS = [
    {"temperature": 0.7},
    {"temperature": 1.3, "top_k": 20},
    {"temperature": 1.0, "top_p": 0.9},
    {"temperature": 0.8, "top_k": 40, "top_p": 0.95, "repetition_penalty": 1.3},
    {"temperature": 2.0, "top_p": 0.3},
]


class Margin(LogitsProcessor):
    """How far the second best is behind, at the worst step."""

    def __init__(self):
        self.worst = float("inf")

    def __call__(self, ids, scores):
        top = scores.topk(2).values[0]
        self.worst = min(self.worst, (top[0] - top[1]).item())
        return scores


def run(model, prompt, eos, options, noise=0.0):
    """The answer; `noise` shakes the logits, which must not change it."""
    margin = Margin()
    head = model.lm_head.weight
    kept = head.detach().clone()
    if noise:
        head.data.mul_(1 + noise * torch.randn(head.shape, generator=torch.Generator().manual_seed(7)))
    out = model.generate(
        torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), do_sample=False,
        pad_token_id=1, eos_token_id=eos, logits_processor=LogitsProcessorList([margin]), **options,
    )[0, len(prompt):].tolist()
    head.data.copy_(kept)
    # What beams leave behind the end is padding.
    for i, token in enumerate(out):
        if token in eos:
            out = out[: i + 1]
            break
    return out, margin.worst


def pick(model, prompts, eos, options, count):
    """Prompts with answers that no rounding can change."""
    found = []
    for i, prompt in enumerate(prompts):
        tokens, margin = run(model, prompt, eos, options)
        firm = all(run(model, prompt, eos, options, noise)[0] == tokens for noise in (1e-5,))
        if firm and (options.get("num_beams", 1) > 1 or margin > MARGIN):
            found.append({"prompt": i, "tokens": tokens})
        if len(found) == count:
            break
    return found


@torch.no_grad()
def main() -> None:
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    out = {"transformers": transformers.__version__, "models": []}
    for name in NAMES:
        model = AutoModelForCausalLM.from_pretrained(MODELS / name, dtype=torch.float32, attn_implementation="eager").eval()
        prompts = json.loads((MODELS / name / "golden.json").read_text())["prompts"]
        # A random model hardly ever says its one end token: more of them make answers of all lengths.
        ends = [1, *range(10, 26)]
        cases = []
        for options in PENALTIES:
            cases.append({"options": options, "eos": [1], "answers": pick(model, prompts, [1], options, 6)})
        for options in BEAMS:
            for eos in ([1, 10, 11, 12], ends):
                cases.append({"options": options, "eos": eos, "answers": pick(model, prompts, eos, options, 2)})
        draws = []
        for options in DRAWS:
            for i in range(3):
                ids = torch.tensor([prompts[i]])
                scores = model(ids).logits[:, -1]
                if "repetition_penalty" in options:
                    scores = RepetitionPenaltyLogitsProcessor(options["repetition_penalty"])(ids, scores)
                scores = TemperatureLogitsWarper(options["temperature"])(ids, scores)
                if "top_k" in options:
                    scores = TopKLogitsWarper(options["top_k"])(ids, scores)
                before = scores
                if "top_p" in options:
                    scores = TopPLogitsWarper(options["top_p"])(ids, scores)
                    near = before.softmax(-1).sort(descending=True).values.cumsum(-1) - options["top_p"]
                    assert near.abs().min() > 1e-5, "the border is too near: change top_p"
                p = scores.softmax(-1)[0]
                kept = p.nonzero()[:, 0].tolist()
                draws.append({
                    "options": options, "prompt": i, "tokens": kept,
                    "probabilities": [float(f"{p[t]:.6g}") for t in kept],
                })
        out["models"].append({"name": name, "cases": cases, "draws": draws})
        lengths = [len(a["tokens"]) for c in cases for a in c["answers"]]
        print(name, len(cases), "cases", len(lengths), "answers, mean length", sum(lengths) / len(lengths), flush=True)
    (HERE / "golden.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")


main()

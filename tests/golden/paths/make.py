"""Makes greedy.json beside this file: what transformers says when layers run in another order.

    python make.py

Needs torch and transformers (made with 2.15 and 5.23). Each case is a list of models, of which the
first gives embedding, final norm, head and rotary table, and a list of steps [model, layer, scale].
The reference is a transformers model whose `layers` are copies of the layers named, one a step, with
`layer_idx` counted along the path; a hook multiplies a step's input by its scale (x *= w before the
block) and, where a step's own model turns at another rate, hands it that model's rotary table.
Float32 from the stored weights, one prompt at a time.

Models are folders of this repository; `"@key=value"` after a folder changes a number in its config.
"""

import copy
import json
import pathlib

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[2]
NEW_TOKENS, PROMPTS = 48, 8
# As in ../transformers: a smaller lead at any step leaves the token to the order of a sum.
MARGIN = 3e-4

BASE, JA, ADD = "zoo/base", "zoo/ja", "zoo/math-add"
GQA, BIAS, SLIDING = (f"tests/golden/transformers/{n}" for n in ("tied-gqa", "untied-bias", "sliding"))


def plain(*steps):
    return [[m, layer, 1.0] for m, layer in steps]


def own(model, layers):
    return plain(*((model, i) for i in range(layers)))


CASES = {
    "stock": ([BASE], own(0, 5)),
    "repeated": ([BASE], plain((0, 0), (0, 1), (0, 2), (0, 1), (0, 2), (0, 3), (0, 3), (0, 4))),
    "two models": ([BASE, JA], plain((0, 0), (0, 1), (1, 1), (1, 2), (0, 3), (1, 3), (0, 4))),
    "scaled": (
        [BASE, JA, ADD],
        [[0, 0, 1.0], [0, 1, 0.75], [1, 1, 1.3], [2, 2, 0.9], [1, 3, -0.8], [0, 3, -1.1], [2, 4, 1.25]],
    ),
    "powers of two": (
        [BASE, JA, ADD],
        [[0, 0, 2.0], [1, 1, 0.5], [2, 1, -0.5], [0, 2, 1.0], [1, 3, -2.0], [2, 4, 0.25]],
    ),
    "no layer of the first": ([BASE, ADD], own(1, 5)),
    "other rotation and epsilon": (
        [BASE, JA + "@rope_theta=500", ADD + "@rms_norm_eps=0.01"],
        plain((0, 0), (1, 1), (2, 1), (1, 2), (0, 3), (2, 4)),
    ),
    "random, repeated": ([GQA], [[0, 1, 1.0], [0, 0, 0.7], [0, 1, 1.0], [0, 0, 1.0], [0, 1, -1.5]]),
    "random, biases": ([BIAS], [[0, 0, 1.0], [0, 1, 0.6], [0, 0, -1.2], [0, 1, 1.0]]),
    "random, sliding": ([SLIDING], plain((0, 0), (0, 1), (0, 0), (0, 1))),
}


def load(name):
    folder, _, change = name.partition("@")
    config = AutoConfig.from_pretrained(ROOT / folder)
    if change:
        key, value = change.split("=")
        if key == "rope_theta":
            config.rope_parameters["rope_theta"] = float(value)
        else:
            assert hasattr(config, key)
            setattr(config, key, float(value))
    config._attn_implementation = "eager"
    return AutoModelForCausalLM.from_pretrained(ROOT / folder, config=config, dtype=torch.float32).eval()


def build(models, steps):
    """The first model with the path's layers in place of its own."""
    out = copy.deepcopy(models[0])
    layers = []
    for place, (model, layer, scale) in enumerate(steps):
        block = copy.deepcopy(models[model].model.layers[layer])
        block.self_attn.layer_idx = place
        rotary = models[model].model.rotary_emb

        def enter(_, args, kwargs, scale=scale, rotary=rotary):
            hidden = args[0] if args else kwargs["hidden_states"]
            kwargs["position_embeddings"] = rotary(hidden, position_ids=kwargs["position_ids"])
            return (scale * hidden, *args[1:]), kwargs

        block.register_forward_pre_hook(enter, with_kwargs=True)
        layers.append(block)
    out.model.layers = torch.nn.ModuleList(layers)
    out.config.num_hidden_layers = out.model.config.num_hidden_layers = len(layers)
    if getattr(out.config, "layer_types", None):
        out.config.layer_types = [out.config.layer_types[0]] * len(layers)
    return out


def greedy(model, prompt, ends):
    ids, cache, out, margin = torch.tensor([prompt]), None, [], float("inf")
    for _ in range(NEW_TOKENS):
        result = model(ids, past_key_values=cache, use_cache=True)
        cache, logits = result.past_key_values, result.logits[0, -1]
        top = logits.topk(2).values
        margin = min(margin, (top[0] - top[1]).item())
        token = int(logits.argmax())
        out.append(token)
        if token in ends:
            break
        ids = torch.tensor([[token]])
    return out, margin


@torch.no_grad()
def main() -> None:
    texts = json.loads((ROOT / "tests/golden/zoo/greedy.json").read_text(encoding="utf-8"))["prompts"]
    tokenizer = AutoTokenizer.from_pretrained(ROOT / BASE)
    zoo = [tokenizer(text).input_ids for text in texts]
    cases = []
    for name, (models, steps) in CASES.items():
        loaded = [load(m) for m in models]
        model = build(loaded, steps)
        folder = ROOT / models[0]
        golden = folder / "golden.json"
        prompts = json.loads(golden.read_text())["prompts"] if golden.exists() else zoo
        ends = model.config.eos_token_id
        ends = set(ends if isinstance(ends, list) else [ends])
        told = [(p, *greedy(model, p, ends)) for p in prompts[: 2 * PROMPTS]]
        told = [t for t in told if t[2] > MARGIN][:PROMPTS]
        assert len(told) == PROMPTS, f"{name}: {len(told)} prompts are clear of ties"
        first = model(torch.tensor([told[0][0]])).logits[0, -1].tolist()
        cases.append({
            "name": name, "models": models, "steps": steps,
            "prompts": [t[0] for t in told], "greedy": [t[1] for t in told],
            # Of the first prompt, at its last position.
            "logits": [float(f"{x:.7g}") for x in first],
        })
        print(f"{name}: margin {min(t[2] for t in told):.4f}, {told[0][1][:8]}")
    out = {"transformers": transformers.__version__, "max_new_tokens": NEW_TOKENS, "cases": cases}
    (HERE / "greedy.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")


main()

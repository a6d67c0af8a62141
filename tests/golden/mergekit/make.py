"""Makes the parity fixtures: a tiny base, three fine-tunes of it, and what mergekit makes of them.

    pip install mergekit==0.1.5 transformers torch safetensors
    python tests/golden/mergekit/make.py

Everything is seeded; a second run writes the same bytes. mergekit trims by an unstable argsort, so
equal magnitudes are kept in whatever order the sort leaves them; here the sort is made stable (the
lowest flat index wins), which is the rule that Yosegi follows. torch sums a large bfloat16 tensor in
one part per thread and rounds each part to bfloat16, so DARE's rescale depends on the number of
threads; here there is one. Recipes are written both as
mergekit reads them (`recipes/NAME.yml`) and as Yosegi does (`recipes/NAME.toml`).
"""

import json
import logging
import os
import shutil
import tempfile
import types

import torch
import yaml
from safetensors.torch import load_file, save_file

import mergekit.sparsify
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions

HERE = os.path.dirname(os.path.abspath(__file__))
HIDDEN, INNER, LAYERS, HEADS, KV_HEADS, VOCAB = 16, 32, 11, 2, 1, 512
SOURCES = ["a", "b", "c"]


def make_sorts_stable():
    """Replaces torch inside mergekit.sparsify by one whose sorts are stable."""
    stable = types.ModuleType("torch")
    stable.__dict__.update(torch.__dict__)
    stable.argsort = lambda x, dim=-1, descending=False: torch.argsort(
        x, dim=dim, descending=descending, stable=True
    )
    stable.sort = lambda x, dim=-1, descending=False: torch.sort(
        x, dim=dim, descending=descending, stable=True
    )
    mergekit.sparsify.torch = stable


def shapes():
    head = HIDDEN // HEADS
    out = {"model.embed_tokens.weight": (VOCAB, HIDDEN), "model.norm.weight": (HIDDEN,)}
    for i in range(LAYERS):
        out |= {
            f"model.layers.{i}.{name}.weight": shape
            for name, shape in {
                "input_layernorm": (HIDDEN,),
                "post_attention_layernorm": (HIDDEN,),
                "self_attn.q_proj": (HIDDEN, HIDDEN),
                "self_attn.k_proj": (KV_HEADS * head, HIDDEN),
                "self_attn.v_proj": (KV_HEADS * head, HIDDEN),
                "self_attn.o_proj": (HIDDEN, HIDDEN),
                "mlp.gate_proj": (INNER, HIDDEN),
                "mlp.up_proj": (INNER, HIDDEN),
                "mlp.down_proj": (HIDDEN, INNER),
            }.items()
        }
    return out


def make_models(root):
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "vocab_size": VOCAB,
        "rms_norm_eps": 1e-5,
        "max_position_embeddings": 64,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
    }
    draw = torch.Generator().manual_seed(20)
    normal = lambda shape: torch.randn(shape, generator=draw)
    base = {
        name: (0.1 * normal(shape) + (1 if len(shape) == 1 else 0)).bfloat16()
        for name, shape in shapes().items()
    }
    models = {"base": base}
    for source in SOURCES:
        models[source] = {}
        for name, tensor in base.items():
            # Some tensors and some elements stay exactly as they are, as in real fine-tunes.
            moved = (torch.rand(tensor.shape, generator=draw) < 0.9) * normal(tensor.shape)
            scale = 0.0 if source == "b" and name.endswith("layers.3.mlp.up_proj.weight") else 0.02
            models[source][name] = (tensor.float() + scale * moved).bfloat16()
    for name, tensors in models.items():
        folder = os.path.join(root, name)
        os.makedirs(folder, exist_ok=True)
        save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
        with open(os.path.join(folder, "config.json"), "w") as file:
            json.dump(config, file, indent=1)


def gradient(*points):
    """A value per group along a gradient: mergekit puts embedding and final norm at its start."""

    def at(t):
        scaled = t * (len(points) - 1)
        i = int(scaled)
        frac = scaled - i
        return (1 - frac) * points[i] + frac * points[min(len(points) - 1, i + 1)]

    layers = [at(i / (LAYERS - 1)) for i in range(LAYERS)]
    return {"yml": list(points), "embed": at(0), "layers": layers, "head": at(0)}


def each(embed, layers, head):
    """A value per group by filters on tensor names."""
    yml = [{"filter": "embed_tokens", "value": embed}, {"filter": "model.norm", "value": head}]
    yml += [{"filter": f"layers.{i}.", "value": v} for i, v in enumerate(layers)]
    return {"yml": yml, "embed": embed, "layers": layers, "head": head}


def cycle(*values):
    return [values[i % len(values)] for i in range(LAYERS)]


W = [0.4, 0.35, 0.5]
RECIPES = {
    "linear": ("linear", [0.5, 0.3, 0.2], None, {}),
    "linear_sum": ("linear", [0.7, -0.2, 0.9], None, {"normalize": False}),
    "linear_gradient": ("linear", [gradient(0.1, 0.9, 0.3), 0.5, gradient(1, 0)], None, {}),
    "linear_one": ("linear", [0.3], None, {}),
    "task_arithmetic": ("task_arithmetic", W, None, {}),
    "task_arithmetic_negative": ("task_arithmetic", [1.1, -0.4, 0.3], None, {"lambda": 0.7}),
    "task_arithmetic_mean": ("task_arithmetic", [1.0, 2.0, 0.5], None, {"normalize": True}),
    "task_arithmetic_cancel": ("task_arithmetic", [0.5, -0.5], None, {"normalize": True}),
    "task_arithmetic_layers": (
        "task_arithmetic",
        [each(0.2, cycle(0.1, 0.9, 1.3), 0.7), gradient(0, 1), each(-0.1, cycle(0.5, 0.0), 1.5)],
        None,
        {"lambda": 1.1},
    ),
    "ties": ("ties", W, [0.5, 0.5, 0.5], {}),
    "ties_mixed": ("ties", [0.9, 0.1, 0.6], [0.2, 0.7, 1.0], {}),
    "ties_sum": ("ties", [0.9, -0.3, 0.6], [0.33, 0.61, 0.9], {"normalize": False}),
    "ties_gradient": (
        "ties",
        [gradient(0.2, 0.8), 0.5, gradient(1.0, 0.1, 0.7)],
        [gradient(0.1, 0.9), gradient(1.0, 0.3), 0.45],
        {},
    ),
    "ties_lambda": ("ties", W, [0.4, 0.6, 0.8], {"lambda": 1.3}),
    "ties_one_element": ("ties", W, [1e-6, 0.01, 0.99], {}),
    "ties_zero_weight": ("ties", [0.0, 0.7, 0.2], [0.5, 0.5, 0.25], {}),
    "dare_linear": ("dare_linear", W, [0.5, 0.5, 0.5], {}),
    "dare_linear_mixed": ("dare_linear", [0.8, -0.5, 0.3], [0.9, 0.1, 0.53], {}),
    "dare_linear_mean": ("dare_linear", [1.0, 0.7, 0.4], [0.6, 0.7, 0.8], {"normalize": True}),
    "dare_linear_lambda": ("dare_linear", W, [0.3, 1.0, 0.7], {"lambda": 0.6}),
    "dare_linear_layers": (
        "dare_linear",
        [0.5, each(0.3, cycle(0.2, 0.7, 0.4), 0.6), 0.4],
        [each(1.0, cycle(0.3, 1.0), 0.8), gradient(0.2, 0.8), 0.55],
        {},
    ),
    "dare_ties": ("dare_ties", W, [0.5, 0.5, 0.5], {}),
    "dare_ties_mixed": ("dare_ties", [0.8, -0.5, 0.3], [0.9, 0.1, 0.53], {}),
    "dare_ties_mean": ("dare_ties", [1.0, 0.7, 0.4], [0.6, 0.7, 0.8], {"normalize": True}),
    "dare_ties_gradient": (
        "dare_ties",
        [gradient(0.2, 1.0), gradient(0.9, 0.1, 0.5), 0.4],
        [gradient(1.0, 0.2), 0.7, gradient(0.3, 0.95)],
        {"lambda": 0.9},
    ),
    "dare_ties_seed": ("dare_ties", W, [0.25, 0.5, 0.75], {"seed": 7}),
}


def parameter(value):
    return value["yml"] if isinstance(value, dict) else value


def as_yaml(method, weights, densities, extra):
    models = []
    for i, weight in enumerate(weights):
        parameters = {"weight": parameter(weight)}
        if densities:
            parameters["density"] = parameter(densities[i])
        models.append({"model": SOURCES[i], "parameters": parameters})
    out = {"merge_method": method, "models": models}
    if method != "linear":
        out["base_model"] = "base"
    shared = {k: v for k, v in extra.items() if k != "seed"}
    if shared:
        out["parameters"] = shared
    return out


def as_toml(method, weights, densities, extra):
    def value(v):
        if isinstance(v, dict):
            layers = ", ".join(repr(float(x)) for x in v["layers"])
            return f"{{ embed = {float(v['embed'])!r}, layers = [{layers}], head = {float(v['head'])!r} }}"
        return repr(float(v))

    lines = [f'method = "{method}"', 'base = "base"']
    if "lambda" in extra:
        lines.append(f"lambda = {extra['lambda']}")
    if "normalize" in extra:
        lines.append(f"normalize = {str(extra['normalize']).lower()}")
    if method.startswith("dare"):
        lines += ['mask = "mergekit"', f"seed = {extra.get('seed', 42)}"]
    for i, weight in enumerate(weights):
        lines += ["", "[[source]]", f'model = "{SOURCES[i]}"', f"weight = {value(weight)}"]
        if densities:
            lines.append(f"density = {value(densities[i])}")
    return "\n".join(lines) + "\n"


def main():
    logging.disable(logging.WARNING)
    make_sorts_stable()
    torch.set_num_threads(1)
    for folder in ["models", "recipes", "expected"]:
        shutil.rmtree(os.path.join(HERE, folder), ignore_errors=True)
        os.makedirs(os.path.join(HERE, folder))
    make_models(os.path.join(HERE, "models"))
    os.chdir(os.path.join(HERE, "models"))
    for name, recipe in RECIPES.items():
        document = as_yaml(*recipe)
        with open(os.path.join(HERE, "recipes", name + ".yml"), "w") as file:
            yaml.safe_dump(document, file, sort_keys=False)
        with open(os.path.join(HERE, "recipes", name + ".toml"), "w") as file:
            file.write(as_toml(*recipe))
        with tempfile.TemporaryDirectory() as out:
            options = MergeOptions(
                copy_tokenizer=False,
                write_model_card=False,
                random_seed=recipe[3].get("seed", 42),
                quiet=True,
            )
            run_merge(MergeConfiguration.model_validate(document), out, options)
            tensors = load_file(os.path.join(out, "model.safetensors"))
        assert all(t.dtype == torch.bfloat16 for t in tensors.values())
        save_file(tensors, os.path.join(HERE, "expected", name + ".safetensors"))
        print(name)


if __name__ == "__main__":
    main()

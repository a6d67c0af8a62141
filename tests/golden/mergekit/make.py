"""Makes the parity fixtures: two tiny bases, fine-tunes of them, and what mergekit makes of them.

    pip install mergekit==0.1.5 transformers torch safetensors
    OMP_NUM_THREADS=1 python tests/golden/mergekit/make.py [FOLDER]

Everything is seeded; a second run writes the same bytes. mergekit trims by an unstable argsort, so
equal magnitudes are kept in whatever order the sort leaves them; here the sorts (and sce's topk) are
made stable: the lowest flat index wins, which is the rule that Yosegi follows. torch sums a large
bfloat16 tensor in one part per thread and rounds each part to bfloat16, so DARE's rescale depends
on the number of threads; here there is one.

`recipes/NAME.yml` is what mergekit reads, `recipes/NAME.toml` the same in Yosegi's notation. Of the recipes whose every bit must be the same, only
hashes are kept (`exact.json`: FNV-1a of each tensor's bytes, in the order of their names); of the
others the tensors (`expected/NAME.safetensors`). With FOLDER, all tensors are written there too.

Models: `base`, `a`, `b`, `c` are bfloat16 with tied embeddings, 11 layers; `ubase`, `ua`, `ub`, `uc`
are float32 with an LM head of their own, 4 layers; `uh` is such a one in bfloat16, `ut` one in
bfloat16 with tied embeddings.
"""

import json
import logging
import os
import shutil
import sys
import tempfile
import types

import torch
import yaml
from safetensors.torch import load_file, save_file

import mergekit.merge_methods.sce
import mergekit.sparsify
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions

HERE = os.path.dirname(os.path.abspath(__file__))
LAYERS = 11
SOURCES = ["a", "b", "c"]


def stable_topk(x, k, largest=True):
    found = torch.sort(x, descending=largest, stable=True)
    return found.values[:k], found.indices[:k]


def make_sorts_stable():
    """Replaces torch inside mergekit's modules by one whose sorts are stable."""
    stable = types.ModuleType("torch")
    stable.__dict__.update(torch.__dict__)
    stable.argsort = lambda x, dim=-1, descending=False: torch.argsort(
        x, dim=dim, descending=descending, stable=True
    )
    stable.sort = lambda x, dim=-1, descending=False: torch.sort(
        x, dim=dim, descending=descending, stable=True
    )
    stable.topk = stable_topk
    mergekit.sparsify.torch = stable
    mergekit.merge_methods.sce.torch = stable


def shapes(hidden, inner, layers, heads, kv_heads, vocab, tied):
    head = hidden // heads
    out = {"model.embed_tokens.weight": (vocab, hidden), "model.norm.weight": (hidden,)}
    if not tied:
        out["lm_head.weight"] = (vocab, hidden)
    for i in range(layers):
        out |= {
            f"model.layers.{i}.{name}.weight": shape
            for name, shape in {
                "input_layernorm": (hidden,),
                "post_attention_layernorm": (hidden,),
                "self_attn.q_proj": (hidden, hidden),
                "self_attn.k_proj": (kv_heads * head, hidden),
                "self_attn.v_proj": (kv_heads * head, hidden),
                "self_attn.o_proj": (hidden, hidden),
                "mlp.gate_proj": (inner, hidden),
                "mlp.up_proj": (inner, hidden),
                "mlp.down_proj": (hidden, inner),
            }.items()
        }
    return out


def write_model(root, name, tensors, dtype, size, tied):
    hidden, inner, layers, heads, kv_heads, vocab = size
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "vocab_size": vocab,
        "rms_norm_eps": 1e-5,
        "max_position_embeddings": 64,
        "tie_word_embeddings": tied,
        "torch_dtype": str(dtype).removeprefix("torch."),
    }
    folder = os.path.join(root, name)
    os.makedirs(folder, exist_ok=True)
    tensors = {k: v.to(dtype) for k, v in tensors.items() if k != "lm_head.weight" or not tied}
    save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(config, file, indent=1)


def make_models(root):
    draw = torch.Generator().manual_seed(20)
    normal = lambda shape: torch.randn(shape, generator=draw)

    def tune(base, still):
        # Some tensors and some elements stay exactly as they are, as in real fine-tunes.
        out = {}
        for name, tensor in base.items():
            moved = (torch.rand(tensor.shape, generator=draw) < 0.9) * normal(tensor.shape)
            out[name] = tensor.float() + (0.0 if still and name.endswith(still) else 0.02) * moved
        return out

    def fresh(size, tied):
        return {
            name: 0.1 * normal(shape) + (1 if len(shape) == 1 else 0)
            for name, shape in shapes(*size, tied).items()
        }

    size = (16, 32, LAYERS, 2, 1, 512)
    base = {k: v.bfloat16() for k, v in fresh(size, True).items()}
    write_model(root, "base", base, torch.bfloat16, size, True)
    for source in SOURCES:
        still = "layers.3.mlp.up_proj.weight" if source == "b" else None
        write_model(root, source, tune(base, still), torch.bfloat16, size, True)

    size = (16, 24, 4, 2, 1, 40)
    base = fresh(size, False)
    write_model(root, "ubase", base, torch.float32, size, False)
    for source in ["ua", "ub", "uc"]:
        still = "layers.2.mlp.up_proj.weight" if source == "ub" else None
        write_model(root, source, tune(base, still), torch.float32, size, False)
    write_model(root, "uh", tune(base, None), torch.bfloat16, size, False)
    write_model(root, "ut", tune(base, None), torch.bfloat16, size, True)


def filters(**values):
    """A value by the tensor's name; `rest` for all others."""
    rest = values.pop("rest")
    return [{"filter": k, "value": v} for k, v in values.items()] + [{"value": rest}]


def each(embed, layers, head):
    """A value per layer group by filters on tensor names."""
    out = [{"filter": "embed_tokens", "value": embed}, {"filter": "model.norm", "value": head}]
    return out + [{"filter": f"layers.{i}.", "value": v} for i, v in enumerate(layers)]


def cycle(*values):
    return [values[i % len(values)] for i in range(LAYERS)]


def merge(method, models, base=None, shared=None, **top):
    """models: {name: {parameter: value}}"""
    out = {"merge_method": method}
    out["models"] = [{"model": k} | ({"parameters": v} if v else {}) for k, v in models.items()]
    if base:
        out["base_model"] = base
    if shared:
        out["parameters"] = shared
    return out | top


def spread(names, **parameters):
    """One value a model of each parameter."""
    return {name: {k: v[i] for k, v in parameters.items()} for i, name in enumerate(names)}


def family(method, weight, density=None, shared=None, **more):
    parameters = {"weight": weight} | ({"density": density} if density else {}) | more
    base = None if method == "linear" else "base"
    return merge(method, spread(SOURCES, **parameters), base, shared)


def untied(method, weight=None, density=None, shared=None, models=("ua", "ub", "uc"), base="ubase", **top):
    parameters = {}
    if weight:
        parameters["weight"] = weight
    if density:
        parameters["density"] = density
    for name in ["epsilon", "gamma"]:
        if name in top:
            parameters[name] = top.pop(name)
    names = models[: len(weight)] if weight else models
    listed = spread(names, **parameters) if parameters else {m: None for m in names}
    return merge(method, listed, base, shared, **top)


BF16 = {"dtype": "bfloat16"}
F16 = {"dtype": "float16"}
W = [0.4, 0.35, 0.5]
D = [0.3, 0.5, 0.8]

# Every bit must be the same.
EXACT = {
    "linear": family("linear", [0.5, 0.3, 0.2]),
    "linear_sum": family("linear", [0.7, -0.2, 0.9], shared={"normalize": False}),
    "linear_gradient": family("linear", [[0.1, 0.9, 0.3], 0.5, [1, 0]]),
    "linear_one": merge("linear", {"a": {"weight": 0.3}}),
    "linear_f32": untied("linear", [0.5, 0.3, 0.2], base=None),
    "linear_f16": untied("linear", [0.5, 0.3, 0.2], base=None, **F16),
    "linear_cast": untied("linear", [0.5, 0.3, 0.2], base=None, **BF16),
    "linear_stored": untied(
        "linear", [0.5, 0.3, 0.2], base=None, dtype="float32", out_dtype="bfloat16"
    ),
    "linear_promoted": untied("linear", [0.5, 0.3], models=["uh", "ua"], base=None),
    "linear_half_tied": untied("linear", [0.5, 0.3], models=["ut", "uh"], base=None),
    "linear_tied_only": merge("linear", {"ut": {"weight": 2}}, out_dtype="float16"),
    "task_arithmetic": family("task_arithmetic", W),
    "task_arithmetic_negative": family("task_arithmetic", [1.1, -0.4, 0.3], shared={"lambda": 0.7}),
    "task_arithmetic_mean": family("task_arithmetic", [1.0, 2.0, 0.5], shared={"normalize": True}),
    "task_arithmetic_cancel": merge(
        "task_arithmetic", {"a": {"weight": 0.5}, "b": {"weight": -0.5}}, "base", {"normalize": True}
    ),
    "task_arithmetic_layers": family(
        "task_arithmetic",
        [each(0.2, cycle(0.1, 0.9, 1.3), 0.7), [0, 1], each(-0.1, cycle(0.5, 0.0), 1.5)],
        shared={"lambda": 1.1},
    ),
    "task_arithmetic_filters": family(
        "task_arithmetic",
        [
            filters(self_attn=[0.1, 0.7], mlp=0.4, rest=0.2),
            filters(down_proj=0.9, mlp=[1.0, 0.0, 0.5], rest=0.3),
            0.25,
        ],
        shared={"lambda": filters(o_proj=0.5, rest=[1.0, 0.8])},
    ),
    "task_arithmetic_f32": untied("task_arithmetic", W),
    "task_arithmetic_f16": untied("task_arithmetic", W, **F16),
    "task_arithmetic_cast": untied("task_arithmetic", W, **BF16),
    "task_arithmetic_promoted": untied("task_arithmetic", [0.7, 0.4], models=["uh", "ut"]),
    "ties": family("ties", W, [0.5, 0.5, 0.5]),
    "ties_mixed": family("ties", [0.9, 0.1, 0.6], [0.2, 0.7, 1.0]),
    "ties_sum": family("ties", [0.9, -0.3, 0.6], [0.33, 0.61, 0.9], {"normalize": False}),
    "ties_gradient": family(
        "ties", [[0.2, 0.8], 0.5, [1.0, 0.1, 0.7]], [[0.1, 0.9], [1.0, 0.3], 0.45]
    ),
    "ties_lambda": family("ties", W, [0.4, 0.6, 0.8], {"lambda": 1.3}),
    "ties_one_element": family("ties", W, [1e-6, 0.01, 0.99]),
    "ties_zero_weight": family("ties", [0.0, 0.7, 0.2], [0.5, 0.5, 0.25]),
    "ties_rescale": family("ties", W, D, {"rescale": True, "int8_mask": True}),
    "ties_f32": untied("ties", W, D),
    "ties_f16": untied("ties", W, D, **F16),
    "ties_cast_stored": untied("ties", W, D, dtype="bfloat16", out_dtype="float32"),
    "dare_linear": family("dare_linear", W, [0.5, 0.5, 0.5]),
    "dare_linear_mixed": family("dare_linear", [0.8, -0.5, 0.3], [0.9, 0.1, 0.53]),
    "dare_linear_mean": family("dare_linear", [1.0, 0.7, 0.4], [0.6, 0.7, 0.8], {"normalize": True}),
    "dare_linear_lambda": family("dare_linear", W, [0.3, 1.0, 0.7], {"lambda": 0.6}),
    "dare_linear_layers": family(
        "dare_linear",
        [0.5, each(0.3, cycle(0.2, 0.7, 0.4), 0.6), 0.4],
        [each(1.0, cycle(0.3, 1.0), 0.8), [0.2, 0.8], 0.55],
    ),
    "dare_linear_f32": untied("dare_linear", W, D),
    "dare_linear_kept": family("dare_linear", W, D, {"rescale": False}),
    "dare_ties": family("dare_ties", W, [0.5, 0.5, 0.5]),
    "dare_ties_mixed": family("dare_ties", [0.8, -0.5, 0.3], [0.9, 0.1, 0.53]),
    "dare_ties_mean": family("dare_ties", [1.0, 0.7, 0.4], [0.6, 0.7, 0.8], {"normalize": True}),
    "dare_ties_gradient": family(
        "dare_ties",
        [[0.2, 1.0], [0.9, 0.1, 0.5], 0.4],
        [[1.0, 0.2], 0.7, [0.3, 0.95]],
        {"lambda": 0.9},
    ),
    "dare_ties_seed": family("dare_ties", W, [0.25, 0.5, 0.75]),
    "dare_ties_f32": untied("dare_ties", W, D),
    "dare_ties_f16": untied("dare_ties", W, D, **F16),
    "dare_ties_cast": untied("dare_ties", W, D, **BF16),
    "dare_half_tied": untied("dare_linear", W[:2], D, models=["ut", "uh"], **BF16),
    "della": family("della", W, [0.5, 0.4, 0.7]),
    "della_epsilon": family("della", W, [0.5, 0.4, 0.7], epsilon=[0.01, [0.1, 0.39], 0.2]),
    "della_sum": family("della", W, [0.5, 1.0, 0.7], {"normalize": False, "rescale": False}),
    "della_f32": untied("della", W, [0.5, 0.4, 0.7]),
    "della_f16": untied("della", W, [0.5, 0.4, 0.7], **F16),
    "della_linear": family("della_linear", W, [0.5, 0.4, 0.7], {"lambda": 1.2}),
    "della_linear_f32": untied("della_linear", W, [0.5, 0.4, 0.7], epsilon=[0.3, 0.05, 0.2]),
    "breadcrumbs": family("breadcrumbs", W, D),
    "breadcrumbs_none": family("breadcrumbs", W, [0.5, 0.9, 0.999], gamma=[0.0, 0.3, 0.01]),
    "breadcrumbs_gamma": family("breadcrumbs", W, D, gamma=[0.1, [0.0, 0.2], 0.05]),
    "breadcrumbs_f32": untied("breadcrumbs", W, D, gamma=[0.1, 0.02, 0.05]),
    "breadcrumbs_ties": family("breadcrumbs_ties", W, D, gamma=[0.02, 0.1, 0.05]),
    "breadcrumbs_ties_rescale": family(
        "breadcrumbs_ties", W, D, {"rescale": True, "normalize": True, "lambda": 0.8}
    ),
    "breadcrumbs_ties_f32": untied("breadcrumbs_ties", W, D, gamma=[0.1, 0.02, 0.05]),
    "passthrough": merge("passthrough", {"b": None}),
    "passthrough_scale": merge(
        "passthrough", {"ua": {"scale": filters(o_proj=0.0, mlp=[0.5, 1.5], rest=1.0)}}
    ),
    "passthrough_franken": {
        "merge_method": "passthrough",
        "slices": [
            {"sources": [{"model": "a", "layer_range": [0, 6]}]},
            {
                "sources": [
                    {
                        "model": "b",
                        "layer_range": [3, 9],
                        "parameters": {"scale": filters(o_proj=0.0, down_proj=[0, 1], rest=1.0)},
                    }
                ]
            },
            {"sources": [{"model": "a", "layer_range": [5, 11]}]},
        ],
    },
    "passthrough_prune": {
        "merge_method": "passthrough",
        "slices": [
            {"sources": [{"model": "ua", "layer_range": [0, 1]}]},
            {"sources": [{"model": "ua", "layer_range": [3, 4]}]},
        ],
        "dtype": "bfloat16",
    },
    "slices_ties": {
        "merge_method": "ties",
        "base_model": "base",
        "slices": [
            {
                "sources": [
                    {"model": "base", "layer_range": [0, 5]},
                    {"model": "a", "layer_range": [0, 5], "parameters": {"weight": [0.2, 0.9]}},
                    {"model": "c", "layer_range": [2, 7]},
                ],
                "parameters": {"density": 0.4},
            },
            {
                "sources": [
                    {"model": "b", "layer_range": [5, 11], "parameters": {"density": 0.9}},
                    {"model": "base", "layer_range": [5, 11]},
                ]
            },
        ],
        "parameters": {"weight": 0.6, "density": 0.55, "normalize": False},
    },
    "slices_dare": {
        "merge_method": "dare_ties",
        "slices": [
            {
                "sources": [
                    {"model": "ua", "layer_range": [1, 4], "parameters": {"weight": [0.2, 0.9]}},
                    {"model": "ubase", "layer_range": [0, 3]},
                    {"model": "ub", "layer_range": [0, 3]},
                ],
                "base_model": "ubase",
            },
            {
                "sources": [
                    {"model": "uc", "layer_range": [0, 1]},
                    {"model": "ub", "layer_range": [0, 1]},
                ],
                "base_model": "uc",
            },
        ],
        "parameters": {"weight": 0.6, "density": [0.4, 0.9]},
        "dtype": "bfloat16",
    },
    "slices_linear": {
        "merge_method": "linear",
        "slices": [
            {
                "sources": [
                    {"model": "a", "layer_range": [0, 4], "parameters": {"weight": [1, 0]}},
                    {"model": "b", "layer_range": [7, 11], "parameters": {"weight": [0.2, 1]}},
                ]
            }
        ],
    },
    "slices_layers": {
        "merge_method": "task_arithmetic",
        "base_model": "ubase",
        "slices": [
            {
                "sources": [
                    {"model": m, "layer_range": r, "parameters": {"weight": w}}
                    for m, r, w in [("ubase", [0, 2], 1), ("ua", [0, 2], [0.1, 0.8])]
                ]
            },
            {
                "sources": [
                    {"model": m, "layer_range": r, "parameters": {"weight": w}}
                    for m, r, w in [("ub", [1, 4], [0.3, 0.6]), ("ubase", [1, 4], 1)]
                ]
            },
        ],
    },
}

# The base listed with values of its own, which count for nothing, and slices of no layers, whose models give
# embeddings, final norm and head.
BASE = {"base": {"weight": 0.9, "density": 0.1}}
EXACT |= {
    "ties_base_listed": merge("ties", BASE | spread(["a", "b"], weight=[0.4, 0.7], density=[0.5, 0.3]), "base"),
    "dare_ties_base_listed": merge(
        "dare_ties", spread(["a"], weight=[0.4], density=[0.5]) | BASE | spread(["c"], weight=[0.7], density=[0.3]), "base"
    ),
    "slices_empty_last": {
        "merge_method": "passthrough",
        "slices": [
            {"sources": [{"model": "ua", "layer_range": [0, 3]}]},
            {"sources": [{"model": "ub", "layer_range": [4, 4]}]},
        ],
    },
    "slices_empty_first": {
        "merge_method": "ties",
        "base_model": "base",
        "slices": [
            {
                "sources": [
                    {"model": "base", "layer_range": [0, 0]},
                    {"model": "c", "layer_range": [2, 2], "parameters": {"weight": [0.9, 0.1]}},
                ]
            },
            {
                "sources": [
                    {"model": "base", "layer_range": [0, 5]},
                    {"model": "a", "layer_range": [1, 6], "parameters": {"weight": [0.2, 0.8]}},
                ]
            },
        ],
        "parameters": {"density": 0.5},
    },
}

# Within a unit in the last place: sines, norms and sums over whole tensors.
PAIR = {"models": ["ua", "ub"], "base": None}
NEAR = {
    "slerp": untied("slerp", models=["ubase", "ua"], shared={"t": 0.3}, **BF16),
    "slerp_blocks": untied(
        "slerp",
        models=["ua"],
        shared={"t": filters(self_attn=[0, 0.5, 0.3, 0.7, 1], mlp=[1, 0.5, 0.7, 0.3, 0], rest=0.5)},
        **BF16,
    ),
    "slerp_f32": untied("slerp", models=["ua", "ubase"], shared={"t": [0.1, 0.9]}),
    "slerp_slices": {
        "merge_method": "slerp",
        "base_model": "ua",
        "slices": [
            {
                "sources": [
                    {"model": "ua", "layer_range": [0, 3]},
                    {"model": "ub", "layer_range": [1, 4]},
                ]
            }
        ],
        "parameters": {"t": [0.2, 0.8]},
        "dtype": "bfloat16",
    },
    "nuslerp": untied("nuslerp", [0.7, 0.4], **PAIR, **BF16),
    "nuslerp_base": untied("nuslerp", [0.7, [0.2, 0.9]], models=["ua", "ub"], **BF16),
    "nuslerp_rows": untied("nuslerp", [0.7, 0.4], None, {"nuslerp_flatten": False}, **PAIR, **BF16),
    "nuslerp_columns": untied(
        "nuslerp", [0.7, 0.4], None, {"nuslerp_flatten": False, "nuslerp_row_wise": True}, **PAIR
    ),
    "nuslerp_base_rows": untied(
        "nuslerp", [0.7, 0.4], None, {"nuslerp_flatten": False}, models=["ua", "ub"]
    ),
    "nuslerp_f32": untied("nuslerp", [1.5, -0.4], **PAIR),
    "multislerp": untied("multislerp", [0.5, 0.3, 0.2], base=None, **BF16),
    "multislerp_base": untied("multislerp", [0.5, [0.3, 0.8], 0.2], **BF16),
    "multislerp_raw": untied("multislerp", [0.5, 0.9, 0.2], None, {"normalize_weights": False}, base=None),
    "multislerp_f32": untied("multislerp", [0.5, 0.3, 0.4], None, {"eps": 1e-6}),
    "karcher": untied("karcher", base=None, **BF16),
    "karcher_base": untied("karcher", shared={"max_iter": 3, "tol": 1e-3}, **BF16),
    "karcher_f32": untied("karcher", base=None),
    "sce": untied("sce", **BF16),
    "sce_topk": untied("sce", shared={"select_topk": 0.3, "int8_mask": True}, **BF16),
    "sce_layers": untied("sce", shared={"select_topk": filters(mlp=[0.2, 0.9], rest=0.5)}, **BF16),
    "sce_f32": untied("sce", shared={"select_topk": 0.4}),
    "ram": untied("ram", **BF16),
    "ram_epsilon": untied("ram", shared={"epsilon": 0.01}, **BF16),
    "ram_f32": untied("ram", shared={"epsilon": [0.001, 0.02]}),
    "ramplus_tl": untied("ramplus_tl", **BF16, out_dtype="bfloat16"),
    "ramplus_tl_strong": untied("ramplus_tl", shared={"r": 0.5, "alpha": 2.0, "epsilon": 0.01}, **BF16),
    "ramplus_tl_f32": untied("ramplus_tl", shared={"epsilon": 0.01}),
    "model_stock": untied("model_stock", **BF16),
    "model_stock_rows": untied("model_stock", shared={"filter_wise": True}, **BF16),
    "model_stock_f32": untied("model_stock"),
    "nearswap": untied("nearswap", models=["ua"], shared={"t": 0.01}, **BF16),
    "nearswap_layers": untied("nearswap", models=["ua"], shared={"t": filters(mlp=0.02, rest=[0, 0.005])}, **BF16),
    "nearswap_f32": untied("nearswap", models=["ua"], shared={"t": 0.003}),
    "arcee_fusion": untied("arcee_fusion", models=["ua"], **BF16),
    "arcee_fusion_stored": untied("arcee_fusion", models=["ua"], **BF16, out_dtype="bfloat16"),
    "arcee_fusion_f32": untied("arcee_fusion", models=["ua"]),
}

SEEDS = {"dare_ties_seed": 7, "della_linear": 2026}


def toml_value(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {toml_value(v)}" for k, v in value.items()) + " }"
    return "[" + ", ".join(map(toml_value, value)) + "]"


def as_toml(document, seed):
    """The same in Yosegi's own notation."""
    pairs = lambda d: [f"{k} = {toml_value(v)}" for k, v in (d or {}).items()]
    lines = [f'method = "{document["merge_method"]}"']
    if "base_model" in document:
        lines.append(f'base = "{document["base_model"]}"')
    lines += pairs({k: document[k] for k in ["dtype", "out_dtype"] if k in document})
    lines += ['mask = "mergekit"', f"seed = {seed}"] + pairs(document.get("parameters"))
    models = list(document.get("models", []))
    # Methods that measure against no base merge it as one more model.
    if document["merge_method"] == "karcher" and "base_model" in document:
        models.append({"model": document["base_model"]})
    for model in models:
        measured = document["merge_method"] not in ("linear", "passthrough", "karcher", "multislerp")
        base = measured and model["model"] == document.get("base_model")
        parameters = None if base else model.get("parameters")
        lines += ["", "[[source]]", f'model = "{model["model"]}"'] + pairs(parameters)
    for slice in document.get("slices", []):
        lines += ["", "[[slice]]"]
        if "base_model" in slice:
            lines.append(f'base = "{slice["base_model"]}"')
        lines += pairs(slice.get("parameters"))
        for source in slice["sources"]:
            lines += ["", "[[slice.source]]", f'model = "{source["model"]}"']
            lines += [f"layers = {source['layer_range']}"] + pairs(source.get("parameters"))
    return "\n".join(lines) + "\n"


def fnv(data):
    out = 0xCBF29CE484222325
    for byte in data:
        out = ((out ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{out:016x}"


def raw(tensor):
    return tensor.contiguous().view(torch.uint8).numpy().tobytes()


def main():
    logging.disable(logging.WARNING)
    make_sorts_stable()
    torch.set_num_threads(1)
    everything = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else None
    for folder in ["models", "recipes", "expected"]:
        shutil.rmtree(os.path.join(HERE, folder), ignore_errors=True)
        os.makedirs(os.path.join(HERE, folder))
    make_models(os.path.join(HERE, "models"))
    os.chdir(os.path.join(HERE, "models"))
    exact = {}
    for name, document in (EXACT | NEAR).items():
        with open(os.path.join(HERE, "recipes", name + ".yml"), "w") as file:
            yaml.safe_dump(document, file, sort_keys=False)
        with open(os.path.join(HERE, "recipes", name + ".toml"), "w") as file:
            file.write(as_toml(document, SEEDS.get(name, 42)))
        with tempfile.TemporaryDirectory() as out:
            options = MergeOptions(
                copy_tokenizer=False,
                write_model_card=False,
                random_seed=SEEDS.get(name, 42),
                quiet=True,
            )
            run_merge(MergeConfiguration.model_validate(document), out, options)
            tensors = load_file(os.path.join(out, "model.safetensors"))
            with open(os.path.join(out, "config.json")) as file:
                layers = json.load(file)["num_hidden_layers"]
        dtypes = {str(t.dtype).removeprefix("torch.") for t in tensors.values()}
        assert len(dtypes) == 1, dtypes
        if name in EXACT:
            names = sorted(tensors)
            exact[name] = {
                "seed": SEEDS.get(name, 42),
                "dtype": dtypes.pop(),
                "layers": layers,
                "values": sum(t.numel() for t in tensors.values()),
                "names": fnv("\n".join(names).encode()),
                "tensors": " ".join(fnv(raw(tensors[n])) for n in names),
            }
        else:
            save_file(tensors, os.path.join(HERE, "expected", name + ".safetensors"))
        if everything:
            os.makedirs(everything, exist_ok=True)
            save_file(tensors, os.path.join(everything, name + ".safetensors"))
        print(name)
    with open(os.path.join(HERE, "exact.json"), "w") as file:
        json.dump(exact, file, indent=0)
        file.write("\n")


if __name__ == "__main__":
    main()

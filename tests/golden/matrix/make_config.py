"""Makes config.json beside this file and the weights that it speaks of: what transformers says of a
tiny random model of each family, for every key of a `config.json` that may be there, be missing, be null, be
of another type, or stand in two places.

    python make_config.py [FAMILY ...]

Needs torch, transformers and safetensors (made with 2.15 and 5.24). One set of weights a family; a cell
is a change of its config. For each cell either the greedy tokens, or `refused` with the reason: an
error, or tensors that are missing and would be made up. `stacked` are models whose layers were moved:
the tokens of the stack, with each layer's kind of attention named.
"""

import json
import logging
import pathlib
import sys
import tempfile
import warnings

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent
NEW_TOKENS, MARGIN = 8, 2e-3
LAYERS = 4
NONE = object()  # a key that is not there

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
torch.set_num_threads(1)

COMMON = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 96, "max_position_embeddings": 512, "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0, "tie_word_embeddings": False, "bos_token_id": None, "eos_token_id": None,
    "pad_token_id": None,
}
FAMILIES = {
    "llama": {"hidden_act": "silu", "attention_bias": False, "mlp_bias": False},
    "mistral": {"hidden_act": "silu", "sliding_window": 5},
    "qwen2": {"hidden_act": "silu", "use_sliding_window": True, "sliding_window": 5, "max_window_layers": 2},
    "qwen3": {"hidden_act": "silu", "head_dim": 8, "attention_bias": False, "use_sliding_window": True,
              "sliding_window": 5, "max_window_layers": 2},
    "gemma": {"hidden_act": "gelu_pytorch_tanh", "head_dim": 8, "attention_bias": False},
    "gemma2": {"hidden_activation": "gelu_pytorch_tanh", "head_dim": 8, "attention_bias": False,
               "sliding_window": 5, "query_pre_attn_scalar": 8, "attn_logit_softcapping": 3.0,
               "final_logit_softcapping": 5.0},
    "gemma3_text": {"hidden_activation": "gelu_pytorch_tanh", "head_dim": 8, "attention_bias": False,
                    "sliding_window": 5, "query_pre_attn_scalar": 8, "rope_local_base_freq": 100.0,
                    "sliding_window_pattern": 3},
    "phi3": {"hidden_act": "silu", "sliding_window": 5, "original_max_position_embeddings": 128},
}
WINDOWS = {"mistral", "qwen2", "qwen3", "gemma2", "gemma3_text", "phi3"}
LISTED = {"qwen2", "qwen3", "gemma2", "gemma3_text"}
FULL, SLIDING = "full_attention", "sliding_attention"
SHORT, LONG = [1.0, 1.5, 2.0, 3.0], [2.0, 4.0, 8.0, 16.0]
YARN = {"rope_type": "yarn", "factor": 4.0}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
LONGROPE = {"rope_type": "longrope", "short_factor": SHORT, "long_factor": LONG}
PLAIN = {"rope_type": "default", "rope_theta": 200.0}
LINEAR = {"rope_type": "linear", "factor": 3.0}


def config_of(family):
    return {"model_type": family, **COMMON, **FAMILIES[family]}


def rope_cells(family):
    for theta in (NONE, None, 200.0, 200, "200", True):
        yield {"rope_theta": theta}
    for outside in (NONE, None, 10000.0, "200"):
        yield {"rope_theta": outside, "rope_parameters": PLAIN}
        yield {"rope_theta": outside, "rope_parameters": {"rope_type": "default"}}
    for inside in (None, "200", 300):
        yield {"rope_parameters": {"rope_type": "default", "rope_theta": inside}}
    for parameters in (None, {}, "x", [], {"rope_theta": 200.0}, {"type": "linear", "factor": 3.0}, LINEAR):
        yield {"rope_parameters": parameters}
    for scaling in (
        None, {}, "linear", False, LINEAR, {"type": "linear", "factor": 3.0}, {"rope_type": "linear", "factor": 3},
        {"rope_type": "linear"}, {"rope_type": "linear", "factor": None}, {"rope_type": "linear", "factor": "3"},
        {"rope_type": "linear", "factor": 0.5}, {"type": "linear", "rope_type": "default", "factor": 3.0},
        {"type": "default", "rope_type": "linear", "factor": 3.0}, {"type": "linear", "rope_type": None, "factor": 3.0},
        {"type": None, "factor": 3.0}, {"factor": 3.0}, {"type": "default"}, {"type": "nonsense", "factor": 2.0},
        {"type": "mrope", "mrope_section": [1, 1, 2]}, {"rope_type": "dynamic", "factor": 2.0},
        {"rope_type": "dynamic"}, {"rope_type": "proportional", "factor": 2.0, "partial_rotary_factor": 0.5},
        {**LINEAR, "rope_theta": 200.0}, PLAIN,
    ):
        yield {"rope_scaling": scaling}
    yield {"rope_scaling": LINEAR, "rope_parameters": PLAIN}
    yield {"rope_scaling": LINEAR, "rope_parameters": {**YARN, "original_max_position_embeddings": 64}}
    yield {"rope_scaling": {}, "rope_parameters": LINEAR}
    yield {"rope_scaling": None, "rope_parameters": LINEAR}
    yield {"rope_scaling": PLAIN, "rope_parameters": LINEAR}
    for original in (NONE, 64, 64.0, None, "64"):
        for kind in (YARN, LLAMA3, LONGROPE):
            inside = {} if original is NONE else {"original_max_position_embeddings": original}
            yield {"rope_scaling": {**kind, **inside}}
    for kind in (YARN, LLAMA3, LONGROPE):
        yield {"rope_scaling": kind, "original_max_position_embeddings": 64}
        yield {"rope_scaling": {**kind, "original_max_position_embeddings": 64}, "original_max_position_embeddings": 32}
        yield {"rope_scaling": {**kind, "original_max_position_embeddings": 64}, "original_max_position_embeddings": NONE}
        yield {"rope_parameters": {**kind, "rope_theta": 200.0, "original_max_position_embeddings": 64}}
        yield {"rope_scaling": {**kind, "original_max_position_embeddings": 64}, "original_max_position_embeddings": None}
    for key in ("factor", "low_freq_factor", "high_freq_factor"):
        yield {"rope_scaling": {k: v for k, v in LLAMA3.items() if k != key} | {"original_max_position_embeddings": 64}}
    for more in (
        {"factor": None}, {"factor": "4"}, {"attention_factor": 1.5}, {"attention_factor": 2}, {"attention_factor": None},
        {"mscale": 2.0, "mscale_all_dim": 0.5}, {"mscale": 2.0}, {"mscale": 0.0, "mscale_all_dim": 1.0},
        {"beta_fast": 8.0, "beta_slow": 2.0}, {"beta_fast": None, "beta_slow": None}, {"beta_fast": 0},
        {"beta_fast": "8"}, {"truncate": False}, {"truncate": None}, {"truncate": True}, {"extra": 3},
    ):
        yield {"rope_scaling": {**YARN, "original_max_position_embeddings": 64, **more}}
    yield {"rope_scaling": {"rope_type": "yarn", "original_max_position_embeddings": 64}}
    for more in (
        {"factor": 4.0}, {"factor": None}, {"factor": "4"}, {"attention_factor": 1.5}, {"attention_factor": None},
        {"short_factor": SHORT[:3]}, {"long_factor": LONG[:3]}, {"short_factor": None}, {"short_factor": [1, 2, 3, 4]},
        {"long_factor": None}, {"short_factor": ["1"] * 4}, {"short_factor": 2.0}, {"type": "su", "rope_type": "su"},
    ):
        yield {"rope_scaling": {**LONGROPE, "original_max_position_embeddings": 64, **more}}
    for part in (0.5, 1.0, 0.4, 0.99, None, "0.5"):
        yield {"partial_rotary_factor": part}
        yield {"rope_parameters": {**PLAIN, "partial_rotary_factor": part}}
    yield {"partial_rotary_factor": 0.5, "rope_parameters": {**PLAIN, "partial_rotary_factor": 1.0}}
    yield {"partial_rotary_factor": 0.5, "rope_scaling": LINEAR}
    yield {"partial_rotary_factor": 0.99, "rope_scaling": LINEAR}
    nested = {FULL: {**PLAIN, "rope_theta": 300.0}, SLIDING: {"rope_type": "default", "rope_theta": 50.0}}
    yield {"rope_parameters": nested}
    yield {"rope_parameters": {FULL: nested[FULL]}}
    if family == "gemma3_text":
        for local in (NONE, None, 500.0, 500, "500"):
            yield {"rope_local_base_freq": local}
            yield {"rope_local_base_freq": local, "rope_parameters": {FULL: nested[FULL], SLIDING: {"rope_type": "default"}}}
        yield {"rope_parameters": {SLIDING: nested[SLIDING]}}
        yield {"rope_parameters": {FULL: None, SLIDING: None}}
        yield {"rope_parameters": {FULL: LINEAR, SLIDING: LINEAR}}
        yield {"rope_parameters": {FULL: {"rope_type": "default"}, SLIDING: {**YARN, "original_max_position_embeddings": 64}}}
        yield {"rope_parameters": {FULL: YARN, SLIDING: LLAMA3}}
        yield {"rope_parameters": nested, "rope_scaling": LINEAR}
        yield {"rope_parameters": {SLIDING: nested[SLIDING]}, "rope_scaling": LINEAR}
        yield {"rope_parameters": nested, "rope_theta": None}
        yield {"rope_parameters": {FULL: {"rope_type": "default"}, SLIDING: {"rope_type": "default"}}}
        yield {"rope_theta": NONE, "rope_local_base_freq": NONE}
        yield {"layer_types": [SLIDING] * LAYERS}
        yield {"layer_types": [FULL] * LAYERS}
        yield {"layer_types": [FULL] * LAYERS, "rope_parameters": nested}
        yield {"layer_types": [SLIDING] * LAYERS, "rope_parameters": nested}


def value_cells(family):
    sizes = {
        "hidden_size": (NONE, None, "32", 32.0, 0, -32, 30), "intermediate_size": (NONE, None, "48", 40),
        "num_hidden_layers": (NONE, None, 2, 3, 6, "4", 4.0, True), "num_attention_heads": (NONE, None, 8, "4", 3),
        "num_key_value_heads": (NONE, None, 4, "2", 3, 1), "vocab_size": (NONE, None, 95, 97, "96"),
        "head_dim": (NONE, None, 8, 16, "8", 8.0), "max_position_embeddings": (NONE, None, 64, "512", 512.0),
        "rms_norm_eps": (NONE, None, 1e-2, 1, "1e-6", True), "hidden_act": (NONE, None, "gelu", "gelu_new", "swish",
        "gelu_pytorch_tanh", "gelu_fast", "nonsense", 3), "hidden_activation": (NONE, None, "gelu", "gelu_new", "nonsense"),
        "attention_bias": (NONE, None, True, "true", 1), "mlp_bias": (NONE, None, True, "true", 1),
        "use_sliding_window": (NONE, None, True, False, "true", 1), "sliding_window": (NONE, None, 3, 9, "3", 3.0, 1, 0, -1),
        "max_window_layers": (NONE, None, 0, 1, 4, 9, "1"), "sliding_window_pattern": (NONE, None, 1, 2, 4, "2", 0),
        "query_pre_attn_scalar": (NONE, None, 24, 24.0, "24"), "attn_logit_softcapping": (NONE, None, 2.0, 2, "2", -3.0),
        "final_logit_softcapping": (NONE, None, 2.0, 2, "2"), "use_bidirectional_attention": (None, False),
        "initializer_range": (NONE, None, "x", 0.1), "use_cache": (NONE, None, "yes", True),
        "attention_dropout": (NONE, 0, 0.1, "x"), "bos_token_id": (NONE, 3, "3", [3]),
        "eos_token_id": (NONE, [], [1, 2], "1", -1, [None], [1, "2"], 1.0), "pad_token_id": (NONE, 0, "0", -1, 96, -97),
        "model_type": (NONE, None, "nonsense"), "architectures": (NONE, None, [], "x"), "unheard_of": (None, {"a": []}),
        "no_such_flag": (True,), "pretraining_tp": (2, "2", None),
        "torch_dtype": ("float32", "bfloat16", None, "nonsense", 5), "dtype": ("float16", None, "nonsense", 5),
    }
    for key, values in sizes.items():
        for value in values:
            yield {key: value}
    yield {"torch_dtype": "nonsense", "dtype": "float32"}
    lists = [
        None, [FULL] * LAYERS, [SLIDING] * LAYERS, [FULL, SLIDING, FULL, SLIDING], [SLIDING, FULL, FULL, FULL],
        [FULL] * 3, [FULL] * 5, [], ["full_attention", "nonsense", FULL, FULL], [FULL, "linear_attention", FULL, FULL],
        ["attention"] * LAYERS, "full_attention", [FULL, None, FULL, FULL], {"0": FULL},
    ]
    for kinds in lists:
        yield {"layer_types": kinds}
    if family in LISTED:
        yield {"layer_types": [FULL] * LAYERS, "sliding_window": None}
        yield {"layer_types": [FULL, SLIDING, FULL, SLIDING], "sliding_window": None}
        yield {"layer_types": [FULL, SLIDING, FULL, SLIDING], "sliding_window_pattern": 2, "max_window_layers": 0}
    if family.startswith("qwen"):
        yield {"layer_types": [FULL, SLIDING, FULL, SLIDING], "use_sliding_window": False}
        yield {"layer_types": [FULL] * LAYERS, "use_sliding_window": False}
        yield {"sliding_window": NONE, "use_sliding_window": False}
        yield {"sliding_window": None, "use_sliding_window": False}
        yield {"use_sliding_window": NONE, "max_window_layers": NONE, "sliding_window": NONE}
        yield {"max_window_layers": NONE, "num_hidden_layers": LAYERS}
    if family.startswith("gemma"):
        yield {"hidden_act": "gelu", "hidden_activation": None}
        yield {"hidden_act": "gelu", "hidden_activation": "gelu_pytorch_tanh"}
        yield {"hidden_act": "silu", "hidden_activation": "gelu_pytorch_tanh"}
        yield {"hidden_act": NONE, "hidden_activation": "silu"}


def weight_cells(family):
    for tied in (NONE, True, False, None, "true", 1):
        for weights in ("all", "no-head", "same-head", "no-embeddings"):
            yield weights, {"tie_word_embeddings": tied}
    if family in ("llama", "qwen3", "gemma", "gemma2", "gemma3_text"):
        for biased in (True, False):
            yield "no-biases", {"attention_bias": biased}
    yield "one-layer-less", {}
    yield "one-layer-more", {}
    yield "one-layer-more", {"num_hidden_layers": LAYERS + 1}


def cells(family):
    yield "all", {}
    for make in (rope_cells, value_cells):
        for change in make(family):
            yield "all", change
    yield from weight_cells(family)


def weights_of(family):
    """Random weights that are sharp enough for every key to matter, exact in bfloat16."""
    config = config_of(family)
    config["attention_bias"] = config["mlp_bias"] = True
    built = transformers.AutoConfig.for_model(**config)
    torch.manual_seed(sum(map(ord, family)))
    model = AutoModelForCausalLM.from_config(built).eval()
    gemma = family.startswith("gemma")
    out = {}
    for name, p in model.named_parameters():
        if "norm" in name:
            value = torch.empty_like(p).uniform_(-0.5, 0.5) if gemma else torch.empty_like(p).uniform_(0.5, 1.5)
        elif name.endswith("bias"):
            value = torch.empty_like(p).normal_(0.0, 0.3)
        elif "embed" in name or "lm_head" in name:
            value = torch.empty_like(p).normal_(0.0, 0.15 if gemma else 0.6)
        else:
            value = torch.empty_like(p).normal_(0.0, 2.0 / p.shape[1] ** 0.5)
        out[name] = value.detach().to(torch.bfloat16).contiguous()
    return out


def variant(weights, kind):
    head, embed, last = "lm_head.weight", "model.embed_tokens.weight", f"model.layers.{LAYERS - 1}."
    if kind == "no-head":
        return {k: v for k, v in weights.items() if k != head}
    if kind == "same-head":
        return {**weights, head: weights[embed].clone()}
    if kind == "no-embeddings":
        return {k: v for k, v in weights.items() if k != embed}
    if kind == "no-biases":
        return {k: v for k, v in weights.items() if not k.endswith("bias")}
    if kind == "one-layer-less":
        return {k: v for k, v in weights.items() if not k.startswith(last)}
    if kind == "one-layer-more":
        more = {k.replace(last, f"model.layers.{LAYERS}."): v.clone() for k, v in weights.items() if k.startswith(last)}
        return {**weights, **more}
    return weights


def prompt(number):
    generator = torch.Generator().manual_seed(number)
    return torch.randint(3, 96, (16,), generator=generator).tolist()


def greedy(model, ids, count):
    """Without a cache: what the model says, not what its cache keeps."""
    out = list(ids)
    for _ in range(count):
        out.append(int(model(torch.tensor([out]), use_cache=False).logits[0, -1].argmax()))
    return out[len(ids):]


@torch.no_grad()
def ask(config, weights):
    """Tokens and the number of the prompt, or why not."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "config.json").write_text(json.dumps(config))
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        try:
            model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
            if info["missing_keys"]:
                return None, "it would make up " + ", ".join(sorted(info["missing_keys"])[:2])
            model.eval()
            for number in range(40):
                ids = prompt(number)
                out = model.generate(
                    torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), do_sample=False,
                    max_new_tokens=NEW_TOKENS, pad_token_id=0, output_logits=True, return_dict_in_generate=True,
                )
                if any(not torch.isfinite(row).all() for row in out.logits):
                    return None, "its logits are not finite"
                top = [row[0].topk(2).values for row in out.logits]
                if min((t[0] - t[1]).item() for t in top) > MARGIN:
                    if greedy(model, ids, out.sequences.shape[1] - len(ids)) != out.sequences[0, len(ids):].tolist():
                        return None, "UNDECIDED"  # with its cache it is another model than without
                    return (number, out.sequences[0, len(ids):].tolist()), None
            return None, "UNDECIDED"
        except Exception as error:  # whatever it is, the checkpoint does not run
            text = str(error).strip().splitlines()
            return None, f"{type(error).__name__}: {text[-1].strip()[:60] if text else ''}"


def stacked_cells(family):
    orders = [[0, 1, 2, 1, 2, 3], [3, 2, 1, 0], [1, 1, 1, 2, 3], [0, 3], [0, 0, 1, 2, 3, 3, 2]]
    changes = [{}]
    if family in LISTED:
        changes.append({"layer_types": [SLIDING, FULL, SLIDING, SLIDING]})
    for change in changes:
        for order in orders:
            yield change, order


def kinds_of(config):
    kinds = getattr(transformers.AutoConfig.for_model(**config), "layer_types", None)
    return list(kinds) if kinds is not None else None


def main():
    asked = sys.argv[1:] or FAMILIES
    target = HERE / "config.json"
    book = json.loads(target.read_text()) if sys.argv[1:] and target.exists() else {"families": {}}
    book |= {"transformers": transformers.__version__, "new_tokens": NEW_TOKENS}
    book["prompts"] = [prompt(number) for number in range(40)]
    for family in asked:
        file = HERE / f"{family}.safetensors"
        save_file(weights_of(family), file, metadata={"format": "pt"})
        weights = load_file(file)
        base, rows = config_of(family), []
        for kind, change in cells(family):
            config = {k: v for k, v in {**base, **change}.items() if v is not NONE}
            told, refused = ask(config, variant(weights, kind))
            if refused == "UNDECIDED":
                print(f"  left out {family} {kind} {change}: no clear answer")
                continue
            row = {} if kind == "all" else {"weights": kind}
            row |= {"set": {k: v for k, v in change.items() if v is not NONE}}
            if gone := [k for k, v in change.items() if v is NONE]:
                row["unset"] = gone
            row |= {"refused": refused} if refused else {"prompt": told[0], "tokens": told[1]}
            if row not in rows:
                rows.append(row)
        stacks = []
        for change, order in stacked_cells(family):
            config = {**base, **change}
            kinds = kinds_of(config)
            moved = {k: v for k, v in weights.items() if not k.startswith("model.layers.")}
            for place, layer in enumerate(order):
                old, new = f"model.layers.{layer}.", f"model.layers.{place}."
                moved |= {k.replace(old, new): v.clone() for k, v in weights.items() if k.startswith(old)}
            config["num_hidden_layers"] = len(order)
            if kinds is not None:
                config["layer_types"] = [kinds[layer] for layer in order]
            told, refused = ask(config, moved)
            assert not refused, (family, change, order, refused)
            stacks.append({"set": change, "layers": order, "prompt": told[0], "tokens": told[1]})
            if kinds is not None:
                stacks[-1]["kinds"] = config["layer_types"]
        book["families"][family] = {"config": base, "cells": rows, "stacked": stacks}
        run = [r for r in rows if "tokens" in r]
        distinct = len({tuple(r["tokens"]) for r in run})
        print(f"{family}: {len(rows)} cells, {len(run)} run with {distinct} different answers")
    families = ",\n".join(
        f"{json.dumps(name)}: {{\n\"config\": {json.dumps(f['config'])},\n"
        + "\"cells\": [\n" + ",\n".join(json.dumps(r, separators=(',', ':')) for r in f["cells"]) + "\n],\n"
        + "\"stacked\": [\n" + ",\n".join(json.dumps(r, separators=(',', ':')) for r in f["stacked"]) + "\n]}"
        for name, f in book.pop("families").items()
    )
    head = json.dumps(book)[:-1]
    target.write_text(head + ",\n\"families\": {\n" + families + "\n}}\n")


if __name__ == "__main__":
    main()

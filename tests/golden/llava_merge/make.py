"""Makes the fixtures of merges between a text model and a LLaVA model: tiny models by transformers, and what mergekit
makes of their language models.

    pip install mergekit==0.1.5 transformers==5.24 torch safetensors tokenizers
    OMP_NUM_THREADS=1 python tests/golden/llava_merge/make.py

Everything is seeded; a second run writes the same bytes. Sorts inside mergekit are made stable, as by
../mergekit/make.py. mergekit can't read a LLaVA model: it is given the language model alone, saved as a plain decoder,
and told to leave out the rows of the vocabulary that not every model has (`unsafe_truncate_embeddings`).

Models: `base`, `ja` are Mistral of bfloat16 with a vocabulary of 40 and an LM head of their own; `vlm` is LLaVA-NeXT
with a CLIP tower over such a Mistral, whose vocabulary is 44. `qbase`, `qja` are Qwen 2 in float32 with tied
embeddings; `qvlm` is LLaVA with a SigLIP tower over such a one, stored under the names that the parts have in memory
(`model.language_model.…`). `other` is `ja` with another order of tokens.

`recipes/NAME.yml` names them; `exact.json` holds, for each recipe, an FNV-1a hash of each tensor that transformers
stores after mergekit's values, followed by the VLM's own further rows, were put into the VLM.
"""

import json
import logging
import os
import shutil
import sys
import tempfile

import torch
import yaml
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    CLIPVisionConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    SiglipVisionConfig,
)

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "mergekit"))
from make import filters, fnv, make_sorts_stable, merge, raw  # noqa: E402

from mergekit.config import MergeConfiguration  # noqa: E402
from mergekit.merge import run_merge  # noqa: E402
from mergekit.options import MergeOptions  # noqa: E402

MODELS = os.path.join(HERE, "models")
ROWS, MORE = 40, 4
SEED = 42
TEXT = dict(
    hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
    max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0,
)
TOWER = dict(
    hidden_size=8, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2, image_size=8, patch_size=4
)

W = {"ja": 0.7, "vlm": 0.6}


def two(method, density=None, shared=None, prefix="", **top):
    """`ja` and `vlm` over `base`, or their namesakes."""
    each = lambda name: {"weight": W[name]} | ({"density": density[name]} if density else {})
    base = None if method == "linear" else prefix + "base"
    return merge(method, {prefix + name: each(name) for name in W}, base, shared, **top)


D = {"ja": 0.4, "vlm": 0.7}
RECIPES = {
    "linear": two("linear"),
    "linear_f16": two("linear", dtype="float16"),
    "linear_q": two("linear", prefix="q"),
    "task_arithmetic": two("task_arithmetic"),
    "task_arithmetic_q": two("task_arithmetic", prefix="q"),
    "task_arithmetic_cast_q": two("task_arithmetic", prefix="q", dtype="bfloat16"),
    "task_arithmetic_filters": merge(
        "task_arithmetic",
        {"ja": {"weight": filters(embed_tokens=0.3, lm_head=0.9, rest=[0.2, 0.8])}, "vlm": {"weight": 1.1}},
        "base",
        {"lambda": 0.9},
    ),
    "ties": two("ties", D),
    "ties_q": two("ties", D, prefix="q"),
    "ties_float32": two("ties", D, dtype="float32"),
    "dare_linear": two("dare_linear", D),
    "dare_ties": two("dare_ties", D),
    "dare_ties_q": two("dare_ties", D, prefix="q"),
    "della": two("della", D),
    "breadcrumbs": two("breadcrumbs", D),
    # Only in bfloat16: in float32 the last bits hang on the order in which torch adds up a norm (../mergekit).
    "slerp": merge("slerp", {"ja": None, "vlm": None}, "ja", {"t": 0.4}),
    # The VLM as the base.
    "vlm_base": merge("task_arithmetic", {"ja": {"weight": 0.5}, "base": {"weight": -0.5}}, "vlm"),
}


def tokenizer(tokens):
    out = Tokenizer(models.WordLevel({token: i for i, token in enumerate(tokens)}, unk_token="<unk>"))
    out.pre_tokenizer = pre_tokenizers.Whitespace()
    return out


def words(rows):
    named = ["<pad>", "<s>", "</s>", "<unk>"]
    return named + [f"w{i}" for i in range(len(named), rows)]


def save(model, name, tokens):
    folder = os.path.join(MODELS, name)
    model.save_pretrained(folder)
    tokenizer(tokens).save(os.path.join(folder, "tokenizer.json"), pretty=False)
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as file:
        json.dump({"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}, file)


def fresh(model, draw):
    with torch.no_grad():
        for name, value in sorted(model.named_parameters()):
            norm = "norm" in name and name.endswith("weight")
            value.copy_(0.1 * torch.randn(value.shape, generator=draw) + (1 if norm else 0))


def tuned(model, base, draw):
    """Puts a fine-tune of `base` into `model`, whose embeddings may have further rows."""
    with torch.no_grad():
        own = dict(model.named_parameters())
        for name, value in sorted(base.named_parameters()):
            target = own[name][: value.shape[0]] if value.dim() == 2 else own[name]
            moved = (torch.rand(value.shape, generator=draw) < 0.9) * torch.randn(value.shape, generator=draw)
            target.copy_(value.float() + 0.02 * moved)


def make_models():
    shutil.rmtree(MODELS, ignore_errors=True)
    draw = torch.Generator().manual_seed(18)
    pictures = words(ROWS) + ["<image>"] + [f"x{i}" for i in range(1, MORE)]

    config = MistralConfig(vocab_size=ROWS, sliding_window=None, rope_theta=10_000.0, **TEXT)
    base, ja = (MistralForCausalLM(config).bfloat16() for _ in range(2))
    fresh(base, draw)
    tuned(ja, base, draw)
    inner = MistralConfig(
        vocab_size=ROWS + MORE, sliding_window=None, rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        **TEXT,
    )
    vlm = LlavaNextForConditionalGeneration(
        LlavaNextConfig(
            text_config=inner, vision_config=CLIPVisionConfig(**TOWER), image_token_index=ROWS,
            image_grid_pinpoints=[[8, 16], [16, 8]], image_seq_length=4,
        )
    ).bfloat16()
    fresh(vlm, draw)
    vlm_text = MistralForCausalLM(inner).bfloat16()
    fresh(vlm_text, draw)
    tuned(vlm_text, base, draw)
    vlm.model.language_model.load_state_dict(vlm_text.model.state_dict())
    vlm.lm_head.load_state_dict(vlm_text.lm_head.state_dict())
    save(base, "base", words(ROWS))
    save(ja, "ja", words(ROWS))
    save(ja, "other", words(ROWS)[:-2] + words(ROWS)[:-3:-1])
    save(vlm, "vlm", pictures)

    config = Qwen2Config(vocab_size=ROWS, tie_word_embeddings=True, **TEXT)
    qbase, qja = (Qwen2ForCausalLM(config) for _ in range(2))
    fresh(qbase, draw)
    tuned(qja, qbase, draw)
    inner = Qwen2Config(vocab_size=ROWS + MORE, tie_word_embeddings=True, **TEXT)
    qvlm = LlavaForConditionalGeneration(
        LlavaConfig(
            text_config=inner, vision_config=SiglipVisionConfig(vision_use_head=False, **TOWER),
            image_token_index=ROWS, vision_feature_select_strategy="full", vision_feature_layer=-1,
            image_seq_length=4,
        )
    )
    fresh(qvlm, draw)
    qvlm_text = Qwen2ForCausalLM(inner)
    fresh(qvlm_text, draw)
    tuned(qvlm_text, qbase, draw)
    qvlm.model.language_model.load_state_dict(qvlm_text.model.state_dict())
    save(qbase, "qbase", words(ROWS))
    save(qja, "qja", words(ROWS))
    save(qvlm, "qvlm", pictures)
    in_memory(os.path.join(MODELS, "qvlm"), qvlm)


def in_memory(folder, model):
    """Stores a model under the names that its parts have in memory."""
    tensors = {k: v.contiguous() for k, v in model.state_dict().items() if k != "lm_head.weight"}
    assert all(k.startswith("model.") for k in tensors), sorted(tensors)
    save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})


def extracted(name, root):
    """The language model of a VLM as a plain decoder."""
    vlm = AutoModelForImageTextToText.from_pretrained(os.path.join(MODELS, name), dtype="auto")
    inner = vlm.config.text_config
    text = AutoModelForCausalLM.from_config(inner, dtype=vlm.dtype)
    text.model.load_state_dict(vlm.model.language_model.state_dict())
    if not inner.tie_word_embeddings:
        text.lm_head.load_state_dict(vlm.lm_head.state_dict())
    text.save_pretrained(os.path.join(root, name))


def merged(document, root):
    """mergekit's tensors for a recipe."""
    text = yaml.safe_dump(document, sort_keys=False)
    for name in sorted(os.listdir(root), key=len, reverse=True):
        text = text.replace(f"model: {name}\n", f"model: {os.path.join(root, name)}\n")
    with tempfile.TemporaryDirectory() as out:
        options = MergeOptions(
            copy_tokenizer=False, write_model_card=False, random_seed=SEED, quiet=True,
            unsafe_truncate_embeddings=True,
        )
        run_merge(MergeConfiguration.model_validate(yaml.safe_load(text)), out, options)
        return load_file(os.path.join(out, "model.safetensors"))


def put_in(name, tensors):
    """What transformers stores of a VLM with these values in its language model."""
    vlm = AutoModelForImageTextToText.from_pretrained(os.path.join(MODELS, name), dtype="auto")
    dtype = next(iter(tensors.values())).dtype
    vlm.model.language_model.to(dtype)
    vlm.lm_head.to(dtype)
    with torch.no_grad():
        text, head = vlm.model.language_model.state_dict(), vlm.lm_head.weight
        for key, value in tensors.items():
            target = head if key == "lm_head.weight" else text[key.removeprefix("model.")]
            target[: value.shape[0]].copy_(value)
    with tempfile.TemporaryDirectory() as out:
        vlm.save_pretrained(out)
        saved = load_file(os.path.join(out, "model.safetensors"))
    # It keeps the names that it found.
    assert saved.keys() == load_file(os.path.join(MODELS, name, "model.safetensors")).keys()
    return saved


def main():
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    make_sorts_stable()
    make_models()
    shutil.rmtree(os.path.join(HERE, "recipes"), ignore_errors=True)
    os.makedirs(os.path.join(HERE, "recipes"))
    exact = {}
    with tempfile.TemporaryDirectory() as root:
        for name in ["base", "ja", "qbase", "qja"]:
            shutil.copytree(os.path.join(MODELS, name), os.path.join(root, name))
        for name in ["vlm", "qvlm"]:
            extracted(name, root)
        for name, document in RECIPES.items():
            with open(os.path.join(HERE, "recipes", name + ".yml"), "w") as file:
                yaml.safe_dump(document, file, sort_keys=False)
            tensors = merged(document, root)
            assert tensors["model.embed_tokens.weight"].shape[0] == ROWS
            saved = put_in("qvlm" if "qvlm" in str(document) else "vlm", tensors)
            exact[name] = {k: fnv(raw(v)) for k, v in sorted(saved.items())}
            print(name)
    with open(os.path.join(HERE, "exact.json"), "w") as file:
        json.dump({"seed": SEED, "recipes": exact}, file, indent=0)
        file.write("\n")


if __name__ == "__main__":
    main()

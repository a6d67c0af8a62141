"""Makes the fixtures beside this file: tiny models with different tokenizers, and what mergekit makes
of them.

    pip install mergekit==0.1.5 transformers torch safetensors tokenizers
    python tests/golden/tokenizer/make.py

Everything is seeded. mergekit's union takes new tokens in the order of a hash map, which changes from
run to run, so that results are compared token by token: `expected/NAME.json` lists the tokens in the
order of the rows of `expected/NAME.safetensors`. `chat.json` holds conversations as mergekit's named
chat templates render them.
"""

import json
import pathlib
import shutil
import tempfile

import torch
import yaml
from mergekit._data import chat_templates
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).parent
CORPORA = {
    "base": ["the cat sat on the mat", "a cat and a hat"],
    "a": ["the dog sat by the log", "a dog and a frog"],
    "b": ["cats and dogs", "hats and logs and mats"],
}
SPECIALS = {
    "base": ["<unk>", "<s>", "</s>"],
    "a": ["<unk>", "<|im_start|>", "<|im_end|>", "<s>"],
    "b": ["<unk>", "<s>", "</s>", "<tool>"],
}
TEMPLATES = {
    "base": None,
    "a": "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}{% endfor %}",
    "b": "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}{% endfor %}",
}
# Name, untied head, rows without a token, type.
MODELS = [("base", False, 0, torch.bfloat16), ("a", True, 5, torch.bfloat16), ("b", False, 0, torch.bfloat16)]

RECIPES = {
    "union": {"merge_method": "linear", "models": ["a", "b"], "tokenizer": {"source": "union"}},
    "union_base": {"merge_method": "task_arithmetic", "base_model": "base", "models": ["a", "b"],
                   "tokenizer": {"source": "union"}, "chat_template": "auto"},
    "of_base": {"merge_method": "task_arithmetic", "base_model": "base", "models": ["a", "b"],
                "tokenizer": {"source": "base"}, "chat_template": "chatml"},
    "of_a": {"merge_method": "task_arithmetic", "base_model": "base", "models": ["a", "b"],
             "tokenizer": {"source": "a"}},
    "tied": {"merge_method": "linear", "models": ["base", "b"], "tokenizer": {"source": "union"}},
    "rules": {
        "merge_method": "linear", "models": ["a", "b", "base"],
        "tokenizer": {
            "source": "union",
            "pad_to_multiple_of": 16,
            "tokens": {
                "<s>": {"source": "b", "force": True},
                "<|im_start|>": {"source": {"kind": "model_token", "model": "b", "token": "<tool>"}},
                "<tool>": {"source": {"kind": "model_token", "model": "a", "token_id": 2}, "force": True},
                "<new>": {"source": {"kind": "zero"}},
                "<fresh>": {"source": {"kind": "model_token", "model": "base", "token": "cat"}},
            },
        },
    },
}


def make(name, untied, spare, dtype):
    folder = HERE / "models" / name
    tok = Tokenizer(models.BPE(unk_token="<unk>"))
    tok.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=40, special_tokens=SPECIALS[name], show_progress=False)
    tok.train_from_iterator(CORPORA[name], trainer)
    if name == "b":
        tok.add_tokens([AddedToken("zebra", normalized=False)])
    bos = "<s>"
    eos = "</s>" if "</s>" in SPECIALS[name] else "<|im_end|>"
    fast = PreTrainedTokenizerFast(tokenizer_object=tok, bos_token=bos, eos_token=eos, unk_token="<unk>")
    fast.chat_template = TEMPLATES[name]
    fast.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(fast) + spare, hidden_size=8, intermediate_size=8, num_hidden_layers=1,
        num_attention_heads=1, num_key_value_heads=1, tie_word_embeddings=not untied,
        bos_token_id=fast.bos_token_id, eos_token_id=fast.eos_token_id, max_position_embeddings=64,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape))
    model.to(dtype).save_pretrained(folder)


def at(name):
    return str(HERE / "models" / name)


def place(value):
    """A recipe's value with the models' names turned into folders (`source: base` is no name)."""
    if not isinstance(value, dict):
        return value

    def named(k, v):
        return isinstance(v, str) and v in CORPORA and (k, v) != ("source", "base")

    keys = ("model", "source", "base_model")
    return {k: (at(v) if k in keys and named(k, v) else place(v)) for k, v in value.items()}


def merge(name, recipe):
    config = place({k: v for k, v in recipe.items() if k != "models"})
    config["models"] = [{"model": at(m), "parameters": {"weight": w}}
                        for m, w in zip(recipe["models"], [0.5, 0.75, 0.25])]
    with tempfile.TemporaryDirectory() as out:
        run_merge(MergeConfiguration.model_validate(config), out,
                  MergeOptions(cuda=False, write_model_card=False, quiet=True))
        tensors = load_file(next(pathlib.Path(out).glob("*.safetensors")))
        tok = AutoTokenizer.from_pretrained(out)
        tokens = [t for t, _ in sorted(tok.get_vocab().items(), key=lambda e: e[1])]
        config = json.loads((pathlib.Path(out) / "config.json").read_text())
    save_file({k: v.contiguous() for k, v in tensors.items()}, HERE / "expected" / f"{name}.safetensors")
    expected = {
        "recipe": recipe, "tokens": tokens, "vocab_size": config["vocab_size"],
        "special": sorted(t.content for t in tok.added_tokens_decoder.values() if t.special),
        "bos": tok.bos_token, "eos": tok.eos_token, "chat_template": tok.chat_template,
        "encoded": {text: tok.convert_ids_to_tokens(tok.encode(text)) for text in
                    ["the cat and the dog", "a zebra<tool> sat", "<|im_start|>frog<|im_end|>"]},
    }
    (HERE / "expected" / f"{name}.json").write_text(json.dumps(expected, indent=1, ensure_ascii=False) + "\n")


def chats():
    tok = AutoTokenizer.from_pretrained(at("base"))
    user = {"role": "user", "content": " How many? "}
    said = {"role": "assistant", "content": "Three.\n"}
    system = {"role": "system", "content": " Be short. "}
    conversations = [[user], [user, said], [user, said, user], [system, user], [system, user, said, user]]
    out = []
    folder = pathlib.Path(chat_templates.__file__).parent if chat_templates.__file__ else pathlib.Path(
        list(chat_templates.__path__)[0])
    for name in ["alpaca", "chatml", "exaone", "llama3", "mistral"]:
        template = (folder / f"{name}.jinja").read_text()
        for messages in conversations:
            for prompt in [False, True]:
                text = tok.apply_chat_template(messages, chat_template=template, tokenize=False,
                                               add_generation_prompt=prompt)
                out.append({"template": name, "messages": messages, "prompt": prompt, "text": text})
    (HERE / "chat.json").write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    for folder in ["models", "expected"]:
        shutil.rmtree(HERE / folder, ignore_errors=True)
        (HERE / folder).mkdir()
    torch.manual_seed(5)
    for model in MODELS:
        make(*model)
    for name, recipe in RECIPES.items():
        merge(name, recipe)
    chats()

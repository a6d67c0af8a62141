"""Makes tokens.json and the files in tokens/: what transformers 5.24 makes of every key that a tokenizer's,
a chat template's or a generation config's file may carry or lack.

    pip install transformers==5.24.0 torch tokenizers safetensors jinja2
    python tests/golden/matrix/make_tokens.py

A cell is a folder in words: the family, one of the tokenizers in tokens/, what of its tokenizer.json is
replaced, and the other files; with it what transformers reads there: ids of texts, the chat's text and ids,
the text of all ids, and, where it is about ends, the tokens of a greedy answer. A template alone is a cell of
its own. Where transformers refuses, the cell says so. Everything is seeded.
"""

import json
import os
import pathlib
import shutil
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from snippets import SNIPPETS

transformers.logging.set_verbosity(50)
HERE = pathlib.Path(__file__).parent
OUT = HERE / "tokens"
TEXTS = ["hello world", "<s>hi</s>", " two  spaces", "a<pad>b [INST] <tool>x\n", "日本 12é", ""]
CORPUS = ["hello world", "the cat sat on the mat", "say hi to the two cats", "a small model of a small world",
          "user assistant system", "日本の猫", "what is 1 + 2?"]
CHAT = [{"role": "user", "content": "hello  world "}, {"role": "assistant", "content": "hi"},
        {"role": "user", "content": "what?"}]
SPECIALS = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]
CHATML = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
LINES = "{{ bos_token }}|{{ eos_token }}|{{ unk_token }}|{{ pad_token }}|{{ image_token }}|{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %}"


def around(bos):
    return processors.TemplateProcessing(single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, 1)])


def tokenizers():
    OUT.mkdir(exist_ok=True)
    byte = Tokenizer(models.BPE())
    byte.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    byte.decoder = decoders.ByteLevel()
    byte.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=310, special_tokens=SPECIALS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    byte.post_processor = around("<s>")
    byte.save(str(OUT / "byte.json"))
    # As Llama 2's: pieces with a mark for a space, bytes for what has none.
    piece = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    piece.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    bytes_ = [f"<0x{b:02X}>" for b in range(256)]
    piece.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=340, special_tokens=SPECIALS + bytes_, show_progress=False))
    saved = json.loads(piece.to_str())
    saved["added_tokens"] = [t for t in saved["added_tokens"] if t["content"] in SPECIALS]
    piece = Tokenizer.from_str(json.dumps(saved))
    piece.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                       decoders.Strip(" ", 1, 0)])
    piece.post_processor = around("<s>")
    piece.save(str(OUT / "piece.json"))


def model():
    torch.manual_seed(7)
    config = LlamaConfig(vocab_size=340, hidden_size=16, intermediate_size=16, num_hidden_layers=1, head_dim=8,
                         num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=256,
                         tie_word_embeddings=True, bos_token_id=1, eos_token_id=2)
    made = LlamaForCausalLM(config)
    with torch.no_grad():
        for p in made.parameters():
            p.copy_(torch.randn(p.shape) * 0.6)
    with tempfile.TemporaryDirectory() as d:
        made.save_pretrained(d)
        shutil.copy(f"{d}/model.safetensors", OUT / "model.safetensors")
        saved = json.loads((pathlib.Path(d) / "config.json").read_text())
    for key in ["bos_token_id", "eos_token_id", "pad_token_id", "transformers_version"]:
        saved.pop(key, None)
    (OUT / "config.json").write_text(json.dumps(saved, indent=1) + "\n")


def folder(cell, d):
    d = pathlib.Path(d)
    tokenizer = json.loads((OUT / f"{cell['tokenizer']}.json").read_text())
    tokenizer.update(cell.get("patch", {}))
    (d / "tokenizer.json").write_text(json.dumps(tokenizer))
    config = json.loads((OUT / "config.json").read_text())
    config["model_type"] = cell.get("family", "llama")
    config["pad_token_id"] = None
    config.update(cell.get("config", {}))
    (d / "config.json").write_text(json.dumps(config))
    for name, content in cell.get("files", {}).items():
        (d / name).parent.mkdir(exist_ok=True)
        (d / name).write_text(content if isinstance(content, str) else json.dumps(content))


def read(cell):
    with tempfile.TemporaryDirectory() as d:
        folder(cell, d)
        try:
            tok = AutoTokenizer.from_pretrained(d)
            ids = [tok(text)["input_ids"] for text in TEXTS]
        except Exception as e:
            return {"refused": f"{type(e).__name__}: {e}"[:160]}
        out = {"ids": ids, "text": tok.decode([i for part in ids for i in part], skip_special_tokens=True)}
        if tok.chat_template is not None:
            try:
                out["chat"] = tok.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
                out["chat_ids"] = tok.apply_chat_template(CHAT, tokenize=True, add_generation_prompt=True)["input_ids"]
            except Exception as e:
                out["chat_refused"] = f"{type(e).__name__}: {e}"[:160]
        if cell.get("answer"):
            shutil.copy(OUT / "model.safetensors", d)
            try:
                lm = AutoModelForCausalLM.from_pretrained(d)
                prompt = torch.tensor([ids[0]])
                said = lm.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=12, do_sample=False,
                                   **cell.get("neutral", {}))
                out["answer"] = said[0, len(ids[0]):].tolist()
            except Exception as e:
                out["answer_refused"] = f"{type(e).__name__}: {e}"[:160]
        return out


def token(text, **flags):
    return {"__type": "AddedToken", "content": text, "lstrip": False, "rstrip": False, "single_word": False,
            "normalized": False, "special": True} | flags


def plain(text, **flags):
    """As added_tokens_decoder lists it."""
    return {k: v for k, v in token(text, **flags).items() if k != "__type"}


def cells():
    fast = {"tokenizer_class": "PreTrainedTokenizerFast"}

    def cell(name, files=None, tokenizer="byte", **more):
        return {"name": name, "tokenizer": tokenizer, "files": files or {}} | more

    def config(name, keys, **more):
        return cell(f"tokenizer_config: {name}", {"tokenizer_config.json": fast | keys}, **more)

    # Which class reads it: every family with every class that a file may name.
    for family in ["llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "phi3"]:
        for class_ in [None, "PreTrainedTokenizerFast", "TokenizersBackend", "LlamaTokenizer", "LlamaTokenizerFast",
                       "GemmaTokenizerFast", "Qwen2Tokenizer", "GPT2TokenizerFast", "GPTNeoXTokenizerFast",
                       "CohereTokenizerFast", "NoSuchTokenizer"]:
            tokenizer = "piece" if class_ in (None, "LlamaTokenizer", "GemmaTokenizerFast") else "byte"
            keys = {"chat_template": LINES} | ({"tokenizer_class": class_} if class_ else {})
            yield cell(f"{family} read by {class_}", {"tokenizer_config.json": keys}, tokenizer, family=family)
    yield cell("no tokenizer_config at all")
    yield cell("no tokenizer_config at all, pieces", tokenizer="piece")
    for family in ["gemma", "qwen2", "qwen3"]:
        yield cell(f"{family} without tokenizer_config", family=family)

    # Keys that change how the pieces are cut.
    for keys in [{"legacy": True}, {"legacy": False}, {"legacy": None}, {"add_prefix_space": False},
                 {"add_prefix_space": True}, {"add_prefix_space": None}, {"legacy": True, "add_prefix_space": False}]:
        for class_, tokenizer in [("LlamaTokenizer", "piece"), ("GPT2Tokenizer", "byte")]:
            yield cell(f"{class_} with {keys}", {"tokenizer_config.json": {"tokenizer_class": class_} | keys}, tokenizer)

    # What is saved in tokenizer.json.
    cut = {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    fill = {"strategy": {"Fixed": 16}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 2, "pad_type_id": 0, "pad_token": "</s>"}
    left = fill | {"direction": "Left", "pad_to_multiple_of": 8, "strategy": "BatchLongest"}
    for name, patch in {"truncation": {"truncation": cut}, "truncation from the left": {"truncation": cut | {"direction": "Left", "max_length": 2}},
                        "padding": {"padding": fill}, "padding to a multiple": {"padding": left},
                        "truncation and padding": {"truncation": cut, "padding": fill},
                        "no post-processor": {"post_processor": None}}.items():
        for class_, tokenizer in [("PreTrainedTokenizerFast", "byte"), ("LlamaTokenizer", "piece"), ("Qwen2Tokenizer", "byte")]:
            yield cell(f"tokenizer.json: {name}, {class_}",
                       {"tokenizer_config.json": {"tokenizer_class": class_, "chat_template": CHATML}}, tokenizer, patch=patch)
    for keys in [{"add_bos_token": True}, {"add_bos_token": False}, {"add_eos_token": True},
                 {"add_bos_token": True, "add_eos_token": True}, {"add_bos_token": None}]:
        for class_, tokenizer in [("PreTrainedTokenizerFast", "byte"), ("LlamaTokenizer", "piece"), ("GemmaTokenizer", "piece"),
                                  ("GPTNeoXTokenizer", "byte")]:
            for patch in [{}, {"post_processor": None}]:
                yield cell(f"{keys}, {class_}, {patch}", {"tokenizer_config.json": {
                    "tokenizer_class": class_, "bos_token": "<s>", "eos_token": "</s>", "chat_template": CHATML} | keys},
                    tokenizer, patch=patch)

    # Special tokens: where they stand and how.
    ways = {"text": "<s>", "object": token("<s>"), "null": None, "another": "<|im_start|>", "unknown": "<bos!>"}
    for here, value in ways.items():
        yield config(f"bos_token as {here}", {"bos_token": value, "chat_template": LINES})
        yield cell(f"special_tokens_map alone: bos_token as {here}", {
            "tokenizer_config.json": fast | {"chat_template": LINES},
            "special_tokens_map.json": {"bos_token": plain("<s>") if here == "object" else value}})
        yield cell(f"both: the map's bos_token as {here}", {
            "tokenizer_config.json": fast | {"chat_template": LINES, "bos_token": "</s>", "eos_token": "</s>"},
            "special_tokens_map.json": {"bos_token": plain("<s>") if here == "object" else value, "pad_token": "<|im_end|>"}})
        yield cell(f"both, and added_tokens_decoder: the map's bos_token as {here}", {
            "tokenizer_config.json": fast | {"chat_template": LINES, "bos_token": "</s>", "added_tokens_decoder": {"1": plain("<s>")}},
            "special_tokens_map.json": {"bos_token": plain("<s>") if here == "object" else value}})
    yield config("tokens of the model's own", {"image_token": "<image>", "boi_token": "<|im_start|>", "chat_template": LINES})
    yield config("extra_special_tokens by name", {"extra_special_tokens": {"image_token": "<image>"}, "chat_template": LINES})
    for key in ["additional_special_tokens", "extra_special_tokens"]:
        yield config(f"{key}", {key: ["<tool>", "<|im_end|>"]})
        yield config(f"{key} as objects", {key: [token("<tool>", lstrip=True, rstrip=True)]})
        yield config(f"{key}, empty", {key: []})
        yield config(f"{key}, null", {key: None})
        yield cell(f"special_tokens_map: {key}", {"tokenizer_config.json": fast, "special_tokens_map.json": {key: ["<tool>", "[INST]"]}})
    yield config("both lists", {"additional_special_tokens": ["<tool>"], "extra_special_tokens": ["[INST]"]})
    yield config("split_special_tokens", {"split_special_tokens": True, "chat_template": CHATML})
    yield config("clean_up_tokenization_spaces", {"clean_up_tokenization_spaces": True})
    yield config("model_max_length", {"model_max_length": 4, "truncation_side": "left", "padding_side": "left"})
    yield config("pad_token is the end", {"pad_token": "</s>", "eos_token": "</s>", "bos_token": "<s>", "chat_template": LINES})

    # Tokens that were added.
    for name, tokens in {
        "one": {"310": plain("<tool>")}, "one that strips": {"310": plain("<tool>", lstrip=True, rstrip=True)},
        "one that is text": {"310": plain("<tool>", special=False)}, "normalized": {"310": plain("<tool>", special=False, normalized=True)},
        "whole words": {"310": plain("hi", special=False, single_word=True)}, "two, apart": {"320": plain("<tool>"), "400": plain("[INST]")},
        "other flags of a known one": {"1": plain("<s>", rstrip=True)}, "none": {},
    }.items():
        for class_ in ["PreTrainedTokenizerFast", "Qwen2Tokenizer", "GPT2Tokenizer"]:
            yield cell(f"added_tokens_decoder, {name}, {class_}", {"tokenizer_config.json": {
                "tokenizer_class": class_, "added_tokens_decoder": tokens, "bos_token": "<s>", "eos_token": "</s>", "chat_template": LINES}})
    for class_, tokenizer in [("PreTrainedTokenizerFast", "byte"), ("LlamaTokenizer", "piece"), ("Qwen2Tokenizer", "byte")]:
        yield cell(f"added_tokens.json, {class_}", {"tokenizer_config.json": {"tokenizer_class": class_},
                                                     "added_tokens.json": {"<tool>": 345, "[INST]": 341}}, tokenizer)
        yield cell(f"added_tokens.json with its special ones, {class_}", {
            "tokenizer_config.json": {"tokenizer_class": class_, "additional_special_tokens": ["<tool>"]},
            "added_tokens.json": {"<tool>": 345, "[INST]": 341}}, tokenizer)
    yield cell("added_tokens.json beside added_tokens_decoder", {
        "tokenizer_config.json": fast | {"added_tokens_decoder": {}}, "added_tokens.json": {"<tool>": 345}})

    # Chat templates: where they stand.
    named = [{"name": "default", "template": CHATML}, {"name": "tool_use", "template": "TOOLS"}]
    for name, files in {
        "in tokenizer_config": {"tokenizer_config.json": fast | {"chat_template": CHATML}},
        "in a file": {"chat_template.jinja": CHATML},
        "in both": {"tokenizer_config.json": fast | {"chat_template": "CONFIG"}, "chat_template.jinja": CHATML},
        "null": {"tokenizer_config.json": fast | {"chat_template": None}},
        "several": {"tokenizer_config.json": fast | {"chat_template": named}},
        "several, no default": {"tokenizer_config.json": fast | {"chat_template": named[1:]}},
        "several by name": {"tokenizer_config.json": fast | {"chat_template": {"default": CHATML, "rag": "RAG"}}},
        "a folder beside the file": {"chat_template.jinja": CHATML, "additional_chat_templates/rag.jinja": "RAG"},
        "a folder with a default": {"additional_chat_templates/default.jinja": CHATML, "additional_chat_templates/rag.jinja": "RAG"},
        "a folder without a default": {"additional_chat_templates/rag.jinja": "RAG"},
        "a folder without a default, beside the config": {
            "tokenizer_config.json": fast | {"chat_template": CHATML}, "additional_chat_templates/rag.jinja": "RAG"},
        "a folder and several": {"tokenizer_config.json": fast | {"chat_template": named}, "chat_template.jinja": CHATML, "additional_chat_templates/rag.jinja": "R"},
        "chat_template.json does not count": {"chat_template.json": {"chat_template": CHATML}},
        "an empty file": {"chat_template.jinja": ""},
        "Windows lines": {"chat_template.jinja": "{% for m in messages %}\r\n{{ m.content }}\r\n{% endfor %}\r\nend\r\n"},
        "writes the first token": {"tokenizer_config.json": fast | {"bos_token": "<s>", "chat_template": "{{ bos_token }}" + CHATML}},
        "writes another first token": {"tokenizer_config.json": fast | {"bos_token": "<|im_start|>", "chat_template": "<s>" + CHATML}},
        "writes two": {"tokenizer_config.json": fast | {"bos_token": "<s>", "chat_template": "<s>{{ bos_token }}" + CHATML}},
        "with generation": {"tokenizer_config.json": fast | {"chat_template": "{% for m in messages %}\n  {%- generation %}\n{{ m.content }}\n  {% endgeneration %}\n{% endfor %}"}},
        "damaged": {"chat_template.jinja": "{% if %}"},
    }.items():
        yield cell(f"chat template: {name}", files)
        if "in" in name:
            yield cell(f"chat template: {name}, pieces", {k: v | {"tokenizer_class": "LlamaTokenizer"} if k == "tokenizer_config.json" else v
                                                           for k, v in files.items()}, "piece")

    # What ends an answer.
    first = read(cell("", answer=True))["answer"]
    third, fifth = first[2], first[4]
    neutral = {"repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "suppress_tokens": None, "min_new_tokens": None,
               "min_length": 0, "forced_bos_token_id": None, "forced_eos_token_id": None, "bad_words_ids": None,
               "begin_suppress_tokens": None, "num_beams": 1}
    values = {"absent": ..., "null": None, "number": third, "list": [third], "two": [fifth, third], "outside": 100000,
              "below zero": -1, "text": str(third), "float": float(third), "empty": [], "true": True, "object": {"a": 1}}
    for name, value in values.items():
        for where in ["config", "generation", "both", "generation beside config's"]:
            if value is ... and where != "generation":
                continue
            keys = {} if value is ... else {"eos_token_id": value}
            more = {}
            if where in ("config", "both"):
                more["config"] = keys
            if where in ("generation", "both", "generation beside config's"):
                more["files"] = {"generation_config.json": keys}
            if where == "generation beside config's":
                more["config"] = {"eos_token_id": fifth}
            yield cell(f"eos_token_id: {name} in {where}", answer=True) | more
    yield cell("generation_config.json without end, config with", {"generation_config.json": {"bos_token_id": 1}}, config={"eos_token_id": third}, answer=True)
    yield cell("generation_config.json from the model's config", {"generation_config.json": {"_from_model_config": True}}, config={"eos_token_id": third}, answer=True)
    yield cell("generation_config.json empty", {"generation_config.json": {}}, config={"eos_token_id": third}, answer=True)
    yield cell("generation_config.json damaged", {"generation_config.json": "{"}, config={"eos_token_id": third}, answer=True)
    yield cell("the tokenizer's end does not count", {"tokenizer_config.json": fast | {"eos_token": "</s>"}}, answer=True)
    for key, value in {"repetition_penalty": 3.0, "no_repeat_ngram_size": 1, "suppress_tokens": [first[0]], "min_new_tokens": 8,
                       "forced_eos_token_id": 2, "begin_suppress_tokens": [first[0]], "bad_words_ids": [[first[1]]],
                       "num_beams": 3, "do_sample": True, "temperature": 0.5, "top_k": 5, "max_new_tokens": 2, "max_length": 3}.items():
        # How tokens are chosen is the task's to say: with it set aside, the answer is the plain one.
        yield cell(f"generation_config.json: {key} is set aside", {"generation_config.json": {key: value, "eos_token_id": [fifth]}},
                   answer=True, neutral=neutral)


VARIABLES = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
CONVERSATIONS = {
    "one": [{"role": "user", "content": "hello "}],
    "system": [{"role": "system", "content": " Be brief. /no_think"}, {"role": "user", "content": "日本 <b>\"x\"</b>\n"},
               {"role": "assistant", "content": "\n<think>\nhm\n</think>\n\nyes "}, {"role": "user", "content": "and?"}],
    "wrong": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}],
    "tool": [{"role": "user", "content": "w?"}, {"role": "assistant", "content": "", "tool_calls": [
        {"type": "function", "id": "abcdefghi", "function": {"name": "f", "arguments": {"x": 1, "y": [True, None, 1.5, "é"]}}}]},
        {"role": "tool", "content": "42", "tool_call_id": "abcdefghi"}, {"role": "assistant", "content": "So 42."}],
}


def renders():
    tok = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"<unk>": 0, "<s>": 1, "</s>": 2}, unk_token="<unk>")), **VARIABLES)

    def one(name, template, messages, prompt):
        out = {"name": name, "messages": messages, "prompt": prompt}
        try:
            out["text"] = tok.apply_chat_template(messages, chat_template=template, tokenize=False, add_generation_prompt=prompt)
        except Exception as e:
            out["refused"] = f"{type(e).__name__}: {e}"[:120]
        return out

    for path in sorted((HERE / "templates").glob("*.jinja")):
        for name, messages in CONVERSATIONS.items():
            for prompt in ([True, False] if name == "system" else [True]):
                yield one(f"{path.stem}: {name}", path.read_text(), messages, prompt) | {"file": path.name}
    for i, template in enumerate(SNIPPETS):
        yield one(f"snippet {i}", template, CONVERSATIONS["system"], True) | {"template": template}


if __name__ == "__main__":
    shutil.rmtree(OUT, ignore_errors=True)
    tokenizers()
    model()
    made = []
    for cell in cells():
        cell["expect"] = read(cell)
        cell.pop("neutral", None)
        made.append(cell)
    rendered = list(renders())
    lines = lambda rows: "[\n" + ",\n".join(json.dumps(r, ensure_ascii=False) for r in rows) + "\n]"
    (HERE / "tokens.json").write_text(
        '{"texts": ' + json.dumps(TEXTS, ensure_ascii=False) + ',\n"chat": ' + json.dumps(CHAT) + ',\n"variables": '
        + json.dumps(VARIABLES) + ',\n"cells": ' + lines(made) + ',\n"templates": ' + lines(rendered) + "}\n")
    print(len(made), "cells,", len(rendered), "templates")

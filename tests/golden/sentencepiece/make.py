"""Makes the fixtures beside this file: tiny tokenizers that have no `tokenizer.json` (sentencepiece models,
`vocab.json` with `merges.txt`), and the token ids that transformers gives some thousands of texts with them.

    pip install transformers==5.24.0 sentencepiece protobuf tokenizers torch
    python tests/golden/sentencepiece/make.py

Everything is seeded. `texts.json` holds the texts; `expected.json` holds, for each tokenizer, the ids of the
first texts in full, a checksum of each text's ids (FNV-1a over little-endian 32-bit numbers, in hex), and what the
ids of the first texts decode to.
"""

import contextlib
import io
import json
import pathlib
import random
import shutil
import tempfile

import sentencepiece as spm
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoTokenizer

HERE = pathlib.Path(__file__).parent
FULL = 24

WORDS = """the cat sat on mat and a dog saw frog by log hello world hello there answer is question number of apples
boxes each gave away friends return def for in if else print import self class value list range""".split()
JAPANESE = """りんご 答え です ます 個 友だち に あげ ました 問題 日本 日本語 東京 大阪 学校 計算 は を の が と も 十二 三百
カタカナ テスト モデル データ ﾊﾝｶｸ ガギグ 「 」 。 、 ー ～ 々""".split()
CODE = ["def f(x):\n    return x + 1\n", "for i in range(10):\n\tprint(i)\n", "if (a && b) { c[0] = '\\n'; }\n",
        "<html>\n  <b>x</b>\n</html>", "SELECT * FROM t WHERE a='b';", "x = {'k': [1, 2, 3]}  # note\n"]
ODD = ["", " ", "  ", "   a", "a   ", " a  b   c ", "\t", "\ta", "a\tb", "\n", "\n\n\n", "a\n b", "\r\n", "a\r\nb", "\u3000", "a\u3000b",
       "▁", "▁▁a", "a▁b", " ▁", "<s>", "</s>", "<unk>", "a<s>b", "<s> a </s>", "<0x41>", "<0x0A>", "<tool>", "a <tool> b", "a<tool>b",
       "<tool><tool>", "<sep>", "x<sep>y", "  <sep>  y", "<mask>", "<|im_start|>user\nhi<|im_end|>\n", "<|endoftext|>a", "<extra>", "\u0000", "a\u0000b",
       "\u0001\u0002", "\u007f", "\u0085", "\u200b", "a\u200bb", "\u200d", "\ufeffa", "\u202ea", "\u2028", "é", "e\u0301", "ﬁ", "①", "㍿",
       "Å", "가", "각", "𝒳", "👍", "👍🏽", "👨‍👩‍👧", "🇯🇵", "１２３", "ＡＢＣ", "ｱｲｳ", "ｶﾞ", "…", "—", "“q”", "１＋１＝２", "12345", "1,234.5",
       "don't", "I'll we've", "DON'T", "a" * 200, " " * 50, "あ" * 100, "ab" * 60, "1" * 40, "\ud7ff", "\ue000", "\U0010ffff", "\ufffd"]


def texts():
    random.seed(11)
    out = list(ODD) + CODE
    pools = [WORDS, JAPANESE, WORDS + JAPANESE, CODE, ODD[3:60]]
    joins = [" ", "", "  ", "\n", " ", "", "\t", "、"]
    while len(out) < 2400:
        pool = random.choice(pools)
        pieces = [random.choice(pool) for _ in range(random.randint(1, 7))]
        text = random.choice(joins).join(pieces)
        if random.random() < 0.25:
            place = random.randint(0, len(text))
            text = text[:place] + random.choice(ODD) + text[place:]
        if random.random() < 0.15:
            text = "".join(chr(random.choice([random.randint(1, 0x2FF), random.randint(0x3040, 0x30FF),
                                              random.randint(0x1F300, 0x1F64F)])) for _ in range(random.randint(1, 8)))
        out.append(text)
    return out


def corpus():
    random.seed(5)
    lines = []
    for _ in range(3000):
        pool = random.choice([WORDS, JAPANESE])
        lines.append((" " if pool is WORDS else "").join(random.choice(pool) for _ in range(random.randint(2, 9))))
    return lines + [line for text in CODE for line in text.split("\n") if line.strip()] * 20


def train(folder, **options):
    """A sentencepiece model in `folder`."""
    model = io.BytesIO()
    defaults = {"vocab_size": 600, "character_coverage": 0.998, "num_threads": 1, "minloglevel": 2,
                "hard_vocab_limit": False, "shuffle_input_sentence": False}
    spm.SentencePieceTrainer.train(sentence_iterator=iter(corpus()), model_writer=model, **(defaults | options))
    (folder / "tokenizer.model").write_bytes(model.getvalue())


# How transformers knows the tokenizer: the model's type, and its tokenizer_config.json.
LLAMA = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "add_bos_token": True}
BPE = {"model_type": "bpe", "byte_fallback": True, "normalization_rule_name": "identity",
       "remove_extra_whitespaces": False, "split_digits": True, "allow_whitespace_only_pieces": True}
ADDED = {"added_tokens_decoder": {
    "0": {"content": "<unk>", "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": True},
    "1": {"content": "<s>", "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": True},
    "2": {"content": "</s>", "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": True},
    "600": {"content": "<|im_start|>", "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": True},
    "601": {"content": "<tool>", "lstrip": True, "rstrip": True, "normalized": True, "single_word": False, "special": False}}}
SPIECE = {
    "llama": ("llama", BPE, LLAMA | {"legacy": False}, {}),
    "llama-legacy": ("llama", BPE, LLAMA | {"legacy": True}, {}),
    "llama-silent": ("llama", BPE, {"tokenizer_class": "LlamaTokenizer"}, {}),
    "llama-noprefix": ("llama", BPE, LLAMA | {"legacy": False, "add_prefix_space": False, "add_eos_token": True}, {}),
    "llama-added": ("llama", BPE, LLAMA | {"legacy": False} | ADDED, {}),
    "llama-added-file": ("llama", BPE, LLAMA, {
        "added_tokens.json": {"<|im_start|>": 600, "<tool>": 601},
        "special_tokens_map.json": {"bos_token": {"content": "<s>", "lstrip": False, "normalized": False, "rstrip": False, "single_word": False},
                                    "eos_token": "</s>", "additional_special_tokens": ["<|im_start|>"]}}),
    "llama-symbols": ("llama", BPE | {"user_defined_symbols": ["<sep>", "<tool>", "▁▁", "問題"], "control_symbols": ["<mask>"]},
                      LLAMA | {"legacy": False}, {}),
    "llama-unclassed": ("llama", BPE, {"bos_token": "<s>", "eos_token": "</s>"}, {}),
    "llama-none": ("llama", BPE, None, {}),
    "mistral": ("mistral", BPE, LLAMA | {"legacy": False}, {}),
    "mistral-legacy": ("mistral", BPE, LLAMA | {"legacy": True}, {}),
    "mistral-added": ("mistral", BPE, LLAMA | ADDED, {}),
    "mistral-symbols": ("mistral", BPE | {"user_defined_symbols": ["<sep>", "<tool>", "▁▁", "問題"], "control_symbols": ["<mask>"]}, LLAMA, {}),
    "mistral-spaces": ("mistral", BPE | {"remove_extra_whitespaces": True}, LLAMA, {}),
    "mistral-noprefix": ("mistral", BPE | {"add_dummy_prefix": False}, LLAMA, {}),
    "phi3": ("phi3", BPE, LLAMA | {"legacy": False, "add_bos_token": False}, {}),
    "unigram": ("mistral", {"model_type": "unigram", "normalization_rule_name": "nmt_nfkc"}, LLAMA, {}),
    "unigram-bytes": ("phi3", {"model_type": "unigram", "byte_fallback": True, "normalization_rule_name": "identity"}, LLAMA, {}),
    "gemma": ("gemma2", BPE | {"add_dummy_prefix": False, "pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3, "pad_piece": "<pad>",
                               "eos_piece": "<eos>", "bos_piece": "<bos>", "user_defined_symbols": ["<mask>", "<tool>", "\n\n", "▁▁", "▁▁▁"]},
              {"tokenizer_class": "GemmaTokenizer", "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>",
               "add_bos_token": True}, {}),
}


def byte_level(folder):
    """`vocab.json` and `merges.txt` of a byte-level BPE."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=["<|endoftext|>"], show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.model.save(str(folder))


QWEN = {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "unk_token": None, "bos_token": None,
        "added_tokens_decoder": {
            "0": {"content": "<|endoftext|>", "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": True},
            "600": {"content": "<|im_start|>", "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": True},
            "601": {"content": "<|im_end|>", "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": True},
            "602": {"content": "<tool>", "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": False}}}
BYTES = {
    "qwen2": ("qwen2", QWEN, {}),
    "qwen3-silent": ("qwen3", None, {}),
    "gpt2": ("llama", {"tokenizer_class": "GPT2Tokenizer", "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}, {}),
    "gpt2-prefix": ("llama", {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True, "add_bos_token": True}, {}),
}


def fnv(ids):
    value = 0x811C9DC5
    for i in ids:
        for byte in i.to_bytes(4, "little"):
            value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def main():
    given = texts()
    (HERE / "texts.json").write_text(json.dumps(given, ensure_ascii=True, separators=(",\n", ":")) + "\n")
    shutil.rmtree(HERE / "models", ignore_errors=True)
    made, expected = {}, {}
    for name, spec in {**SPIECE, **BYTES}.items():
        folder = HERE / "models" / name
        folder.mkdir(parents=True)
        kind, config, files = spec[0], spec[-2], spec[-1]
        write = lambda file, value: (folder / file).write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")
        write("config.json", {"model_type": kind})
        if config is not None:
            write("tokenizer_config.json", config)
        for file, value in files.items():
            write(file, value)
        options = json.dumps(spec[1] if name in SPIECE else "bytes", sort_keys=True)
        # Models of the same options are one file.
        if options in made:
            write("same.json", made[options])
        elif name in SPIECE:
            train(folder, **spec[1])
            made[options] = name
        else:
            byte_level(folder)
            made[options] = name
        with tempfile.TemporaryDirectory() as whole:
            for source in [HERE / "models" / made[options], folder]:
                for file in source.iterdir():
                    own = source == folder or file.name in ("tokenizer.model", "vocab.json", "merges.txt")
                    if own and file.name != "same.json":
                        shutil.copy(file, whole)
            try:
                with contextlib.redirect_stderr(io.StringIO()):
                    tokenizer = AutoTokenizer.from_pretrained(whole)
            except Exception as error:  # noqa: BLE001
                print(f"{name}: transformers refuses: {error}")
                continue
        ids = [tokenizer.encode(text) for text in given]
        expected[name] = {
            "class": type(tokenizer).__name__,
            "size": len(tokenizer),
            "ids": ids[:FULL],
            "checks": "".join(f"{fnv(i):08x}" for i in ids),
            "decoded": [tokenizer.decode(i, skip_special_tokens=True, clean_up_tokenization_spaces=False) for i in ids[:100]],
        }
        print(name, type(tokenizer).__name__, len(tokenizer), ids[90][:12])
    (HERE / "expected.json").write_text(json.dumps(expected, ensure_ascii=True, separators=(",", ":")) + "\n")


main()

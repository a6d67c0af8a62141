"""Makes the fixtures beside this file: tiny random checkpoints with what transformers says of them.

    python make.py [NAME ...]

Needs torch, transformers and tokenizers (made with 2.15, 5.23 and 0.23). For each model a folder
in Hugging Face layout (f32 weights), and golden.json: prompts as token ids, the logits of a few of them at
every position, and the greedy continuation of all of them, computed one prompt at a time in f32.
"""

import json
import pathlib
import shutil
import sys

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM, Gemma2Config, Gemma3TextConfig, GemmaConfig, LlamaConfig, MistralConfig, Phi3Config,
    Qwen2Config, Qwen3Config,
)

HERE = pathlib.Path(__file__).parent
PROMPTS, NEW_TOKENS, LOGIT_PROMPTS = 50, 128, 4
# The runner-up must be this much less likely (in logits) than the token chosen, at every step:
# greedy tokens are then a fact about the model, not about the order of a sum. Prompts where it
# is not are drawn again.
MARGIN = 3e-4

CORPUS = [
    "りんごが3個あります。2個もらいました。全部で何個ですか。",
    "花子さんは鉛筆を12本持っています。太郎さんに5本あげました。",
    "3 + 2 = 5。答えは5個です。",
    "Tom has 3 apples. He buys 2 more. How many apples does he have?",
    "3 + 2 = 5. The answer is 5.",
    "箱が4つあります。それぞれにみかんが6個入っています。",
    "There are 4 boxes with 6 oranges each. 4 * 6 = 24.",
]


def tokenizer(folder: pathlib.Path) -> None:
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tok.train_from_iterator(CORPUS, trainer)
    assert tok.get_vocab_size() == 320, tok.get_vocab_size()
    tok.save(str(folder / "tokenizer.json"))


COMMON = dict(vocab_size=320, bos_token_id=0, eos_token_id=1, max_position_embeddings=256)
MODELS = {
    # Tied, three query heads on one key-value head: the bundled zoo's kind.
    "tied-gqa": LlamaConfig(
        **COMMON, hidden_size=48, intermediate_size=80, num_hidden_layers=3, num_attention_heads=3,
        num_key_value_heads=1, tie_word_embeddings=True,
    ),
    # Untied, a key-value head for each query head, biases everywhere.
    "untied-bias": LlamaConfig(
        **COMMON, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=4, attention_bias=True, mlp_bias=True,
    ),
    # A head that is not hidden/heads and fills no vector; linear rope scaling.
    "odd-head": LlamaConfig(
        **COMMON, hidden_size=36, intermediate_size=56, num_hidden_layers=2, num_attention_heads=6,
        num_key_value_heads=2, head_dim=12, tie_word_embeddings=True,
        rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0},
    ),
    # A window shorter than the prompts.
    "sliding": MistralConfig(
        **COMMON, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, sliding_window=9,
    ),
    # Llama 3.1's rope scaling with all three kinds of pairs.
    "llama3-rope": LlamaConfig(
        **COMMON, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=32,
        rope_parameters={
            "rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
        },
    ),
    # YaRN with its factor on cosines and sines.
    "yarn-rope": LlamaConfig(
        **COMMON, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2,
        rope_parameters={
            "rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 64,
        },
    ),
    # Within max_position_embeddings the dynamic kind turns as the plain one does.
    "dynamic-rope": LlamaConfig(
        **COMMON, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1,
        rope_parameters={"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0},
    ),
    # Biases on query, key and value only; the upper layers see a window.
    "qwen2": Qwen2Config(
        **COMMON, hidden_size=40, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, use_sliding_window=True, sliding_window=11, max_window_layers=1,
        tie_word_embeddings=True,
    ),
    # Norms on queries and keys; heads that are not hidden/heads.
    "qwen3": Qwen3Config(
        **COMMON, hidden_size=40, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16,
    ),
    # Norms by 1 + w, scaled embeddings, GELU.
    "gemma": GemmaConfig(
        **COMMON, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=20,
    ),
    # Norms after the sublayers too, capped scores and logits, every second layer a window.
    "gemma2": Gemma2Config(
        **COMMON, hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, head_dim=12, sliding_window=10, query_pre_attn_scalar=20,
        attn_logit_softcapping=4.0, final_logit_softcapping=6.0,
    ),
    # Local and global layers, each with its own rotation; norms on queries and keys.
    "gemma3": Gemma3TextConfig(
        **COMMON, hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, sliding_window=9, query_pre_attn_scalar=24,
        layer_types=["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
        rope_parameters={
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
        },
    ),
    # Fused projections, a rotation of half the features, a window.
    "phi3": Phi3Config(
        **COMMON, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, sliding_window=13, pad_token_id=1,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5},
    ),
    # LongRoPE: the short factors, which hold as far as original_max_position_embeddings.
    "phi3-longrope": Phi3Config(
        **{**COMMON, "max_position_embeddings": 1024}, hidden_size=32, intermediate_size=48,
        num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2, pad_token_id=1,
        original_max_position_embeddings=256,
        rope_parameters={
            "rope_type": "longrope", "rope_theta": 10000.0, "original_max_position_embeddings": 256,
            "short_factor": [1.0, 1.05, 1.1, 1.2, 1.3, 1.4, 1.6, 2.0],
            "long_factor": [1.0, 1.5, 2.0, 4.0, 8.0, 16.0, 24.0, 32.0],
        },
    ),
}

# Where the search for a seed begins, for models whose weights other fixtures use too.
FIRST_SEED = {"untied-bias": 2, "odd-head": 8, "sliding": 10, "llama3-rope": 2}


def build(config, seed: int):
    torch.manual_seed(seed)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").to(torch.float32).eval()
    gemma = config.model_type.startswith("gemma")
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "norm" in name:
                p.uniform_(-0.5, 0.5) if gemma else p.uniform_(0.5, 1.5)
            elif name.endswith("bias"):
                p.normal_(0.0, 0.3)
            elif "embed" in name or "lm_head" in name:  # Gemma multiplies them by √hidden_size
                p.normal_(0.0, 0.08 if gemma else 0.6)
            else:  # sharp enough that attention and MLP decide the next token
                p.normal_(0.0, 2.0 / p.shape[1] ** 0.5)
    return model


def prompts(seed: int):
    """A common beginning, then lengths of all kinds; without end."""
    generator = torch.Generator().manual_seed(seed)
    head = torch.randint(2, 320, (5,), generator=generator).tolist()
    while True:
        n = int(torch.randint(1, 40, (1,), generator=generator))
        yield head + torch.randint(2, 320, (n,), generator=generator).tolist()


def greedy(model, prompt):
    """Tokens until the end token or the limit, and the smallest margin on the way."""
    ids, cache, out, margin = torch.tensor([prompt]), None, [], float("inf")
    for _ in range(NEW_TOKENS):
        result = model(ids, past_key_values=cache, use_cache=True)
        cache, logits = result.past_key_values, result.logits[0, -1]
        top = logits.topk(2).values
        margin = min(margin, (top[0] - top[1]).item())
        token = int(logits.argmax())
        out.append(token)
        if token == model.config.eos_token_id:
            break
        ids = torch.tensor([[token]])
    return out, margin


@torch.no_grad()
def main() -> None:
    for name in sys.argv[1:] or MODELS:
        folder = HERE / name
        shutil.rmtree(folder, ignore_errors=True)
        for seed in range(FIRST_SEED.get(name, 0), 100):
            model = build(MODELS[name], seed)
            asked, told = [], []
            for prompt in prompts(seed + 1000):
                tokens, margin = greedy(model, prompt)
                if margin > MARGIN:
                    asked.append(prompt)
                    told.append((tokens, margin))
                if len(asked) == PROMPTS:
                    break
            distinct = sum(len(set(t)) for t, _ in told) / len(told)
            if distinct > 8:
                break
        # transformers' own batched-generation front end must agree with the loop above.
        for prompt, (tokens, _) in list(zip(asked, told))[:3]:
            out = model.generate(
                torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                do_sample=False, max_new_tokens=NEW_TOKENS, pad_token_id=1,
            )
            assert out[0, len(prompt):].tolist() == tokens
        model.save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        tokenizer(folder)
        golden = {
            "transformers": transformers.__version__,
            "seed": seed,
            "prompts": asked,
            "greedy": [t for t, _ in told],
            "max_new_tokens": NEW_TOKENS,
            "logits": [
                [[float(f"{x:.7g}") for x in row] for row in model(torch.tensor([p])).logits[0, -3:].tolist()]
                for p in asked[:LOGIT_PROMPTS]
            ],
        }
        (folder / "golden.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
        margin = min(m for _, m in told)
        print(f"{name}: seed {seed}, margin {margin:.4f}, {distinct:.1f} distinct tokens an answer")


main()

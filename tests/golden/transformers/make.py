"""Makes the fixtures beside this file: tiny random checkpoints with what transformers says of them.

    python make.py

Needs torch, transformers and tokenizers (made with 2.15, 5.23 and 0.23). For each model a folder
in Hugging Face layout (f32 weights), and golden.json: prompts as token ids, the logits of a few of them at
every position, and the greedy continuation of all of them, computed one prompt at a time in f32.
"""

import json
import pathlib
import shutil

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

HERE = pathlib.Path(__file__).parent
PROMPTS, NEW_TOKENS, LOGIT_PROMPTS = 24, 96, 4
# The runner-up must be this much less likely (in logits) than the token chosen, at every step:
# greedy tokens are then a fact about the model, not about the order of a sum.
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
}


def build(config, seed: int):
    torch.manual_seed(seed)
    cls = MistralForCausalLM if isinstance(config, MistralConfig) else LlamaForCausalLM
    config._attn_implementation = "eager"
    model = cls(config).to(torch.float32).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "norm" in name:
                p.uniform_(0.5, 1.5)
            elif name.endswith("bias"):
                p.normal_(0.0, 0.3)
            elif "embed" in name or "lm_head" in name:
                p.normal_(0.0, 0.6)
            else:  # sharp enough that attention and MLP decide the next token
                p.normal_(0.0, 2.0 / p.shape[1] ** 0.5)
    return model


def prompts(seed: int):
    generator = torch.Generator().manual_seed(seed)
    head = torch.randint(2, 320, (5,), generator=generator).tolist()
    lengths = torch.randint(1, 40, (PROMPTS,), generator=generator).tolist()
    # A common beginning, then lengths of all kinds.
    return [head + torch.randint(2, 320, (n,), generator=generator).tolist() for n in lengths]


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
    for name, config in MODELS.items():
        folder = HERE / name
        shutil.rmtree(folder, ignore_errors=True)
        seed = 0
        while True:
            model = build(config, seed)
            asked = prompts(seed + 1000)
            told = [greedy(model, p) for p in asked]
            distinct = sum(len(set(t)) for t, _ in told) / len(told)
            if min(m for _, m in told) > MARGIN and distinct > 8:
                break
            seed += 1
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

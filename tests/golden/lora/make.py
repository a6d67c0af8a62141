"""Makes the fixtures beside this file: tiny bases, LoRA adapters, and what PEFT makes of each pair.

    pip install peft transformers torch safetensors
    python tests/golden/lora/make.py

Made with peft 0.21, transformers 5.23, torch 2.15. Everything is seeded. `BASE/` is a random Llama,
`BASE/ADAPTER/` an adapter as PEFT saves it, `BASE/ADAPTER.expected.safetensors` the base after
`PeftModel.from_pretrained(...).merge_and_unload()`, as mergekit 0.1.5 loads a `model+lora`.
"""

import pathlib
import shutil

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

HERE = pathlib.Path(__file__).parent
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

BASES = {"tied-bf16": (True, torch.bfloat16), "untied-f32": (False, torch.float32)}
ADAPTERS = {
    "tied-bf16": {
        "plain": LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"]),
        "patterns": LoraConfig(
            r=8, lora_alpha=12, target_modules=LINEAR,
            rank_pattern={"layers.0.self_attn.q_proj": 2, "q_proj": 3, "mlp.down_proj": 5},
            alpha_pattern={"v_proj": 3.5, "layers.1.mlp.up_proj": 40},
        ),
        "stabilised": LoraConfig(r=6, lora_alpha=5, use_rslora=True, target_modules="all-linear"),
        "embedding": LoraConfig(r=4, lora_alpha=4, target_modules=["embed_tokens", "o_proj"]),
    },
    "untied-f32": {
        "plain": LoraConfig(r=4, lora_alpha=8, target_modules=LINEAR),
        "saved": LoraConfig(r=2, lora_alpha=3, target_modules=["k_proj"], modules_to_save=["lm_head", "norm"]),
    },
}


def base(name):
    tied, dtype = BASES[name]
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, tie_word_embeddings=tied, dtype=dtype, max_position_embeddings=64,
    )
    model = LlamaForCausalLM(config).to(dtype)
    model.save_pretrained(HERE / name)
    (HERE / name / "generation_config.json").unlink(missing_ok=True)


def adapter(base_name, name, config):
    folder = HERE / base_name / name
    model = AutoModelForCausalLM.from_pretrained(HERE / base_name)
    model = get_peft_model(model, config)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "lora_" in key or "modules_to_save" in key:
                parameter.add_(torch.randn(parameter.shape) * 0.05)
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    text = (folder / "adapter_config.json").read_text().replace(str(HERE / base_name), base_name)
    (folder / "adapter_config.json").write_text(text)

    # As mergekit.common.ModelReference.merged does it.
    model = AutoModelForCausalLM.from_pretrained(HERE / base_name)
    merged = PeftModel.from_pretrained(model, folder, is_trainable=False).merge_and_unload()
    tensors = {k: v.contiguous() for k, v in merged.state_dict().items()}
    if BASES[base_name][0]:
        del tensors["lm_head.weight"]
    save_file(tensors, HERE / base_name / f"{name}.expected.safetensors")


if __name__ == "__main__":
    for base_name, adapters in ADAPTERS.items():
        shutil.rmtree(HERE / base_name, ignore_errors=True)
        torch.manual_seed(sum(map(ord, base_name)))
        base(base_name)
        for name, config in adapters.items():
            adapter(base_name, name, config)

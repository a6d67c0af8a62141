"""Makes the fixtures beside this file: one tiny model, its weights in PyTorch's pickles and in safetensors.

    pip install transformers==5.24.0 torch safetensors
    python tests/golden/pickle/make.py

`one` has `pytorch_model.bin`, `two` has it in two files with an index, `same` has the same weights in
safetensors, `adapter` the weights of an adapter of `../lora`. Types are mixed, the head shares its storage with the embeddings, one tensor begins in the middle of
its storage. `bad` holds files that are not to be read: another name than PyTorch's, a tensor that does not lie row
by row, one outside its storage, the format before PyTorch 1.6.
"""

import json
import pathlib
import shutil

import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

HERE = pathlib.Path(__file__).parent


class Evil:
    def __reduce__(self):
        return (print, ("run",))


def main():
    torch.manual_seed(4)
    config = LlamaConfig(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
                         vocab_size=40, max_position_embeddings=32, tie_word_embeddings=True)
    weights = LlamaForCausalLM(config).state_dict()
    kinds = [torch.bfloat16, torch.float16, torch.float32]
    weights = {name: t.clone().to(kinds[i % 3]) for i, (name, t) in enumerate(sorted(weights.items()))}
    norm = torch.randn(48, dtype=torch.float32)
    weights["model.norm.weight"] = norm[16:32]
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    weights["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.arange(4)
    for name in ["one", "two", "same", "bad", "adapter"]:
        shutil.rmtree(HERE / name, ignore_errors=True)
        (HERE / name).mkdir()
        if name not in ("bad", "adapter"):
            text = json.dumps(json.loads(config.to_json_string()) | {"architectures": ["LlamaForCausalLM"]}, indent=1)
            (HERE / name / "config.json").write_text(text + "\n")
    torch.save(weights, HERE / "one" / "pytorch_model.bin")
    names = sorted(weights)
    halves = [names[: len(names) // 2], names[len(names) // 2:]]
    index = {"metadata": {}, "weight_map": {}}
    for number, half in enumerate(halves, 1):
        file = f"pytorch_model-{number:05d}-of-00002.bin"
        torch.save({name: torch.nn.Parameter(weights[name], requires_grad=False) for name in half}, HERE / "two" / file)
        index["weight_map"] |= dict.fromkeys(half, file)
    (HERE / "two" / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=1) + "\n")
    floats = {name: t.clone().contiguous() for name, t in weights.items() if t.is_floating_point()}
    save_file(floats, HERE / "same" / "model.safetensors")
    lora = HERE.parent / "lora" / "tied-bf16" / "plain"
    shutil.copy(lora / "adapter_config.json", HERE / "adapter")
    torch.save(load_file(lora / "adapter_model.safetensors"), HERE / "adapter" / "adapter_model.bin")
    torch.save({"model.norm.weight": norm, "x": Evil()}, HERE / "bad" / "name.bin")
    torch.save({"model.norm.weight": torch.randn(4, 8).t()}, HERE / "bad" / "strides.bin")
    torch.save({"model.norm.weight": norm}, HERE / "bad" / "old.bin", _use_new_zipfile_serialization=False)
    whole = torch.randn(64)
    torch.save({"model.norm.weight": whole}, HERE / "bad" / "short.bin")


main()

"""Makes the fixtures beside this file: tiny random LLaVA checkpoints with what transformers says of pictures.

    python make.py [NAME ...]

Needs torch, transformers, tokenizers, pillow and numpy (made with 2.15, 5.24, 0.23, 13.0 and 2.4). `pictures` holds the
pictures that all models see, stored without loss. Each model is a folder in Hugging Face layout (bfloat16 weights, run
in f32) with golden.json:

  tokens    rows of each picture
  prompts   token ids; -1 stands for the first picture, -2 for the second, ...
  greedy    the continuation of each prompt, computed one at a time
  beams     that of the first prompts by five beams with a repetition penalty of 1.5
  pixels    shapes of the processed pictures in golden.z (tiles, channels, rows, columns)
  features  numbers of the pictures whose projected features stand in golden.z behind the pixels
  logits    numbers of the prompts whose last logits stand in golden.z behind the features

golden.z is zlib over little-endian f32.
"""

import json
import pathlib
import shutil
import sys
import zlib

import numpy as np
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPImageProcessorPil, CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration,
    LlavaImageProcessorPil, LlavaNextConfig, LlavaNextForConditionalGeneration, LlavaNextImageProcessorPil,
    MistralConfig, Qwen2Config, SiglipImageProcessorPil, SiglipVisionConfig,
)
from transformers.image_utils import load_image

HERE = pathlib.Path(__file__).parent
VOCAB, IMAGE = 96, 2
PROMPTS, NEW_TOKENS, BEAMS, BEAM_TOKENS, LOGITS = 30, 64, 10, 24, 4
# The runner-up must be this much less likely (in logits) than the token chosen, at every step. Prompts where it is not
# are drawn again.
MARGIN = 3e-3
SIDE, PATCH = 20, 5
PINPOINTS = [[20, 40], [40, 20], [40, 40], [60, 20]]

TEXT = dict(
    vocab_size=VOCAB, hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=3,
    num_key_value_heads=1, max_position_embeddings=512, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    initializer_range=0.4,
)
TOWER = dict(
    hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=2, image_size=SIDE, patch_size=PATCH,
    initializer_range=0.4,
)
TEXTS = {
    "llama": lambda: LlamaConfig(**TEXT),
    "mistral": lambda: MistralConfig(**TEXT, sliding_window=None, rope_parameters={"rope_type": "default", "rope_theta": 1e6}),
    "qwen2": lambda: Qwen2Config(**TEXT, tie_word_embeddings=True),
}
TOWERS = {
    "clip": lambda more: CLIPVisionConfig(**{**TOWER, **more}),
    "siglip": lambda more: SiglipVisionConfig(**{**TOWER, **more}),
}
SQUARE = {"height": SIDE, "width": SIDE}
HALF = dict(image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5])
MODELS = {
    # One layer from the end, the class token dropped: LLaVA 1.5. Its settings as they were written before 2023.
    "clip-llama": dict(
        features=dict(vision_feature_layer=-2),
        processor=CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=SQUARE),
        settings=dict(
            crop_size=SIDE, do_center_crop=True, do_normalize=True, do_resize=True, size=SIDE, resample=3,
            feature_extractor_type="CLIPFeatureExtractor", image_mean=[0.48145466, 0.4578275, 0.40821073],
            image_std=[0.26862954, 0.26130258, 0.27577711],
        ),
    ),
    # Two layers side by side with the class token, no bias in the projector.
    "clip-mistral": dict(
        features=dict(
            vision_feature_layer=[-2, 1], vision_feature_select_strategy="full", multimodal_projector_bias=False,
        ),
        processor=CLIPImageProcessorPil(size={"shortest_edge": 23}, crop_size=SQUARE),
    ),
    # The last layer; pictures padded to a square; another activation and epsilon.
    "clip-qwen2": dict(
        tower=dict(hidden_act="gelu", layer_norm_eps=1e-3), features=dict(vision_feature_layer=-1),
        processor=LlavaImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=SQUARE, do_pad=True, resample=2),
    ),
    "siglip-llama": dict(
        features=dict(vision_feature_layer=-1, vision_feature_select_strategy="full", projector_hidden_act="gelu_pytorch_tanh"),
        processor=SiglipImageProcessorPil(size=SQUARE, **HALF),
    ),
    # A tower without a class token, whose first patch is dropped all the same.
    "siglip-mistral": dict(
        features=dict(vision_feature_layer=-2), processor=SiglipImageProcessorPil(size=SQUARE, resample=1, **HALF),
    ),
    "siglip-qwen2": dict(
        features=dict(vision_feature_layer=[3, 0, -2], vision_feature_select_strategy="full"),
        processor=SiglipImageProcessorPil(size=SQUARE, **HALF), nested=True,
    ),
    "next-clip-mistral": dict(
        next=True, features=dict(vision_feature_layer=-2),
        processor=LlavaNextImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=SQUARE, image_grid_pinpoints=PINPOINTS),
    ),
    "next-siglip-qwen2": dict(
        next=True, features=dict(vision_feature_layer=-1, vision_feature_select_strategy="full"),
        processor=LlavaNextImageProcessorPil(
            size=SQUARE, crop_size=SQUARE, do_center_crop=False, image_grid_pinpoints=PINPOINTS, **HALF,
        ),
        nested=True,
    ),
}


def pictures():
    """Shapes on a slope, at odd sizes, in the formats that keep every pixel."""
    folder = HERE / "pictures"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    draw = np.random.default_rng(18)
    sizes = [(37, 23), (20, 20), (19, 41), (64, 17), (33, 33), (9, 50)]
    names = ["wide.png", "square.png", "tall.webp", "long.png", "palette.gif", "turned.png"]
    for (width, height), name in zip(sizes, names):
        y, x = np.mgrid[0:height, 0:width]
        a = np.zeros((height, width, 3))
        for c in range(3):
            a[..., c] = draw.uniform(60, 180) + (x / width - 0.5) * draw.uniform(-120, 120) + (y / height - 0.5) * draw.uniform(-120, 120)
        for _ in range(4):
            cx, cy, radius = draw.uniform(0, width), draw.uniform(0, height), draw.uniform(3, max(width, height) / 3)
            a[(x - cx) ** 2 + (y - cy) ** 2 < radius**2] = draw.uniform(0, 255, 3)
        picture = Image.fromarray(np.clip(a, 0, 255).astype(np.uint8))
        exif = Image.Exif()
        if name == "turned.png":
            exif[0x112] = 6
        picture.save(folder / name, **({"lossless": True} if name.endswith("webp") else {}), **({"exif": exif} if exif else {}))
    return [load_image(str(folder / name)) for name in names]


def tokenizer(folder):
    words = ["<s>", "</s>", "<image>"] + [f"w{i}" for i in range(VOCAB - 3)]
    tok = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<s>"))
    tok.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tok.add_special_tokens(words[:3])
    tok.save(str(folder / "tokenizer.json"))


def build(name, spec, seed):
    tower, text = name.removeprefix("next-").split("-")
    torch.manual_seed(seed)
    parts = dict(
        vision_config=TOWERS[tower](spec.get("tower", {})), text_config=TEXTS[text](), image_token_index=IMAGE, **spec["features"],
    )
    if text == "qwen2":
        parts["tie_word_embeddings"] = True
    if spec.get("next"):
        config = LlavaNextConfig(**parts, image_grid_pinpoints=PINPOINTS)
        model = LlavaNextForConditionalGeneration(config)
    else:
        model = LlavaForConditionalGeneration(LlavaConfig(**parts))
    # Weights of such a size that hidden states and answers differ from picture to picture.
    for key, tensor in model.named_parameters():
        with torch.no_grad():
            if "norm" in key or "layrnorm" in key:
                tensor.add_(torch.randn_like(tensor) * 0.2)
            elif tensor.ndim == 1:
                tensor.copy_(torch.randn_like(tensor) * 0.2)
            else:
                spread = 1.0 if "embed_tokens" in key or "lm_head" in key else 1.3 / tensor[0].numel() ** 0.5
                tensor.copy_(torch.randn_like(tensor) * spread)
            tensor.copy_(tensor.to(torch.bfloat16).float())
    return model.eval()


class Case:
    def __init__(self, model, processor, images):
        self.model, self.images = model, images
        self.inputs = [processor(image, return_tensors="pt") for image in images]
        self.features = [self.project(i) for i in self.inputs]
        self.tokens = [len(f) for f in self.features]

    @torch.no_grad()
    def project(self, inputs):
        model = self.model.model
        pixels = inputs["pixel_values"].to(model.dtype)
        out = model.get_image_features(pixels, **({"image_sizes": inputs["image_sizes"]} if "image_sizes" in inputs else {}))
        return out.pooler_output[0]

    def given(self, prompt):
        ids, shown = [], [-1 - p for p in prompt if p < 0]
        for p in prompt:
            ids += [IMAGE] * self.tokens[-1 - p] if p < 0 else [p]
        out = dict(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long))
        if shown:
            pixels = [self.inputs[i]["pixel_values"] for i in shown]
            most = max(p.shape[1] for p in pixels)
            if pixels[0].ndim == 5:
                pixels = [torch.nn.functional.pad(p, (0, 0) * 3 + (0, most - p.shape[1])) for p in pixels]
                out["image_sizes"] = torch.cat([torch.as_tensor(np.array(self.inputs[i]["image_sizes"])) for i in shown])
            out["pixel_values"] = torch.cat(pixels).to(self.model.dtype)
        return out

    @torch.no_grad()
    def greedy(self, prompt):
        given = self.given(prompt)
        out = self.model.generate(
            **given, max_new_tokens=NEW_TOKENS, do_sample=False, output_logits=True, return_dict_in_generate=True,
        )
        top = torch.stack(out.logits)[:, 0].topk(2).values
        tokens = out.sequences[0, given["input_ids"].shape[1]:].tolist()
        return tokens, (top[:, 0] - top[:, 1]).min().item()

    @torch.no_grad()
    def beam(self, prompt):
        given = self.given(prompt)
        out = self.model.generate(
            **given, max_new_tokens=BEAM_TOKENS, num_beams=5, do_sample=False, repetition_penalty=1.5,
        )
        return out[0, given["input_ids"].shape[1]:].tolist()

    @torch.no_grad()
    def logits(self, prompt):
        return self.model(**self.given(prompt)).logits[0, -1]


def draw_prompt(draw, number, count):
    words = lambda: draw.integers(3, VOCAB, draw.integers(2, 6)).tolist()
    shown = 0 if number % 8 == 7 else 2 if number % 8 == 3 else 1
    prompt = [0] + words()
    for _ in range(shown):
        prompt += [-1 - int(draw.integers(count))] + words()
    return prompt


def earlier_names(folder):
    """The same weights under the names that transformers wrote before 5: the tower's have one more part."""
    out = HERE / "clip-llama-4"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    for file in folder.iterdir():
        if file.suffix == ".json" and file.name != "golden.json":
            shutil.copy(file, out)
    from safetensors.torch import load_file

    def name(key):
        return key.replace("vision_tower.", "vision_tower.vision_model.", 1)

    tensors = {name(key): tensor for key, tensor in load_file(folder / "model.safetensors").items()}
    save_file(tensors, out / "model.safetensors", {"format": "pt"})


def make(name, spec, images, seed):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    model, processor = build(name, spec, seed), spec["processor"]
    case = Case(model, processor, images)
    wide = Case(build(name, spec, seed).double(), processor, images)
    draw = np.random.default_rng(seed)
    prompts, greedy, beams, drawn = [], [], [], 0
    while len(prompts) < PROMPTS:
        drawn += 1
        prompt = draw_prompt(draw, len(prompts), len(images))
        answer, margin = case.greedy(prompt)
        if margin < MARGIN or (1 in answer and len(answer) < 8):
            continue
        if len(prompts) < BEAMS:
            beam = case.beam(prompt)
            if beam != wide.beam(prompt):
                continue
            beams.append(beam)
        prompts.append(prompt)
        greedy.append(answer)
    values, shown = [], [0, 2, 3] if spec.get("next") else list(range(len(images)))
    pixels = [case.inputs[i]["pixel_values"][0] for i in (0, 3)]
    shapes = [list(p.shape) if p.ndim == 4 else [1, *p.shape] for p in pixels]
    values += [p.float().numpy().ravel() for p in pixels]
    values += [case.features[i].numpy().ravel() for i in shown]
    values += [case.logits(p).numpy().ravel() for p in prompts[:LOGITS]]
    golden = dict(
        tokens=case.tokens, prompts=prompts, greedy=greedy, beams=beams, max_new_tokens=NEW_TOKENS, beam_tokens=BEAM_TOKENS,
        pixels=[[0, *shapes[0]], [3, *shapes[1]]], features=shown, logits=list(range(LOGITS)),
    )
    (folder / "golden.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    (folder / "golden.z").write_bytes(zlib.compress(np.concatenate(values).astype("<f4").tobytes(), 9))
    model.to(torch.bfloat16).save_pretrained(folder)
    for extra in ("generation_config.json",):
        (folder / extra).unlink(missing_ok=True)
    if "settings" in spec:
        (folder / "preprocessor_config.json").write_text(json.dumps(spec["settings"], indent=1) + "\n")
    elif spec.get("nested"):
        settings = json.loads(processor.to_json_string())
        (folder / "processor_config.json").write_text(json.dumps({"image_processor": settings}, indent=1) + "\n")
    else:
        processor.save_pretrained(folder)
    tokenizer(folder)
    size = sum(f.stat().st_size for f in folder.iterdir())
    different = len({tuple(a) for a in greedy})
    print(f"{name}: {drawn} drawn, {different} different answers, tokens {case.tokens}, {size} bytes", flush=True)


def main():
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    images = pictures()
    for seed, (name, spec) in enumerate(MODELS.items()):
        if not sys.argv[1:] or name in sys.argv[1:]:
            make(name, spec, images, 100 + seed)
    earlier_names(HERE / "clip-llama")


if __name__ == "__main__":
    main()

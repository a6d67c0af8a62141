"""What the bundled VLM says about pictures, by Hugging Face transformers.

    pip install torch transformers pillow
    python tests/golden/zoo/make_vision.py > tests/golden/zoo/vision.json

Greedy, in float32 from the bf16 weights, one question at a time, with the processor that the model's own files
describe (made with torch 2.15 and transformers 5.24). `tests/zoo_vision.rs` compares.
"""

import base64
import io
import json
import sys
from pathlib import Path

import torch
from PIL import Image
from transformers import AutoProcessor, LlavaForConditionalGeneration

QUESTIONS = 30
NEW_TOKENS = 40


def main() -> None:
    zoo = Path(__file__).parents[3] / "zoo"
    lines = (zoo / "vision-task" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    torch.manual_seed(0)
    processor = AutoProcessor.from_pretrained(zoo / "vlm")
    model = LlavaForConditionalGeneration.from_pretrained(zoo / "vlm", dtype=torch.float32).eval()
    answers = []
    for row in map(json.loads, lines[:QUESTIONS]):
        picture = Image.open(io.BytesIO(base64.b64decode(row["image"].split(",")[1]))).convert("RGB")
        prompt = f"USER: <image>\n{row['question']} ASSISTANT:"
        inputs = processor(images=picture, text=prompt, return_tensors="pt")
        with torch.no_grad():
            full = model.generate(**inputs, do_sample=False, max_new_tokens=NEW_TOKENS)
        new = full[0, inputs["input_ids"].shape[1] :]
        answers.append(processor.tokenizer.decode(new, skip_special_tokens=True))
    json.dump(answers, sys.stdout, ensure_ascii=False, indent=0)
    print()


if __name__ == "__main__":
    main()

"""Makes the data of the picture tasks in small, and what the published evaluation says of some answers.

- vqa.parquet and wild.parquet have the columns of SakanaAI/JA-VG-VQA-500 and SakanaAI/JA-VLM-Bench-In-the-Wild: the
  hub's structs of a picture's bytes and path, and (vqa) a list of structs of questions and answers.
- answers.json: an answer to each question, and the figures of github.com/SakanaAI/evolutionary-model-merge
  (Apache-2.0; evomerge/eval: metrics.py, utils.py) over them: ROUGE-1, 2 and L of rouge_score, the median of 1,000
  bootstrap means (here after numpy.random.seed(0)), where an answer counts as empty if the right one is Japanese
  (P >= 0.5 by lid.176) and it is not. Words are runs of one class of characters, as where no dictionary is installed:
  tests/golden/scoring holds the figures over MeCab's words.

    pip install pyarrow==26.0.1 pillow==13.0.0 rouge-score==0.1.2 fasttext-wheel==0.9.2 numpy==2.4.6
    python tests/golden/vqa/make.py

Seeded: two runs make the same files.
"""

import io
import json
import random
import re
from pathlib import Path

import fasttext
import numpy
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw
from rouge_score import rouge_scorer, scoring

HERE = Path(__file__).parent
MODEL = fasttext.load_model(str(HERE / "../../../zoo/lid/lid.176.ftz"))
KINDS = ["rouge1", "rouge2", "rougeL"]
RANDOM = random.Random(18)

COLOURS = {"赤い": (220, 40, 40), "青い": (40, 60, 220), "緑の": (40, 160, 70), "黄色い": (240, 210, 40)}
THINGS = ["車", "りんご", "鳥居", "傘", "電車", "猫"]
PLACES = ["道路", "机の上", "公園", "駅の前", "部屋"]
# Kanji, katakana, hiragana, Latin letters with digits, any other character.
CLASSES = re.compile("[\u3400-\u4dbf\u4e00-\u9fff々]+|[ァ-ヺー]+|[ぁ-ゖ]+|[A-Za-z0-9À-ɏ]+|\\S")


def picture(colour, kind):
    image = Image.new("RGB", (19, 13), (250, 248, 240))
    draw = ImageDraw.Draw(image)
    x, y = RANDOM.randrange(10), RANDOM.randrange(6)
    draw.rectangle([x, y, x + 7, y + 5], fill=colour)
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


class Words:
    def tokenize(self, text):
        return CLASSES.findall(text)


def p_japanese(text):
    # What FastText.predict(text, k=-1) calls, without its wrapping in NumPy arrays.
    pairs = MODEL.f.predict(text.replace("\n", "") + "\n", -1, 0.0, "strict")
    return {label: p for p, label in pairs}.get("__label__ja", 0.0)


def figures(golds, answers):
    scorer = rouge_scorer.RougeScorer(KINDS, tokenizer=Words())
    aggregator = scoring.BootstrapAggregator()
    for gold, answer in zip(golds, answers):
        if p_japanese(gold) >= 0.5 and p_japanese(answer) < 0.5:
            answer = ""
        aggregator.add_scores(scorer.score(gold, answer))
    numpy.random.seed(0)
    result = aggregator.aggregate()
    return {kind: float(result[kind].mid.fmeasure) for kind in KINDS}


rows = []
for i in range(30):
    colour, thing, place = RANDOM.choice(list(COLOURS)), RANDOM.choice(THINGS), RANDOM.choice(PLACES)
    said = RANDOM.choice([
        f"{place}に{colour}{thing}があります。", f"{colour}{thing}が見えます。", f"a {thing} on the road",
        "The picture shows a red car.", f"{RANDOM.choice(THINGS)}です。", f"{place}の{thing}です。" * 2, "",
    ])
    gold = f"{place}に{colour}{thing}があります。" if i % 10 else "A train in front of the station."
    rows.append({
        "image": {"bytes": picture(COLOURS[colour], "PNG" if i % 3 else "JPEG"), "path": f"{i}.{'png' if i % 3 else 'jpg'}"},
        "question": f"画像{i}には何が写っていますか?", "answer": gold, "said": said,
    })

struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
qa = pa.struct([("qa_id", pa.int64()), ("question", pa.string()), ("answer", pa.string())])
vqa = pa.table({
    "image_id": pa.array(range(30), pa.int64()),
    "image": pa.array([row["image"] for row in rows], struct),
    "qas": pa.array(
        [
            [{"qa_id": 2 * i, "question": row["question"], "answer": row["answer"]},
             {"qa_id": 2 * i + 1, "question": "二つ目の質問です。", "answer": "使いません。"}]
            for i, row in enumerate(rows)
        ],
        pa.list_(qa),
    ),
})
wild = pa.table({
    "image": pa.array([row["image"] for row in rows[:8]], struct),
    "question": [row["question"] for row in rows[:8]],
    "answer": [row["answer"] for row in rows[:8]],
})
pq.write_table(vqa, HERE / "vqa.parquet", compression="snappy")
pq.write_table(wild, HERE / "wild.parquet", compression="snappy")
golds, said = [row["answer"] for row in rows], [row["said"] for row in rows]
document = {"said": said, "vqa": figures(golds, said), "wild": figures(golds[:8], said[:8])}
(HERE / "answers.json").write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n")

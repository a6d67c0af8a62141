"""Makes answers.jsonl.gz: answers of all shapes with the verdicts of the reference rules.

The references are the paper's evaluation (github.com/SakanaAI/evolutionary-model-merge, Apache-2.0,
evomerge/eval: ja_mgsm.py, metrics.py, utils.py) and the jp-stable evaluation harness
(github.com/Stability-AI/lm-evaluation-harness, MIT: tasks/ja/mgsm.py, jasquad/evaluate.py):
- number: the last match of \\d*\\.?\\d+, compared as a float; language: fastText's lid.176 over the
  whole text with its newlines deleted;
- ROUGE: rouge_score over MeCab's words (UniDic-lite) of the text without emoji, after
  neologdn.normalize, with single spaces; a file's figure is the median of 1,000 bootstrap means,
  here after numpy.random.seed(0); where the gold is Japanese (P >= 0.5) and the answer
  is not, the answer counts as empty;
- exact match and F1 over the same words without marks; the harness's whole number.

    pip install fasttext-wheel==0.9.2 rouge-score==0.1.2 fugashi==1.5.2 unidic-lite==1.0.8 \\
        neologdn==0.5.6 emoji==2.16.0 numpy
    cargo build --release
    python tests/golden/scoring/make.py target/release/yosegi

The yosegi binary lets the bundled models answer their task; nothing that it says of the answers is
used. Each line but the last: gold (a number), reference (a text), text, number (the match or null),
value (a number, "inf" or null), correct, language (the likeliest), p_ja, whole (the harness's number
or null), reference_words and words (segmented, joined by spaces), rouge (1, 2, L), em, f1. The last
line: rouge and rouge_ja over all. Seeded: two runs make the same file.
"""

import gzip
import json
import random
import re
import string
import subprocess
import sys
from collections import Counter
from pathlib import Path

import emoji
import fasttext
import neologdn
import numpy
from fugashi import Tagger
from rouge_score import rouge_scorer, scoring

HERE = Path(__file__).parent
MODEL = fasttext.load_model(str(HERE / "../../../zoo/lid/lid.176.ftz"))
KINDS = ["rouge1", "rouge2", "rougeL"]


def number(text):
    matches = re.findall(r"\d*\.?\d+", text)
    return matches[-1] if matches else None


def languages(text):
    # What FastText.predict(text, k=-1) calls, without its wrapping in NumPy arrays.
    pairs = MODEL.f.predict(text.replace("\n", "") + "\n", -1, 0.0, "strict")
    return {label.removeprefix("__label__"): min(p, 1.0) for p, label in pairs}


def whole(text):
    matches = re.findall(r"(\-?[0-9\.\,]+)", text)
    try:
        value = float(matches[-1].strip(".").replace(",", ""))
        return int(value) if value.is_integer() else None
    except (IndexError, ValueError):
        return None


BLOCKS = re.compile("[\U0001F600-\U0001F64F\U0001F300-\U0001F5FF\U0001F680-\U0001F6FF\U0001F1E0-\U0001F1FF\U00002702-\U000027B0]+")


class Words:
    tagger = Tagger("-Owakati")

    @staticmethod
    def normal(text):
        text = "".join("" if emoji.is_emoji(c) else c for c in text)
        return " ".join(neologdn.normalize(BLOCKS.sub("", text)).split())

    def tokenize(self, text):
        return self.tagger.parse(self.normal(text)).split()


WORDS = Words()
SCORER = rouge_scorer.RougeScorer(KINDS, tokenizer=WORDS)
MARKS = "！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､、〃》「」『』【】〔〕〖〗〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏." + string.punctuation


def f1(gold, answer):
    gold, answer = ([w for w in words if len(w) > 1 or w not in MARKS] for words in (gold, answer))
    same = sum((Counter(gold) & Counter(answer)).values())
    if same == 0:
        return 0.0
    precision, recall = same / len(answer), same / len(gold)
    return 2 * precision * recall / (precision + recall)


def over_all(pairs):
    aggregator = scoring.BootstrapAggregator()
    for gold, answer in pairs:
        aggregator.add_scores(SCORER.score(gold, answer))
    numpy.random.seed(0)
    result = aggregator.aggregate()
    return [float(result[kind].mid.fmeasure) for kind in KINDS]


HAND = [
    # The quirks of the number rule.
    ("1234", "1,234円"), ("1234", "答えは1234円です。"), ("-5", "-5"), ("5", "-5"), ("18", "18ドル(1ヶ月)"),
    ("1", "18ドル(1ヶ月)"), ("0.75", "3/4"), ("4", "3/4"), ("12000", "1万2000"), ("2000", "1万2000"),
    ("18", "１８"), ("18", "十八"), ("18", "答え: 18"), ("9", "残り：9個"), ("18", ""), ("18", " "), ("18", "\n"),
    ("18", "答えはありません。"), ("0.5", ".5"), ("5", "5."), ("3", "1.2.3"), ("0.3", "1.2.3"), ("5", "..5"),
    ("100000", "1e5"), ("5", "1e5"), ("31", "0x1F"), ("18", "18.0"), ("18", "18.00ドル"), ("18", "0018"),
    ("18", "答えは十八（18）個です。"), ("18", "18%"), ("20", "20:30"), ("30", "20:30"), ("18", "#### 18"),
    ("18", "<<9*2=18>>18"), ("18", "**18**"), ("18", "\\boxed{18}"), ("18", "$18$"), ("18", "￥18"),
    # Digits of other scripts, and things that only look like digits.
    ("18", "١٨"), ("18", "१८"), ("18", "๑๘"), ("18", "𝟏𝟖"), ("18", "𝟙𝟠"), ("18", "᠑᠘"), ("18", "၁၈"),
    ("3.5", "٣.٥"), ("3.5", "٣٫٥"), ("18", "⑱"), ("18", "ⅩⅧ"), ("18", "¹⁸"), ("0.5", "½"), ("18", "１8"),
    ("3.5", "３.５"), ("5", "３．５"), ("1234", "１，２３４"), ("18", "18️⃣"), ("8", "1️⃣8️⃣"),
    ("18", "〇一八"), ("10", "一〇"), ("18", "9" * 400), ("18", "0." + "0" * 400 + "1"), ("1e22", "1" + "0" * 22),
    ("9007199254740993", "9007199254740993"), ("0.1", "0.1000000000000000055511151231257827"),
    # White space and separators of all kinds.
    ("18", "答え　１８"), ("18", "　　残りは　18個　です。"), ("18", "The answer\u00a0is 18"), ("18", "\t18\t"),
    ("18", "答えは\r\n18\r\nです"), ("18", "答えは\u200b18です"), ("18", "答え\u2028は\u202918です"), ("18", "答えは\x0b18\x0cです"),
    ("18", "ans\u3000wer is\u3000eighteen\u300018"), ("18", "これは\u0085日本語です 18"), ("18", "これ\u2003は\u2009日本語\u202fです 18"),
    ("18", "Elle\u00a0a vendu 18\u00a0œufs\u202f: c’est 36\u00a0€"), ("18", "\ufeff答えは18です"), ("18", "18\u1680\u205f"),
    ("18", "So　she　sells　18　eggs　every　day"), ("18", "卵は　１６個。　食べたのは　３個。　残りは　１３個。"),
    ("18", "a\x1cb\x1db\x1e18\x1f"), ("18", "答えは\x0018です"),
    # fastText's own words.
    ("18", "これは</s> hello world this is 18"), ("18", "a </s> これは日本語です18"), ("18", "</s>"), ("18", "<s>答えは18です</s>"),
    ("18", "答えは18です </s> The answer is 18"), ("18", "答えは18です\t</s>\tThe answer"), ("18", "答え</s>は18です"),
    ("18", "__label__ja the answer is 18"), ("18", "__label__en 答えは18です"), ("18", "__label__xx 18"), ("18", "__label__"),
    ("18", "答えは18です　</s>　The answer is eighteen"), ("18", "the answer\u00a0</s>\u00a0答えは18です"),
    # Escapes, control characters, markup, emoji.
    ("18", "\x1b[31m答えは18です\x1b[0m"), ("0", "\x1b[31m答えは18です\x1b[0m"), ("18", "\x1b]0;title\x07答えは18"), ("18", "\x7f\x08\x0818"),
    ("18", "答えは18個です🥚"), ("18", "🥚🥚🥚"), ("18", "👨‍👩‍👧‍👦18人"), ("18", "🇯🇵18🇯🇵"), ("18", "(^_^) 18 (^o^)/"), ("18", "<b>18</b>個"),
    ("18", "```python\nprint(9 * 2)\n```\n18"), ("18", "\\n\\n18"), ("18", '{"answer": 18}'), ("18", "| 個数 | 18 |"),
    ("18", "が゛ぱ゜18"), ("18", "ｱﾋﾙﾉﾀﾏｺﾞﾊ18ｺﾃﾞｽ"), ("18", "答えは18で\u0301す"), ("18", "\ud7ff18\ue000"), ("18", "𠮷野家で18個"),
    # Other languages, and several at once.
    ("18", "答案是18个鸡蛋。"), ("18", "每天她卖掉９个鸡蛋，所以赚了18美元。"), ("18", "정답은 18달러입니다."), ("18", "Die Antwort ist 18."),
    ("18", "La respuesta es 18 dólares."), ("18", "La réponse est 18."), ("18", "Ответ: 18 долларов."), ("18", "คำตอบคือ 18"),
    ("18", "উত্তর হল ১৮"), ("18", "సమాధానం 18"), ("18", "Jibu ni 18."), ("18", "الجواب هو ١٨"), ("18", "התשובה היא 18"),
    ("18", "18 is the answer です"), ("18", "答えは eighteen です"), ("18", "OK"), ("18", "はい"), ("18", "個"), ("18", "円"), ("18", "です。18"),
    ("18", "ジャネットは毎日16個の卵を得ます。She eats 3 and bakes with 4. So 16 - 3 - 4 = 9. 9 * 2 = 18."),
    ("18", "Janet gets 16 eggs. 彼女は3個食べて、4個をマフィンに使います。16-3-4=9個残ります。9×2=18ドルです。"),
    ("18", "16 - 3 - 4 = 9\n9 * 2 = 18\n答えは18ドルです。"), ("18", "16-3-4=9\n9*2=18"), ("18", "a" * 300 + " 18"), ("18", "あ" * 300 + "18"),
    ("18", "あ い う え お " * 60 + "18"), ("18", "the " * 400 + "18"), ("18", "答えは18です。" * 80), ("18", "。" * 500), ("18", "18 " * 300),
    # Marks and widths that the normal form of a text changes.
    ("18", "ﾊﾝｶｸｶﾅの１８個、ウェーーーーイ〜～ですー—―"), ("18", "　　ＰＲＭＬ　　副　読　本　18　　"), ("18", "a ー b-‐‑–c * 18 * 日 本 x y 語"), ("18", "“18”‘個’¥18￥"),
    ("18", "ｶﾞｷﾞｸﾞﾊﾟﾋﾟﾌﾟウ゛う゛は゜ナ゛18"), ("18", "~ ~18~ ～ー～"), ("18", "18 個 と ＡＢＣ　ｄｅｆ １２３"), ("18", "©18®™❤♥☎✂➰〰㊗㊙🀄"), ("18", "0️⃣1️⃣8️⃣"),
    ("18", "***18*** * ** 個"), ("18", "A　あ B い　C 18"), ("18", "𠮷𩸽𪚥18𝒳"), ("18", "ㇰㇱヷヸヹヺ18ゝゞヽヾ々〆ヶ"), ("18", "あ\u3099い\u309a18"),
    ("18", "supercalifragilisticexpialidocious18" * 3), ("18", "ああああああああああああああああああああああああああああああああああああああああ18"), ("18", "ＡＡＡＡＡＡＡＡＡＡＡＡＡＡＡＡＡＡＡＡＡＡＡＡＡＡＡＡＡＡ18"),
    ("18", "18\x00個"), ("18", "\x00"), ("18", "１８．５，２" * 20), ("18", "!?#$%&()18…‥「」『』【】"), ("18", "https://example.org/a?b=18&c=d_e 参照"), ("18", "18" + "🥚" * 300),
    ("18", "まず、ジャネットのアヒルは1日に16個の卵を産みます。彼女は毎朝3個を朝食に食べ、4個を友人のためのマフィンに使います。" * 40 + "答えは18ドルです。"),
    ("18", "First we count the eggs, then we sell the rest at the market for two dollars each. " * 60 + "18"), ("18", "答えは" + "とても" * 500 + "18です"), ("18", "一" * 600 + "18"), ("18", "ｱ" * 200 + "18"),
    ("1,234", "合計は1234円です。"), ("1,234", "合計は1,234円です。"), ("2.5", "2.5リットル"), ("-3", "答えは-3度です。"),
]

JA = ["{a}個の{n}があります。", "{p}さんは{n}を{a}{c}もっています。", "{b}{c}もらいました。", "そこから{b}{c}あげました。", "{a}+{b}={s}です。", "{a}ひく{b}は{d}です。",
      "のこりは{d}{c}になります。", "したがって、合計は{s}{c}です。", "1箱に{a}{c}ずつ、{b}箱あるので{a}×{b}={m}{c}です。", "まず、問題を整理します。", "ステップ1: 数をかぞえます。"]
EN = ["There are {a} {e}.", "{q} has {a} {e}.", "She gets {b} more {e}.", "He gives away {b} of them.", "{a} + {b} = {s}.", "{a} minus {b} is {d}.",
      "So {d} {e} are left.", "Therefore the total is {s} {e}.", "Each box holds {a} {e}, so {b} boxes hold {a} * {b} = {m} {e}.", "Let's think step by step.", "First, we count."]
ZH = ["一共有{a}个{z}。", "小明有{a}个{z}。", "他又得到{b}个。", "所以一共是{s}个。", "剩下{d}个。"]
END = ["答えは{x}{c}です。", "答え: {x}", "答え：{x}{c}", "The answer is {x}.", "#### {x}", "よって{x}{c}。", "{x}", "正解は **{x}** です。", "答えは{k}{c}です。", "答えは{w}{c}です。", "A: {x}", "答案是{x}。", ""]
KANJI = "〇一二三四五六七八九"


def kanji(n):
    out = ""
    for unit, name in [(10000, "万"), (1000, "千"), (100, "百"), (10, "十")]:
        n, digit = n % unit, n // unit
        out += ((kanji(digit) if digit > 1 or unit == 10000 else "") + name) if digit else ""
    return out + (KANJI[n] if n else "")


def generated(rng):
    a, b = rng.randint(2, 99), rng.randint(1, 60)
    x = rng.choice([a + b, a * b, a - b, a * 1000, a * b * 100])
    fields = dict(a=a, b=b, s=a + b, d=a - b, m=a * b, x=rng.choice([str(x), f"{x:,}", str(x), f"{x}.0", str(x + 1)]),
                  k=kanji(max(x, 1)), w=str(x).translate(str.maketrans("0123456789", "０１２３４５６７８９")),
                  c=rng.choice(["個", "本", "円", "匹", "枚", "人", "ドル", ""]), n=rng.choice(["りんご", "卵", "鉛筆", "本", "クッキー"]),
                  p=rng.choice(["太郎", "花子", "ケン", "ジャネット"]), e=rng.choice(["apples", "eggs", "books", "cookies"]),
                  q=rng.choice(["Taro", "Janet", "Ken"]), z=rng.choice(["苹果", "鸡蛋", "书"]))
    pool = rng.choice([JA, JA, EN, EN, ZH, JA + EN, JA[:4] + EN[4:], EN[:4] + JA[4:], JA + ZH])
    parts = [rng.choice(pool) for _ in range(rng.randint(0, 7))] + [rng.choice(END)]
    text = rng.choice(["", " ", "\n", "\n\n", "　"]).join(parts).format(**fields)
    if rng.random() < 0.1:
        text = text[: rng.randint(0, len(text))]
    if rng.random() < 0.05:
        text = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)
    if rng.random() < 0.05:
        text = "".join(rng.sample(text, len(text)))
    return str(x), text


EN_WORDS = "the a egg eggs dollars She He sells 18 16 - = + per day. So, (and) it's \"total\" answer: **x** Tokyo LLM GPT-4 3.5 100% e.g. U.S. @home #1 don't".split(" ")
VQA = ["黄色いバナナです。", "男性が赤い自転車に乗っています。", "白と黒の猫が2匹、窓のそばで寝ています。", "東京タワー", "3人", "青空", "海辺で犬が走っている。", "A man riding a bike.", "はい、そうです。", "電車の中", "テーブルの上にピザとコーヒーが置かれています。", "雪山でスキーをしている人", "時計は10時10分を指しています。", "ポルトガル語", "1995〜2001年", "サッカーボール"]


def reworded(rng, text):
    """A text that shares words with another."""
    parts = re.split(r"(?<=[。、 \n])", text)
    parts = [p for p in parts if rng.random() < 0.7] or parts[:1]
    if rng.random() < 0.4:
        rng.shuffle(parts)
    if rng.random() < 0.4:
        parts.insert(rng.randint(0, len(parts)), rng.choice(VQA))
    return "".join(parts)


def mixed(rng):
    """Words, scripts and marks in no order."""
    def piece():
        kind = rng.random()
        if kind < 0.4:
            return rng.choice(EN_WORDS)
        if kind < 0.7:
            return rng.choice(VQA)
        ranges = [(0x3041, 0x3096), (0x30A1, 0x30FA), (0x4E00, 0x9FA0), (0xFF01, 0xFF9F), (0x20, 0x7E), (0x2010, 0x2030), (0x1F300, 0x1F64F), (0xA1, 0x17F), (0x391, 0x3C9), (0x410, 0x44F), (0xAC00, 0xAC80)]
        low, high = rng.choice(ranges)
        return "".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 6)))
    text = rng.choice(["", " ", "　", "、"]).join(piece() for _ in range(rng.randint(1, 25)))
    return str(rng.randint(0, 99)), text


def zoo(binary):
    """The bundled models' own answers."""
    for model in ["zoo:base", "zoo:ja", "zoo:math-add", "zoo:math-mul"]:
        out = subprocess.run([binary, "eval", model, "--task", "zoo", "--limit", "220", "--json"], check=True, capture_output=True)
        for answer in json.loads(out.stdout)["answers"]:
            yield answer["gold"], answer["text"]


def row_of(rng, gold, text):
    reference = rng.choice([rng.choice(VQA), reworded(rng, text), reworded(rng, text), text])
    if len(reference) > 2000:
        reference = reference[:200]
    found = number(text)
    value = None if found is None else float(found.replace(",", ""))
    scores = languages(text)
    golds, words = WORDS.tokenize(reference), WORDS.tokenize(text)
    rouge = SCORER.score(reference, text)
    return dict(
        gold=gold, reference=reference, text=text, number=found, value="inf" if value == float("inf") else value,
        correct=value == float(gold.replace(",", "")), language=max(scores, key=scores.get), p_ja=round(scores.get("ja", 0.0), 6), whole=whole(text),
        reference_words=" ".join(golds), words=" ".join(words), rouge=[rouge[k].fmeasure for k in KINDS],
        em=float(WORDS.normal(reference) == WORDS.normal(text)), f1=f1(golds, words),
    )


def main():
    rng = random.Random(20240319)
    answers = HAND + [generated(rng) for _ in range(850)] + [mixed(rng) for _ in range(300)] + list(zoo(sys.argv[1]))
    rows = [row_of(rng, gold, text) for gold, text in answers]
    pairs = [(row["reference"], row["text"]) for row in rows]
    strict = [(gold, "" if languages(gold).get("ja", 0.0) >= 0.5 and languages(text).get("ja", 0.0) < 0.5 else text) for gold, text in pairs]
    totals = dict(rouge=over_all(pairs), rouge_ja=over_all(strict))
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in [*rows, totals]]
    (HERE / "answers.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode(), 9, mtime=0))
    print(len(rows), "answers,", totals)


if __name__ == "__main__":
    main()

"""Makes answers.jsonl: answer strings of all shapes with the reference scorer's verdicts.

The reference is the paper's evaluation (github.com/SakanaAI/evolutionary-model-merge, Apache-2.0,
evomerge/eval/ja_mgsm.py and metrics.py): the number is the last match of \\d*\\.?\\d+, compared as a
float; the language is fastText's lid.176 over the whole text with its newlines deleted.

    pip install fasttext-wheel==0.9.2
    python tests/golden/scoring/make.py

Each line: gold, text, number (the match or null), value (a number, "inf" or null), correct,
language (the likeliest), p_ja. Seeded: two runs make the same file.
"""

import json
import random
import re
from pathlib import Path

import fasttext

HERE = Path(__file__).parent
MODEL = fasttext.load_model(str(HERE / "../../../zoo/lid/lid.176.ftz"))


def number(text):
    matches = re.findall(r"\d*\.?\d+", text)
    return matches[-1] if matches else None


def languages(text):
    # What FastText.predict(text, k=-1) calls, without its wrapping in NumPy arrays.
    pairs = MODEL.f.predict(text.replace("\n", "") + "\n", -1, 0.0, "strict")
    return {label.removeprefix("__label__"): min(p, 1.0) for p, label in pairs}


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


def main():
    rng = random.Random(20240319)
    rows = HAND + [generated(rng) for _ in range(600)]
    with open(HERE / "answers.jsonl", "w", encoding="utf-8") as out:
        for gold, text in rows:
            found = number(text)
            value = None if found is None else float(found.replace(",", ""))
            scores = languages(text)
            best = max(scores, key=scores.get)
            row = dict(gold=gold, text=text, number=found, value="inf" if value == float("inf") else value,
                       correct=value == float(gold.replace(",", "")), language=best, p_ja=round(scores.get("ja", 0.0), 6))
            out.write(json.dumps(row, ensure_ascii=False) + "\n")


main()

"""How PyYAML and mergekit 0.1.5 read YAML, as JSON.

    pip install mergekit==0.1.5 pyyaml
    python tests/golden/recipe/notation.py > tests/golden/recipe/notation.json

`scalars`: what PyYAML makes of plain and tagged scalars (null where it refuses them). `recipes`: texts with merge
keys, anchors, numbers in every form and the like, each with mergekit's own plain way to write what it read (null
where it refuses).
"""

import datetime
import json
import math
import sys

import yaml
from mergekit.config import MergeConfiguration

SCALARS = """
1e-3 1e3 1E5 1e+3 1.5e3 1.5e+3 1.5e-3 12e03 1.e+3 0o14 014 00 0_1 09 08 0x1F 0x 0X1f +0x1f -0b11 0b11 0b2 1:30 190:20:30
1:30.5 1_000 1__0 _1 0.1_0 1_000.5 1. 0. .5 -.5 +.5 +1 -0 -1 +1.5 y n Y N yes Yes YES yEs no NO on On ON off OFF true True
TRUE tRue false .inf -.INF +.Inf .nan .NaN .NAN nan inf Infinity 2001-12-14 2001-1-1 2001-12-14t21:59:43.10-05:00 ~ null Null
NULL none None 12345678901234567890 1.2.3 --1 1-1 1,5 1/2 7b org/7b 0.5x . .. -. +. ... 1e 1e- e1 123abc .e5 ._5 5_ 5_.5
""".split()

TAGGED = ["!!str 1", "!!str yes", "!!int '3'", "!!int 0x10", "!!float 1", "!!float '1e3'", "!!null x", "!!bool yes", "! 1", "'1'",
          '"yes"', "!foo x", "!!bool 1", "!!int x"]

MODELS = "models: [{model: a, parameters: {weight: 0.3}}, {model: b, parameters: {weight: 0.7}}]\n"
LINEAR = "merge_method: linear\n"
TIES = "merge_method: ties\nbase_model: base\n"

RECIPES = {
    "one mapping": TIES + "models:\n  - model: a\n    parameters: &p {weight: 0.3, density: 0.5}\n  - model: b\n"
    "    parameters: {<<: *p, weight: 0.7}\n",
    "own keys win wherever they stand": TIES + "models:\n  - model: a\n    parameters: &p {weight: 0.3, density: 0.5}\n"
    "  - model: b\n    parameters:\n      weight: 0.7\n      <<: *p\n",
    "a list of mappings": TIES + "models:\n  - model: a\n    parameters: &p {weight: 0.3}\n  - model: b\n    parameters: &q {weight: 0.4, "
    "density: 0.2}\n  - model: c\n    parameters: {<<: [*p, *q]}\n",
    "merge keys within merge keys": TIES + "models:\n  - model: a\n    parameters: &p {weight: 0.3}\n  - model: b\n    parameters: &q "
    "{<<: *p, density: 0.2}\n  - model: c\n    parameters: {<<: *q, weight: 0.9}\n",
    "one letter": "merge_method: slerp\nbase_model: base\nmodels: [{model: a}]\nparameters: {<<: [{t: 0.1}, {t: 0.9}]}\n",
    "two merge keys": TIES + "models:\n  - model: a\n    parameters: {<<: {weight: 0.1, density: 0.5}, <<: {weight: 0.2}}\n",
    "a merge key inline": LINEAR + "models:\n  - {<<: {parameters: {weight: 0.5}}, model: a}\n  - {<<: {parameters: {weight: 0.1}}, model: b}\n",
    "a merge key at the top": "defaults: &d\n  merge_method: ties\n  base_model: base\n  dtype: bfloat16\n<<: *d\nmodels: [{model: a, "
    "parameters: {weight: 1, density: 0.5}}]\n",
    "a whole model by alias": TIES + "models:\n  - &m {model: a, parameters: {weight: 0.3}}\n  - {<<: *m, model: b}\n",
    "anchors in a spare list": "anchors:\n  - &w 0.25\n  - &p {weight: *w, density: 0.5}\n" + TIES
    + "models: [{model: a, parameters: *p}, {model: b, parameters: {<<: *p, weight: 0.5}}]\n",
    "anchors in a spare key": "x-common: &p\n  weight: 0.4\n" + LINEAR + "models: [{model: a, parameters: *p}, {model: b, parameters: *p}]\n",
    "anchored scalars": LINEAR + "models: [{model: &first a, parameters: {weight: &w 0.5}}, {model: b, parameters: {weight: *w}}]\n"
    "base_model: *first\n",
    "a filter by alias": TIES + "models:\n  - model: a\n    parameters:\n      weight: &f [{filter: mlp, value: 0.5}, {value: 1}]\n  - model: b\n"
    "    parameters: {weight: *f}\n",
    "a quoted merge key is none": LINEAR + "models: [{model: a, parameters: {weight: 1}}]\nparameters: {'weight': 1}\n",
    "a merge key of a number": LINEAR + "models: [{model: a, parameters: {<<: 3}}]\n",
    "a merge key of a list of numbers": LINEAR + "models: [{model: a, parameters: {<<: [3]}}]\n",
    "a merge key of nothing": LINEAR + "models: [{model: a, parameters: {<<: }}]\n",
    "an unknown alias": LINEAR + "models: [{model: a, parameters: *none}]\n",
    "the base with parameters": TIES + "models: [{model: base, parameters: {weight: 0.4, density: 0.1}}, {model: a, parameters: {weight: 1, "
    "density: 0.5}}]\n",
    "numbers as texts": LINEAR + "models: [{model: a, parameters: {weight: 1e-3}}, {model: b, parameters: {weight: -.5}}, {model: c, "
    "parameters: {weight: '0.25'}}, {model: d, parameters: {weight: 5e+1}}]\n",
    "numbers of YAML 1.1": LINEAR + "models: [{model: a, parameters: {weight: 010}}, {model: b, parameters: {weight: 1_0}}, {model: c, "
    "parameters: {weight: 0x10}}, {model: d, parameters: {weight: 1:30}}, {model: e, parameters: {weight: .5}}]\n",
    "yes and no": TIES + "models: [{model: a, parameters: {weight: yes, density: 0.5}}]\nparameters: {normalize: off, int8_mask: y, rescale: 0}\n",
    "octal layers": "merge_method: passthrough\nslices: [{sources: [{model: a, layer_range: [00, 010]}]}]\n",
    "empty last layers": "merge_method: passthrough\nslices: [{sources: [{model: a, layer_range: [0, 2]}]}, {sources: [{model: b, layer_range: "
    "[2, 2]}]}]\n",
    "a byte order mark": "\ufeff" + LINEAR + MODELS,
    "a directive": "%YAML 1.1\n---\n" + LINEAR + MODELS,
    "an end mark": "---\n" + LINEAR + MODELS + "...\n",
    "Windows lines": (LINEAR + MODELS).replace("\n", "\r\n"),
    "tabs between": LINEAR + "models: [{model: a,\tparameters: {weight: 1}}]\n",
    "a tab as indent": LINEAR + "models:\n\t- {model: a, parameters: {weight: 1}}\n",
    "a date as a name": "merge_method: linear\nmodels: [{model: 2001-12-14, parameters: {weight: 1}}]\n",
    "a number as a model": "merge_method: linear\nmodels: [{model: 7, parameters: {weight: 1}}]\n",
    "a number in quotes as a model": "merge_method: linear\nmodels: [{model: '7', parameters: {weight: 1}}]\n",
    "an eight as a model": "merge_method: linear\nmodels: [{model: 08, parameters: {weight: 1}}]\n",
    "block texts": LINEAR + MODELS + "chat_template: |\n  {{ a }}\n  {{ b }}\n",
    "folded texts": LINEAR + MODELS + "chat_template: >-\n  {{ a }}\n  {{ b }}\n",
}


def plain(value):
    if isinstance(value, float) and not math.isfinite(value):
        return {"odd": repr(value)}
    if isinstance(value, (datetime.date, datetime.datetime)):
        return {"odd": "date"}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        return float(value)
    return value


def scalar(text):
    try:
        return {"text": text, "is": plain(yaml.safe_load(f"k: {text}")["k"])}
    except (yaml.YAMLError, ValueError, KeyError):
        return {"text": text, "refused": True}


def recipe(name, text):
    try:
        read = MergeConfiguration.model_validate(yaml.safe_load(text)).to_yaml()
    except Exception:
        read = None
    return {"name": name, "text": text, "read": read}


json.dump(
    {"scalars": [scalar(t) for t in SCALARS + TAGGED], "recipes": [recipe(*r) for r in RECIPES.items()]},
    sys.stdout,
    indent=1,
)
print()

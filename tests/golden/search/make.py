"""Makes pycma.json: how many evaluations pycma needs, to stand beside ours.

    pip install cma==4.5.0 "numpy>=1.26"
    python tests/golden/search/make.py

For each function, the evaluations until the best value is below 1e-8, for 10 seeds, with pycma's
defaults (population 4 + floor(3 ln n), active CMA), n = 10, start 0.7 in every coordinate and
first step size 0.3; and their median.
"""

import json
import statistics
from pathlib import Path

import cma

N, START, SIGMA, TARGET = 10, 0.7, 0.3, 1e-8


def sphere(x):
    return sum(v * v for v in x)


def ellipsoid(x):
    return sum(10 ** (6 * i / (N - 1)) * v * v for i, v in enumerate(x))


def evaluations(function, seed):
    es = cma.CMAEvolutionStrategy(N * [START], SIGMA, dict(seed=seed, verbose=-9, ftarget=TARGET, tolfun=0, tolfunhist=0))
    used = 0
    while True:
        points = es.ask()
        values = [function(p) for p in points]
        for v in values:
            used += 1
            if v < TARGET:
                return used
        es.tell(points, values)
        if used > 200_000:
            raise RuntimeError("pycma did not arrive")


out = {}
for function in (sphere, ellipsoid):
    runs = [evaluations(function, seed) for seed in range(1, 11)]
    out[function.__name__] = dict(evaluations=runs, median=statistics.median(runs))
Path(__file__).with_name("pycma.json").write_text(json.dumps(out, indent=1) + "\n")

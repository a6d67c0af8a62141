"""Makes mixed.json: evaluations that the mixed optimisers of CyberAgent's cmaes need.

    pip install cmaes==0.13.1 "numpy>=1.26" scipy
    OMP_NUM_THREADS=1 python tests/golden/search/mixed.py

The benchmarks of Hamano et al. 2022 (arXiv 2205.13482, section 5): half of n = 20 and 40 variables real,
half switches; the real ones start between 1 and 3, the switches undecided, the first step size is 1, the
population the default one (4 + floor(3 ln n)). Programs: CMA-ES with margin (CMAwM), CatCMA with margin
(CatCMAwM, switches as categorical variables, its own default population), and plain CMA-ES whose numbers
are thresholded. Seeds 1 to 20; a run counts each evaluation until the first value below 1e-10 and fails
(null) when the program stops by its own criteria (without that of flat function values) or after the
stated limit of evaluations. Takes some minutes on one core.
"""

import json
import statistics
import sys
from pathlib import Path

import cmaes
import numpy as np
from cmaes import CMA, CatCMAwM, CMAwM
from scipy import special

# The same two functions as the package takes from scipy.stats, without its slow checks of arguments.
for module in (cmaes._cmawm, cmaes._catcmawm):
    module.chi2_ppf = lambda q: special.chdtri(1, 1 - q)
    module.norm_cdf = lambda x, loc=0.0, scale=1.0: special.ndtr((x - loc) / scale)

TARGET = 1e-10
LIMIT = {20: 40_000, 40: 100_000}
SEEDS = {20: range(1, 21), 40: range(1, 11)}


def start(half, seed):
    i = np.arange(half)
    return 1 + 2 * ((i * 0.618 + seed * 0.414) % 1.0)


def sphere(x):
    return float(x @ x)


def ellipsoid(x):
    return float((10 ** (6 * np.arange(len(x)) / (len(x) - 1))) @ (x * x))


def onemax(b):
    return float(len(b) - b.sum())


def leadingones(b):
    return float(len(b) - np.cumprod(b).sum())


CASES = {
    "SphereOneMax": (sphere, onemax),
    "SphereLeadingOnes": (sphere, leadingones),
    "EllipsoidOneMax": (ellipsoid, onemax),
    "EllipsoidLeadingOnes": (ellipsoid, leadingones),
}


def run(optimiser, ask, value, limit):
    """Evaluations to the target; `ask` gives the point to evaluate and the one to tell."""
    used = 0
    while used < limit:
        told = []
        for _ in range(optimiser.population_size):
            x, b, tell = ask(optimiser)
            told.append((tell, value(x, b)))
            used += 1
            if told[-1][1] < TARGET:
                return used
        optimiser.tell(told)
        if optimiser.should_stop():
            return None
    return None


def cmawm(half, seed, value):
    bounds = np.concatenate([np.tile([-np.inf, np.inf], (half, 1)), np.tile([0, 1], (half, 1))])
    steps = np.concatenate([np.zeros(half), np.ones(half)])
    mean = np.concatenate([start(half, seed), np.full(half, 0.5)])
    es = CMAwM(mean=mean, sigma=1.0, bounds=bounds, steps=steps, seed=seed)
    es._cma._tolfun = 0.0

    def ask(es):
        point, tell = es.ask()
        return point[:half], point[half:], tell

    return run(es, ask, value, LIMIT[2 * half])


def catcmawm(half, seed, value):
    space = [[-np.inf, np.inf]] * half
    es = CatCMAwM(x_space=space, c_space=[2] * half, mean=start(half, seed), sigma=1.0, seed=seed)

    def ask(es):
        point = es.ask()
        return point.x, point.c[:, 1].astype(float), point

    return run(es, ask, value, LIMIT[2 * half])


def threshold(half, seed, value):
    mean = np.concatenate([start(half, seed), np.zeros(half)])
    es = CMA(mean=mean, sigma=1.0, seed=seed)
    es._tolfun = 0.0

    def ask(es):
        point = es.ask()
        return point[:half], (point[half:] > 0).astype(float), point

    return run(es, ask, value, LIMIT[2 * half])


path = Path(__file__).with_name("mixed.json")
out = json.loads(path.read_text()) if path.exists() else {"target": TARGET, "limit": LIMIT, "cases": []}
for name, (real, switches) in CASES.items():
    for n in (20, 40):
        case = next((c for c in out["cases"] if c["function"] == name and c["n"] == n), None)
        if case is None:
            case = {"function": name, "n": n, "seeds": len(SEEDS[n])}
            out["cases"].append(case)
        for program in (cmawm, catcmawm, threshold):
            if program.__name__ in case:
                continue
            found = [program(n // 2, seed, lambda x, b: real(x) + switches(b)) for seed in SEEDS[n]]
            arrived = [e for e in found if e is not None]
            median = statistics.median(arrived) if arrived else None
            case[program.__name__] = {"median": median, "arrived": len(arrived)}
            print(name, n, program.__name__, median, len(arrived), file=sys.stderr, flush=True)
            path.write_text(json.dumps(out, indent=1) + "\n")

"""Makes reference.json: evaluations that pycma and CyberAgent's cmaes need to reach 1e-8.

    pip install cma==4.5.0 cmaes==0.13.1 "numpy>=1.26"
    OMP_NUM_THREADS=1 python tests/golden/search/reference.py

Sphere, ellipsoid (condition 1e6), Rosenbrock and Rastrigin at n = 10 and 40, seeds 1 to 20. Start
and first step size are the same number in every coordinate; both programs run with their defaults
(population 4 + floor(3 ln n)) but on Rastrigin, where a larger population stands in both: with the
default one hardly any run of any program ends in the global optimum. A run counts each evaluation
until the first value below 1e-8. It fails (null) when the program's own criteria stop it before (with
its tests of flat function values off, they are below the target), or after the stated limit of
evaluations. Takes about half an hour on one core.
"""

import json
import statistics
import sys
from pathlib import Path

import cma
import numpy as np
from cmaes import CMA

TARGET, SEEDS = 1e-8, range(1, 21)


def sphere(x):
    return float(x @ x)


def ellipsoid(x):
    return float((10 ** (6 * np.arange(len(x)) / (len(x) - 1))) @ (x * x))


def rosenbrock(x):
    return float(np.sum(100 * (x[:-1] ** 2 - x[1:]) ** 2 + (x[:-1] - 1) ** 2))


def rastrigin(x):
    return float(10 * len(x) + np.sum(x * x - 10 * np.cos(2 * np.pi * x)))


# function, start, first step size, population at n = 10 and at 40 (0 = default)
CASES = [
    (sphere, 0.7, 0.3, {10: 0, 40: 0}),
    (ellipsoid, 0.7, 0.3, {10: 0, 40: 0}),
    (rosenbrock, 0.0, 0.5, {10: 0, 40: 0}),
    (rastrigin, 3.0, 2.0, {10: 200, 40: 600}),
]
LIMIT = 1_000_000


def pycma(function, n, start, sigma, population, seed):
    options = dict(seed=seed, verbose=-9, tolfun=0, tolfunhist=0, tolflatfitness=10**9, tolfunrel=0)
    if population:
        options["popsize"] = population
    es = cma.CMAEvolutionStrategy(n * [start], sigma, options)
    used = 0
    while not es.stop() and used < LIMIT:
        points = es.ask()
        values = []
        for point in points:
            values.append(function(point))
            used += 1
            if values[-1] < TARGET:
                return used
        es.tell(points, values)
    return None


def cmaes(function, n, start, sigma, population, seed):
    es = CMA(mean=np.full(n, start), sigma=sigma, seed=seed, population_size=population or None)
    es._tolfun = 0.0
    used = 0
    while not es.should_stop() and used < LIMIT:
        told = []
        for _ in range(es.population_size):
            point = es.ask()
            told.append((point, function(point)))
            used += 1
            if told[-1][1] < TARGET:
                return used
        es.tell(told)
    return None


out = {"target": TARGET, "limit": LIMIT, "cases": []}
for function, start, sigma, populations in CASES:
    for n, population in populations.items():
        case = dict(function=function.__name__, n=n, start=start, sigma=sigma, population=population)
        for program in (pycma, cmaes):
            runs = [program(function, n, start, sigma, population, seed) for seed in SEEDS]
            arrived = [r for r in runs if r is not None]
            median = statistics.median(arrived) if arrived else None
            case[program.__name__] = dict(median=median, arrived=len(arrived), evaluations=runs)
            print(function.__name__, n, program.__name__, median, len(arrived), file=sys.stderr, flush=True)
        out["cases"].append(case)
        Path(__file__).with_name("reference.json").write_text(json.dumps(out, indent=1) + "\n")

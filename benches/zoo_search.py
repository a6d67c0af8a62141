#!/usr/bin/env python3
"""Searches on the bundled zoo, medians over seeds: what the README's table of searches says.

    cargo build --release
    python3 benches/zoo_search.py [--seeds 10] [--evaluations 320] [--questions 150] [--only NAME,...] [--jobs 2]

Each search is a bundled config with a few lines replaced, run headless. One that races or estimates has up to nine
times the evaluations, and a third of the tokens that plain per-layer CMA-ES used under the same seed. Held-out figures are
the per cent of 250 questions answered right and in Japanese; tokens are those generated for the search's own
candidates on training questions, as the journal has them. Runs that are there already (in --home) are not run again;
one that was cut goes on. Two searches are compared by how long one of them needs to where the other ended, and by
expected running times. `--jobs 2` runs two searches of one thread each side by side instead of one of two threads.
"""

import argparse
import json
import os
import re
import sqlite3
import statistics
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

ESTIMATOR = "\n[racing]\nblock = 15\nerror = 0.16\nsubset = 20\nfull = 4\n"

# name: (config, lines that differ, text put after it, times the evaluations).
SEARCHES = {
    "per-layer": ("zoo", {}, "", 1),
    "global": ("zoo", {"groups": '"global"'}, "", 1),
    "halves": ("zoo", {"groups": '"halves"'}, "", 1),
    "smooth": ("zoo", {"groups": "{ smooth = 3 }"}, "", 1),
    "racing-sure": ("zoo", {}, "\n[racing]\nblock = 10\n", 1),
    "racing": ("zoo", {}, "\n[racing]\nblock = 10\nerror = 0.3\nreliability = 0.8\norder = \"fresh\"\n", 9),
    "estimator": ("zoo", {}, ESTIMATOR, 9),
    "dfs": ("zoo-dfs", {}, "", 1),
    "dfs-margin": ("zoo-dfs", {"algorithm": '"margin-cma-es"'}, "", 1),
    # Plain CMA-ES: switches are numbers with a threshold, and every scale is learnt from every path.
    "dfs-threshold": (
        "zoo-dfs",
        {"algorithm": '"cma-es"\noptions = { conditional = 0 }'},
        "",
        1,
    ),
    "dfs-simple": ("zoo-dfs", {"algorithm": '"simple-es"'}, "", 1),
    "hybrid": ("zoo-hybrid", {}, "", 1),
}
# Beside which search each is held, to its final fitness.
BESIDE = {
    "racing-sure": "per-layer",
    "racing": "per-layer",
    "estimator": "per-layer",
    "dfs": "dfs-threshold",
    "dfs-margin": "dfs-threshold",
    "dfs-simple": "dfs-threshold",
}


def config(name, evaluations, questions, threads, tokens):
    bundled, lines, more, times = SEARCHES[name]
    text = (ROOT / f"configs/{bundled}.toml").read_text()
    lines = {"train_limit": questions, **lines}
    if bundled == "zoo":
        lines["grid"] = "[]"
    if bundled != "zoo-hybrid":
        lines["evaluations"] = evaluations * times
    for key, value in lines.items():
        text, count = re.subn(rf"^{key} = [^#\n]*", f"{key} = {value} ", text, count=1, flags=re.M)
        assert count == 1, key
    if threads:
        text = text.replace("\n[pool]", f"threads = {threads}\n\n[pool]", 1)
    if tokens and times > 1:
        text = text.replace("\n[budget]\n", f"\n[budget]\ntokens = {tokens}\n", 1)
    return text + more


def run(name, seed, args, tokens=None):
    folder = args.home / "sessions"
    session = f"{name}-{seed}"
    env = {**os.environ, "YOSEGI_HOME": str(args.home)}
    path = args.home / f"{session}.toml"
    threads = 1 if args.jobs > 1 else 0
    path.write_text(config(name, args.evaluations, args.questions, threads, tokens))
    command = [args.yosegi, "evolve", path, "--headless", "--json", "--name", session, "--seed", str(seed)]
    if SEARCHES[name][0] == "zoo-hybrid":
        command += ["--budget", str(args.evaluations)]
    if (folder / session).exists():
        command.append("--resume")
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{session}: {done.stderr.strip()}")
    return folder / session / "journal.db"


def read(journal):
    """Of one run: baselines on held-out questions, its course, the winner's held-out share, tokens with baselines,
    and (candidates, mean, most) of what the estimator was off by. The course is (tokens, evaluations, best fitness
    so far over all questions) after each candidate."""
    db = sqlite3.connect(f"file:{journal}?mode=ro", uri=True)
    base, course, tokens, spent, best, end, whole, off = {}, [], 0, 0, 0.0, None, None, []
    guess = {}
    for body, cost in db.execute("SELECT body, cost FROM events ORDER BY seq"):
        event = json.loads(body)
        cost = json.loads(cost)["tokens"] if cost else 0
        spent += cost
        kind = event["event"]
        if kind == "created":
            whole = event["train_questions"]
        elif kind == "baseline":
            scores = {s["split"]: s["score"] for s in event["scores"]}
            if "test" in scores:
                base[event["candidate"]["label"]] = scores["test"]["acc_ja"]
        elif kind == "block":
            tokens += cost
        elif kind == "estimated":
            guess.update(map(tuple, event["estimates"]))
        elif kind == "evaluated":
            tokens += cost
            scored = event["outcome"].get("scored")
            # A candidate that was stopped early has no fitness over all questions.
            if scored and scored["n"] == whole and not event.get("stopped"):
                best = max(best, scored["fitness"])
                if event["id"] in guess:
                    off.append(abs(guess[event["id"]] - scored["fitness"]))
            course.append((tokens, len(course) + 1, best))
        elif kind == "finished":
            end = event["test"]["acc_ja"]
    return {"base": base, "course": course, "end": end, "spent": spent, "off": off}


def reached(course, fitness, of):
    """Tokens (of = 0) or evaluations (of = 1) after which a course was at least there."""
    return next((step[of] for step in course if step[2] >= fitness - 1e-12), float("inf"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--yosegi", default=ROOT / "target/release/yosegi")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--evaluations", type=int, default=320)
    parser.add_argument("--questions", type=int, default=150)
    parser.add_argument("--only", default="per-layer,global,racing,estimator,dfs,dfs-threshold,dfs-simple,hybrid")
    parser.add_argument("--home", type=Path, default=None)
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    args.home = args.home or Path(tempfile.mkdtemp())
    args.home.mkdir(exist_ok=True)
    names = args.only.split(",")
    unknown = [name for name in names if name not in SEARCHES]
    if unknown:
        raise SystemExit(f"no search {unknown[0]}: known are {', '.join(SEARCHES)}")

    def one_seed(seed):
        out = {}
        # Plain per-layer CMA-ES first: the others' tokens are counted in its.
        for name in sorted(names, key=lambda name: name != "per-layer"):
            tokens = out["per-layer"]["spent"] // 3 if "per-layer" in out else None
            out[name] = read(run(name, seed, args, tokens))
            course, end = out[name]["course"], out[name]["end"]
            print(f"# {name} {seed}: held out {100 * end:.1f}, fitness {course[-1][2]:.4f}, "
                  f"{course[-1][0]} tokens, {course[-1][1]} evaluations", flush=True)
        return out

    with ThreadPoolExecutor(args.jobs) as pool:
        seeds = list(pool.map(one_seed, range(1, args.seeds + 1)))
    found = {name: [seed[name] for seed in seeds] for name in names}

    percent = lambda x: f"{100 * x:.1f}"
    for label, share in found[names[0]][0]["base"].items():
        if not label.startswith("mean"):
            print(f"{label:<14} held out {percent(share)}")
    for name in names:
        ends = [run["end"] for run in found[name]]
        last = [run["course"][-1] for run in found[name]]
        print(f"{name:<14} held out median {percent(statistics.median(ends))}  ({percent(min(ends))} to "
              f"{percent(max(ends))})  training fitness {statistics.median(l[2] for l in last):.4f}  "
              f"tokens {statistics.median(l[0] for l in last) / 1e6:.2f} M  "
              f"evaluations {statistics.median(l[1] for l in last):.0f}")
    for name in names:
        other = BESIDE.get(name)
        if other in found:
            compare(name, other, found[name], found[other])
        off = [x for run in found[name] for x in run["off"]]
        if off:
            print(f"{name}: estimates off by {statistics.mean(off):.3f} on average, {max(off):.3f} at most, over "
                  f"{len(off)} candidates that answered everything")


def compare(name, other, these, those):
    """Until the other's final fitness is reached, seed by seed, as a share of what the other used in all; and
    until the median of its final fitness is, which every seed is held to alike. Then the expected running time of both
    to each of the other's finals: what all runs used until they were there or ended, for each that got there (Hansen et
    al. 2009)."""
    finals = [run["course"][-1] for run in those]
    middle = statistics.median(final[2] for final in finals)
    for of, word in ((0, "tokens"), (1, "evaluations")):
        own = [reached(run["course"], final[2], of) / final[of] for run, final in zip(these, finals)]
        all_use = statistics.median(final[of] for final in finals)
        same = [reached(run["course"], middle, of) / all_use for run in these]
        missed = lambda shares: sum(share == float("inf") for share in shares)
        print(f"{name}: {other}'s final fitness after {statistics.median(own):.2f} of its {word} (median; "
              f"{missed(own)} of {len(own)} never), its median {middle:.4f} after {statistics.median(same):.2f} "
              f"({missed(same)} never)")
    of = 0 if SEARCHES[name][3] > 1 else 1
    for target in sorted({final[2] for final in finals}):
        said = []
        for label, runs in ((name, these), (other, those)):
            used = [reached(run["course"], target, of) for run in runs]
            there = sum(u < float("inf") for u in used)
            used = sum(min(u, run["course"][-1][of]) for u, run in zip(used, runs))
            time = f"{used / there:.0f}" if there else "no end"
            said.append(f"{label} {time} ({there} of {len(runs)})")
        print(f"  expected {('tokens', 'evaluations')[of]} to {target:.4f}: {', '.join(said)}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Searches on the bundled zoo, medians over seeds: what the README's table of searches says.

    cargo build --release
    python3 benches/zoo_search.py [--seeds 10] [--evaluations 320] [--questions 150] [--only NAME,...]

Each search is `configs/zoo.toml` with a few lines replaced, run headless. Held-out figures are the
per cent of 250 questions answered right and in Japanese; tokens are those generated for the search's own
candidates on training questions, as the journal has them. Runs that are there already (in --home) are not
run again.
"""

import argparse
import json
import os
import re
import sqlite3
import statistics
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# name: lines of configs/zoo.toml that differ, and text put after it.
SEARCHES = {
    "per-layer": ({}, ""),
    "global": ({"groups": '"global"'}, ""),
    "halves": ({"groups": '"halves"'}, ""),
    "smooth": ({"groups": "{ smooth = 3 }"}, ""),
    "racing-sure": ({}, "\n[racing]\nblock = 10\n"),
    "racing": ({}, "\n[racing]\nblock = 10\nerror = 0.3\n"),
}


def config(name, evaluations, questions):
    lines, more = SEARCHES[name]
    lines = {"train_limit": questions, "evaluations": evaluations, "grid": "[]", **lines}
    text = (ROOT / "configs/zoo.toml").read_text()
    for key, value in lines.items():
        text, count = re.subn(rf"^{key} = [^#\n]*", f"{key} = {value} ", text, count=1, flags=re.M)
        assert count == 1, key
    return text + more


def run(name, seed, args):
    folder = args.home / "sessions"
    session = f"{name}-{seed}"
    env = {**os.environ, "YOSEGI_HOME": str(args.home)}
    path = args.home / f"{name}.toml"
    path.write_text(config(name, args.evaluations, args.questions))
    command = [args.yosegi, "evolve", path, "--headless", "--json", "--name", session, "--seed", str(seed)]
    if (folder / session).exists():
        command.append("--resume")
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{session}: {done.stderr.strip()}")
    return folder / session / "journal.db"


def read(journal):
    """Baselines on held-out questions, the winner's, and (tokens, best fitness so far) after each candidate."""
    db = sqlite3.connect(f"file:{journal}?mode=ro", uri=True)
    base, course, tokens, best, end, whole = {}, [], 0, 0.0, None, None
    for body, cost in db.execute("SELECT body, cost FROM events ORDER BY seq"):
        event = json.loads(body)
        cost = json.loads(cost)["tokens"] if cost else 0
        kind = event["event"]
        if kind == "created":
            whole = event["train_questions"]
        elif kind == "baseline":
            scores = {s["split"]: s["score"] for s in event["scores"]}
            base[event["candidate"]["label"]] = scores["test"]["acc_ja"]
        elif kind == "block":
            tokens += cost
        elif kind == "evaluated":
            tokens += cost
            scored = event["outcome"].get("scored")
            # A candidate that was stopped early has no fitness over all questions.
            if scored and scored["n"] == whole:
                best = max(best, scored["fitness"])
            course.append((tokens, best))
        elif kind == "finished":
            end = event["test"]["acc_ja"]
    return base, course, end


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--yosegi", default=ROOT / "target/release/yosegi")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--evaluations", type=int, default=320)
    parser.add_argument("--questions", type=int, default=150)
    parser.add_argument("--only", default="per-layer,global,racing")
    parser.add_argument("--home", type=Path, default=None)
    args = parser.parse_args()
    args.home = args.home or Path(tempfile.mkdtemp())
    args.home.mkdir(exist_ok=True)
    names = args.only.split(",")
    found = {name: [] for name in names}
    for seed in range(1, args.seeds + 1):
        for name in names:
            found[name].append(read(run(name, seed, args)))
            base, course, end = found[name][-1]
            print(f"# {name} {seed}: held out {100 * end:.1f}, fitness {course[-1][1]:.4f}, "
                  f"{course[-1][0]} tokens", flush=True)

    percent = lambda x: f"{100 * x:.1f}"
    base = found[names[0]][0][0]
    for label, share in base.items():
        if label != "mean":
            print(f"{label:<14} held out {percent(share)}")
    for name in names:
        ends = [end for _, _, end in found[name]]
        fitness = [course[-1][1] for _, course, _ in found[name]]
        tokens = [course[-1][0] for _, course, _ in found[name]]
        print(f"{name:<14} held out median {percent(statistics.median(ends))}  ({percent(min(ends))} to "
              f"{percent(max(ends))})  training fitness {statistics.median(fitness):.4f}  "
              f"tokens {statistics.median(tokens) / 1e6:.2f} M")
    # Tokens until plain CMA-ES's final fitness is reached, as a share of what it generated itself.
    if "per-layer" in found:
        for name in (n for n in names if n.startswith("racing")):
            shares, missed = [], 0
            for (_, plain, _), (_, course, _) in zip(found["per-layer"], found[name]):
                reached = next((t for t, best in course if best >= plain[-1][1]), None)
                missed += reached is None
                shares.append(float("inf") if reached is None else reached / plain[-1][0])
            print(f"{name}: plain CMA-ES's final fitness after {statistics.median(shares):.2f} of its tokens "
                  f"(median; {missed} of {len(shares)} runs never reached it)")


if __name__ == "__main__":
    main()

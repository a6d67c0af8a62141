#!/usr/bin/env bash
# Makes the fixtures of tests/earlier.rs: what an earlier yosegi wrote, which every later one reads.
#   ./make.sh YOSEGI, with the program of the earlier commit. The folder below /tmp stands in the journal of `tasks`.
set -euo pipefail
cd "$(dirname "$0")"
here="$PWD" yosegi="$(realpath "$1")" at=/tmp/yosegi-earlier
rm -rf "$at" && mkdir "$at" && cp ./*.toml ./*.jsonl "$at" && cd "$at"
export YOSEGI_HOME="$at/home"
"$yosegi" --version >"$here/version.txt"
for name in weights tasks stages; do
  "$yosegi" evolve "$name.toml" --headless --json 2>/dev/null </dev/null >"$here/$name.events.jsonl"
  "$yosegi" report "$name" --json >"$here/$name.report.json"
  sqlite=$(find "$YOSEGI_HOME/sessions/$name" -name '*.db')
  gzip -9nc "$sqlite" >"$here/$name.journal.gz"
done
"$yosegi" recipe convert recipe.toml "$here/recipe.yaml"
"$yosegi" recipe methods --json >"$here/methods.json"
"$yosegi" inspect zoo:ja --json >"$here/inspect.json"
"$yosegi" eval recipe.toml --task polite.toml --json >"$here/eval.json" 2>/dev/null
"$yosegi" compare zoo:ja zoo:base --task polite.toml --json >"$here/compare.json" 2>/dev/null
"$yosegi" score --task polite.toml --answers answers.jsonl --json >"$here/score.json"
"$yosegi" generate recipe.toml --prompt "りんご" --max-tokens 8 --json >"$here/generate.jsonl"

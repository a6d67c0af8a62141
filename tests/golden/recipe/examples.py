"""Every example of mergekit's repository is read, and read alike by both programs.

    git clone https://github.com/arcee-ai/mergekit
    python tests/golden/recipe/examples.py mergekit [--yosegi target/release/yosegi]

Takes `examples/*.yml` and the merges in the Markdown of README and docs, of a checkout beside which
mergekit 0.1.5 is installed. Each is checked by Yosegi, converted to TOML and back, and what comes
back must be the same merge to mergekit's own reader. What mergekit itself refuses (placeholders, fragments,
configurations of other tools) is left out. None of mergekit's files are kept here.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml
from mergekit import merge_methods
from mergekit.config import MergeConfiguration


def texts(root):
    for file in sorted((root / "examples").glob("*.yml")):
        yield str(file.relative_to(root)), file.read_text()
    for file in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        blocks = re.findall(r"^[ \t]*```ya?ml\n(.*?)^[ \t]*```", file.read_text(), re.S | re.M)
        for i, block in enumerate(blocks):
            yield f"{file.relative_to(root)}, block {i + 1}", block


def read(text):
    """What mergekit's reader makes of each document."""
    out = []
    for document in yaml.safe_load_all(text):
        name = document.pop("name", None)
        configuration = MergeConfiguration.model_validate(document)
        merge_methods.get(configuration.merge_method)
        out.append((name, configuration))
    return out


def meaning(configuration):
    """The merge, in a form in which two ways to write it are one."""
    data = configuration.model_dump(mode="json", exclude_none=True)
    base = data.get("base_model")
    if data["merge_method"] not in ("linear", "passthrough", "karcher", "multislerp"):
        # A base that is listed is the base, not one of the models.
        data["models"] = [m for m in data.get("models", []) if m["model"] != base]
    if "tokenizer_source" in data:
        data["tokenizer"] = {"source": data.pop("tokenizer_source")}
    return data


def main():
    options = argparse.ArgumentParser()
    options.add_argument("checkout", type=pathlib.Path)
    options.add_argument("--yosegi", default="target/release/yosegi")
    options = options.parse_args()
    done, bad = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        files = [pathlib.Path(folder) / name for name in ("a.yml", "b.toml", "c.yml")]
        for name, text in texts(options.checkout):
            try:
                wanted = read(text)
            except Exception:
                print(f"not a merge to mergekit: {name}")
                continue
            files[0].write_text(text)
            for a, b in zip(files, files[1:]):
                command = [options.yosegi, "recipe", "convert", a, b]
                run = subprocess.run(command, capture_output=True, text=True)
                if run.returncode != 0:
                    break
            if run.returncode != 0:
                print(f"refused: {name}: {run.stderr.strip()}")
                bad += 1
                continue
            got = read(files[2].read_text())
            same = [(n, meaning(c)) for n, c in got] == [(n, meaning(c)) for n, c in wanted]
            print(f"{'the same' if same else 'CHANGED'}: {name}")
            if not same:
                print([meaning(c) for _, c in wanted], [meaning(c) for _, c in got], sep="\n")
            bad += not same
            done += same
    print(f"{done} read alike, {bad} not")
    sys.exit(bad > 0 or done == 0)


if __name__ == "__main__":
    main()

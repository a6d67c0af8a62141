"""What mergekit 0.1.5 declares of its merge methods, as JSON, and whether it reads our YAML.

    python make.py > methods.json       # the fixture
    python make.py FILE.yml ...         # read recipes written by `yosegi recipe convert`
"""

import json
import sys

import yaml
from mergekit import merge_methods
from mergekit.config import MergeConfiguration
from mergekit.merge_methods.base import MISSING
from mergekit.merge_methods.registry import registered_methods


def declared():
    for method in sorted(registered_methods(), key=lambda m: m.spec.name):
        spec, contract = method.spec, method.spec.contract
        parameters = [
            {
                "name": p.name,
                "per_model": p.scope.value != "shared",
                "required": p.default is MISSING,
                # A scale of None leaves the tensor as it is, like 1.
                "default": None if p.default is MISSING else float(1.0 if p.default is None else p.default),
            }
            for p in spec.parameters
        ]
        yield {
            "name": spec.name,
            "base": contract.base.value,
            "inputs": [contract.min_inputs, contract.max_inputs],
            "non_base": [contract.min_non_base, contract.max_non_base],
            "parameters": parameters,
        }


def read(path):
    for document in yaml.safe_load_all(open(path)):
        document.pop("name", None)
        config = MergeConfiguration.model_validate(document)
        spec = merge_methods.get(config.merge_method).spec
        known = {p.name for p in spec.parameters}
        places = [config, *(config.models or []), *(config.slices or [])]
        places += [source for s in config.slices or [] for source in s.sources]
        for place in places:
            unknown = set(place.parameters or {}) - known
            assert not unknown, f"{path}: {spec.name} has no {unknown}"
    print(path, "read")


if sys.argv[1:]:
    for path in sys.argv[1:]:
        read(path)
else:
    json.dump(list(declared()), sys.stdout, indent=1)
    print()

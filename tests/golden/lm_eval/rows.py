"""Writes rows.parquet, as the hub's copies of datasets are: lists in structs, snappy. (pyarrow)"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

rows = [
    {"question": "一は?", "answers": {"text": ["一", "壱"], "answer_start": [0, 0]}, "n": 1, "x": 1.0, "none": None},
    {"question": "二は? 🍎", "answers": {"text": ["二"], "answer_start": [3]}, "n": 2, "x": None, "none": None},
    {"question": "三は?", "answers": {"text": ["三"], "answer_start": [0]}, "n": 3, "x": 0.5, "none": "z"},
]
pq.write_table(pa.Table.from_pylist(rows), Path(__file__).with_name("rows.parquet"), compression="snappy")

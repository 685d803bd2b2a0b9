#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the benchmarks have told, as a table; and Google Benchmark's results as a baseline, or beside one.

table.py FILE...                    lines of JSON as measure.h has them, and results of stage_bench; other lines are left out
table.py --save BASELINE FILE       keeps results of stage_bench, as multiples of its `calibration`
table.py --compare BASELINE FILE    prints those of FILE as ratios to it
"""

import json
import statistics
import sys
from pathlib import Path


def number(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def stages(text):
    """Samples by the name of the benchmark, in ns."""
    samples = {}
    for run in json.loads(text)["benchmarks"]:
        if run["run_type"] == "iteration" and not run.get("error_occurred") and not run.get("skipped"):
            time = run["real_time" if run["run_name"].endswith("/manual_time") else "cpu_time"]
            samples.setdefault(run["run_name"], []).append(1e9 / run.get("items_per_second", 1e9 / time))
    return samples


def measures(text):
    """(group, name, unit, samples) of each."""
    if text.startswith("{\n"):
        for name, samples in stages(text).items():
            yield "an event in user space, stage by stage", name, "ns", samples
        return
    for line in text.splitlines():
        if line.startswith('{"group"'):
            yield tuple(json.loads(line)[key] for key in ("group", "name", "unit", "samples"))


def table(paths):
    for path in paths:
        groups = {}
        for group, name, unit, samples in measures(path.read_text(errors="replace")):
            groups.setdefault(group, []).append((name, unit, samples))
        print(f"\n=== {path.stem}")
        for group, rows in groups.items():
            print(f"{group:52} {'median':>14} {'least':>9} {'most':>9} {'n':>3} {'ratio':>7} {'more':>9}")
            first = statistics.median(rows[0][2]) if rows[0][2] else 0
            for name, unit, samples in rows:
                if not samples:
                    print(f"  {name:50} does not run here")
                    continue
                median = statistics.median(samples)
                beside = f"{median / first:7.3f} {number(median - first):>9}" if first and name != rows[0][0] else ""
                print(f"  {name:50} {number(median) + ' ' + unit:>14} {number(min(samples)):>9}"
                      f" {number(max(samples)):>9} {len(samples):3} {beside}".rstrip())


def multiples(path):
    medians = {name: statistics.median(samples) for name, samples in stages(path.read_text()).items()}
    return {name: median / medians["calibration"] for name, median in medians.items()}


def compare(baseline, path):
    before = json.loads(baseline.read_text())
    now = multiples(path)
    print(f"{'benchmark':40} {'baseline':>10} {'now':>10} {'ratio':>7}   (in multiples of the calibration)")
    for name in sorted(before.keys() | now.keys()):
        if name in before and name in now:
            print(f"{name:40} {before[name]:10.4g} {now[name]:10.4g} {now[name] / before[name]:7.3f}")
        else:
            print(f"{name:40} {'only in the baseline' if name in before else 'not in the baseline'}")


def main(words):
    match words:
        case ["--save", baseline, path]:
            Path(baseline).write_text(json.dumps(multiples(Path(path)), indent=2) + "\n")
        case ["--compare", baseline, path]:
            compare(Path(baseline), Path(path))
        case [first, *_] if not first.startswith("-"):
            table([Path(word) for word in words])
        case _:
            sys.exit(__doc__)


main(sys.argv[1:])

"""``python -m tests.reliability.planted OUTPUT.json [--sets …] [--flaws …] [--nulls 20]``: the table of planted flaws."""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tests.reliability.planted.evaluating import evaluate, find
from tests.reliability.planted.flaws import FLAWS
from tests.reliability.planted.real_sets import REAL_SETS


def main() -> None:
    """Plant every flaw in every set, and evaluate random halves without a flaw."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.planted")
    parser.add_argument("output", type=Path)
    parser.add_argument("--sets", nargs="*", default=list(REAL_SETS))
    parser.add_argument("--flaws", nargs="*", default=[flaw.name for flaw in FLAWS])
    parser.add_argument("--nulls", type=int, default=20)
    parser.add_argument("--extractor", default="random-conv")
    options = parser.parse_args()
    findings, nulls = [], []
    for name in options.sets:
        real_set = REAL_SETS[name]()
        for seed in range(options.nulls):
            with tempfile.TemporaryDirectory() as folder:
                found = evaluate(Path(folder), real_set.split(seed + 1), options.extractor)
            cards = {verdict.question: (verdict.outcome, verdict.sentence) for verdict in found.verdicts}
            nulls.append({"real_set": name, "seed": seed, "cards": cards, "warnings": found.warnings})
            _show(f"{name} null {seed}: {[f'{q}: {s}' for q, (o, s) in cards.items() if o in ('look', 'bad')]}")
        for flaw in FLAWS:
            if flaw.name not in options.flaws or not flaw.fits(real_set):
                continue
            started = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                finding = find(Path(folder), real_set, flaw, extractor=options.extractor)
            findings.append(asdict(finding))
            _show(
                f"{name} {flaw.name} ({time.monotonic() - started:.0f} s): {finding.named} {finding.card} {finding.sentence}"
            )
            options.output.write_text(json.dumps({"findings": findings, "nulls": nulls}, indent=1))
    options.output.write_text(json.dumps({"findings": findings, "nulls": nulls}, indent=1))


def _show(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()

"""``python -m tests.reliability.planted OUTPUT.jsonl``: the table of planted flaws, and halves of real sets without one.

Every evaluation is a line of JSON as soon as it is known; what a file already holds is not evaluated again.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from tests.reliability.planted.flaws import FLAWS
from tests.reliability.planted.jobs import Job, run
from tests.reliability.planted.real_sets import REAL_SETS

_BY_NAME = {flaw.name: flaw for flaw in FLAWS}


def main() -> None:
    """Plant every flaw in every set, and evaluate random halves without a flaw."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.planted")
    parser.add_argument("output", type=Path)
    parser.add_argument("--sets", nargs="*", default=list(REAL_SETS), choices=list(REAL_SETS))
    parser.add_argument("--flaws", nargs="*", default=list(_BY_NAME), choices=list(_BY_NAME))
    parser.add_argument("--nulls", type=int, default=20, help="halves of every set without a flaw")
    parser.add_argument("--extractor", default="random-conv")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="no evaluation begins after so long")
    options = parser.parse_args()
    known = [json.loads(line) for line in options.output.read_text().splitlines()] if options.output.exists() else []
    done = [(line["real_set"], line["flaw"], line["seed"]) for line in known]
    jobs = [job for job in _jobs(options) if (job.real_set, job.flaw, job.seed) not in done]
    end = time.time() + options.seconds
    with ProcessPoolExecutor(options.workers, get_context("spawn")) as pool, options.output.open("a") as file:
        for future in as_completed([pool.submit(run, job, end) for job in jobs]):
            line = future.result()
            if line is not None:
                file.write(json.dumps(line) + "\n")
                file.flush()
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()


def _jobs(options: argparse.Namespace) -> Iterator[Job]:
    for name in options.sets:
        for flaw in options.flaws:
            if _BY_NAME[flaw].fits(REAL_SETS[name]()):
                yield Job(name, flaw, 0, options.extractor)
    for seed in range(1, options.nulls + 1):
        for name in options.sets:
            yield Job(name, "", seed, options.extractor)


if __name__ == "__main__":
    main()

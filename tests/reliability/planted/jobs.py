"""One evaluation of the table of planted flaws."""

import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tests.reliability.planted.evaluating import evaluate, find
from tests.reliability.planted.flaws import FLAWS
from tests.reliability.planted.real_sets import REAL_SETS

Line = dict[str, object]


@dataclass(frozen=True)
class Job:
    """One evaluation: of a flaw, or (``flaw`` is empty) of the halves that ``seed`` makes."""

    real_set: str
    flaw: str
    seed: int
    extractor: str

    @property
    def key(self) -> Line:
        return {"real_set": self.real_set, "flaw": self.flaw, "seed": self.seed}


def run(job: Job, end: float) -> Line | None:
    """Return what the evaluation says; None where it is too late to begin it."""
    if time.time() > end:
        return None
    np.seterr(all="ignore")
    started = time.process_time()
    real_set = REAL_SETS[job.real_set]()
    with tempfile.TemporaryDirectory() as folder:
        if job.flaw:
            finding = find(
                Path(folder), real_set, next(flaw for flaw in FLAWS if flaw.name == job.flaw), job.seed, job.extractor
            )
            said: Line = {"named": finding.named, "card": finding.card, "sentence": finding.sentence}
        else:
            evaluation = evaluate(Path(folder), real_set.split(job.seed), job.extractor)
            turned = [verdict for verdict in evaluation.verdicts if verdict.outcome in ("look", "bad")]
            said = {
                "cards": {verdict.question: f"{verdict.outcome}: {verdict.sentence}" for verdict in turned},
                "causes": [cause.sentence for cause in evaluation.causes],
                "warnings": evaluation.warnings,
            }
        seconds = round(time.process_time() - started, 1)
        line: Line = json.loads(json.dumps({**job.key, **said, "cpu_seconds": seconds}).replace(f"{folder}/", ""))
    return line

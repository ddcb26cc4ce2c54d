"""``python -m benchmarks.tasks [--minutes 4] [-o results/tasks.json] [NAME …]``."""

import argparse
import json
import time
from pathlib import Path

from benchmarks.tasks.experiments import EXPERIMENTS

_RESULTS = Path(__file__).parents[1] / "results" / "tasks.json"


def main() -> None:
    """Run the experiments and add them to the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tasks")
    parser.add_argument("names", nargs="*", default=list(EXPERIMENTS), help=f"of {', '.join(EXPERIMENTS)}")
    parser.add_argument("--minutes", type=float, default=4.0, help="of each training, one thread")
    parser.add_argument("--work", type=Path, default=Path("benchmark_tasks"), help="where models and images go")
    parser.add_argument("-o", "--output", type=Path, default=_RESULTS)
    options = parser.parse_args()
    for name in options.names:
        result = EXPERIMENTS[name]((options.work / name).resolve(), options.minutes)
        results = json.loads(options.output.read_text()) if options.output.exists() else {}
        results[name] = {"minutes": options.minutes, "date": time.strftime("%Y-%m-%d"), **result}
        options.output.write_text(json.dumps(results, indent=1) + "\n")
        print(name, json.dumps(results[name]), flush=True)


if __name__ == "__main__":
    main()

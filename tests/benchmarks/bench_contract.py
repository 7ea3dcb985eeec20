"""What validating a list of 1,100 rows costs, as ratios to jsonschema alone, in one run.

python tests/benchmarks/bench_contract.py [ROUNDS]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from jsonschema import Draft202012Validator

from pytest_redis_actions.contract import catalogue
from pytest_redis_actions.contract.engine import find

KIND = "GET /v1/actions"
TASK = {
    "action_uid": "8fc32a11-4688-4057-9237-cd77fccd726f",
    "creation_time": "1760400087",
    "name": "retry_bdb",
    "node_uid": "1",
    "progress": "100",
    "status": "completed",
    "task_id": "8fc32a11-4688-4057-9237-cd77fccd726f",
}
MACHINE = {
    "action_uid": "8fc32a11-4688-4057-9237-cd77fccd726f",
    "heartbeat": 1760400082,
    "name": "SMCreateBDB",
    "object_name": "bdb:1",
    "status": "completed",
}


def cost(job: Callable[[], object]) -> float:
    """Return what a job costs in milliseconds."""
    began = time.perf_counter()
    job()
    return (time.perf_counter() - began) * 1000


def main(rounds: int = 15) -> None:
    good: Any = {"actions": [dict(TASK) for _ in range(1000)], "state-machines": [dict(MACHINE) for _ in range(100)]}
    bad: Any = {**good, "actions": [*good["actions"][:-1], {**TASK, "status": "weird"}]}
    alone = Draft202012Validator(catalogue.bundled(catalogue.schema_file(KIND, None, "wire")))
    jobs: dict[str, Callable[[], object]] = {
        "alone": lambda: list(alone.iter_errors(good)),
        "alone, one bad": lambda: list(alone.iter_errors(bad)),
        "fast": lambda: find(good, KIND, None, "wire"),
        "fast, one bad": lambda: find(bad, KIND, None, "wire"),
        "slow": lambda: find(good, KIND, None, "wire", fast=False),
    }
    for job in jobs.values():
        job()
    # In turns, so that noise meets all of them alike.
    taken = [{name: cost(job) for name, job in jobs.items()} for _ in range(rounds)]
    median = {name: statistics.median(each[name] for each in taken) for name in jobs}

    def line(what: str, ratio: float, target: str) -> None:
        print(f"{what:<52} {ratio:8.2f} x   (wanted: {target})", flush=True)

    figures = ", ".join(f"{name} {value:.2f} ms" for name, value in median.items())
    print(f"1,100 rows: {figures}")
    line("jsonschema alone / with the extra fast", median["alone"] / median["fast"], "at least 100")
    line("the same with one bad row", median["alone, one bad"] / median["fast, one bad"], "at least 50")
    line("without the extra / a prebuilt jsonschema validator", median["slow"] / median["alone"], "at most 1.1")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)

"""What checking a trace and one step cost: the trace in linear time, the step in microseconds.

python tests/benchmarks/bench_lifecycle.py [POLLS]      POLLS 1,000,000 by default
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial

from pytest_redis_actions import assert_trace, assert_transition


def cost(job: Callable[[], object], times: int = 1) -> float:
    """Return the best of three, in seconds for each time."""
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        for _ in range(times):
            job()
        best = min(best, (time.perf_counter() - began) / times)
    return best


def main(polls: int = 1_000_000) -> None:
    words: list[object] = [*["running"] * (polls - 1), "completed"]
    body = {"action_uid": "159ca2f8", "name": "migrate_shards", "progress": "40", "status": "running"}
    bodies: list[object] = [(5.0 * number, body) for number in range(polls)]
    tenth = polls // 10
    traces: dict[str, list[object]] = {"status words": words, "bodies with times": bodies}
    for name, trace in traces.items():
        small, whole = cost(partial(assert_trace, trace[:tenth])), cost(partial(assert_trace, trace))
        print(
            f"{polls:,} {name}: {whole:.2f} s, {whole / small:.1f} times the cost of a tenth of them (linear: 10.0)",
            flush=True,
        )
    step = cost(lambda: assert_transition("running", "completed"), 2000)
    print(f"one step: {step * 1e6:.1f} microseconds", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)

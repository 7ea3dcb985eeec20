"""The benchmarks run, and print a ratio a line; what they print is looked at by people, never by a test."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))


@pytest.mark.long
def test_the_benchmark_of_the_server_runs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import bench_server

    monkeypatch.setattr(bench_server, "unused_plugin", lambda scale: None)
    bench_server.main(0.01)

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert all(re.search(r" +\d+\.\d\d x   \(wanted: ", line) for line in lines)


def test_the_benchmark_of_the_lifecycle_runs(capsys: pytest.CaptureFixture[str]) -> None:
    import bench_lifecycle

    bench_lifecycle.main(1000)

    words, bodies, step = capsys.readouterr().out.splitlines()
    assert "times the cost of a tenth of them (linear: 10.0)" in words
    assert "times the cost of a tenth of them (linear: 10.0)" in bodies
    assert re.fullmatch(r"one step: \d+\.\d microseconds", step)


@pytest.mark.long
def test_the_benchmark_of_driven_time_runs(capsys: pytest.CaptureFixture[str]) -> None:
    import bench_driving

    bench_driving.main(1)

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(
        re.search(r" +\d+\.\d\d x   \(wanted: at most 1.25 .* times faster than real time$", line) for line in lines
    )


def test_the_benchmark_of_the_contract_runs(capsys: pytest.CaptureFixture[str]) -> None:
    import bench_contract

    bench_contract.main(1)

    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith("1,100 rows: alone ")
    assert len(lines) == 3
    assert all(re.search(r" +\d+\.\d\d x   \(wanted: ", line) for line in lines)

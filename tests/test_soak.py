"""Many threads on many operations: nothing is lost, repeated or torn."""

from __future__ import annotations

import base64
import http.client
import json
import random
import threading
from collections import defaultdict

import pytest

from pytest_redis_actions import RedisActions, active, completed

THREADS, STEPS = 64, 150


def soak(stub: RedisActions, operations: int, polls: int) -> None:
    """Poll operations from 64 threads, and compare what each showed with its script, value by value."""
    uids = [
        stub.add_state_machine(
            "SMUpdateBDB", object_name=f"bdb:{number}", script=[active(polls=STEPS, progress=(0, 100)), completed()]
        ).uid
        for number in range(1, operations + 1)
    ]
    credentials = base64.b64encode(":".join(stub.auth).encode()).decode()
    seen: dict[str, list[float]] = defaultdict(list)
    lock = threading.Lock()
    errors: list[BaseException] = []

    def poller(seed: int) -> None:
        mine = random.Random(seed)
        connection = http.client.HTTPConnection("127.0.0.1", stub.port, timeout=60)
        found = []
        try:
            for _ in range(polls // THREADS):
                uid = mine.choice(uids)
                connection.request("GET", f"/v1/actions/{uid}", headers={"Authorization": f"Basic {credentials}"})
                body = json.load(connection.getresponse())
                assert body["action_uid"] == uid
                assert (body["status"] == "active") == ("progress" in body)
                found.append((uid, body.get("progress", 101.0)))
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()
        with lock:
            for uid, progress in found:
                seen[uid].append(progress)

    threads = [threading.Thread(target=poller, args=(seed,)) for seed in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    whole = [round(100 * step / (STEPS - 1), 2) for step in range(STEPS)]
    for uid, values in seen.items():
        expected = (whole + [101.0] * len(values))[: len(values)]
        assert sorted(values) == expected, uid
    done = polls // THREADS * THREADS
    assert sum(map(len, seen.values())) == len(stub.journal) == done
    assert [exchange.number for exchange in stub.journal] == list(range(1, done + 1))
    print(f"{done} polls of {operations} operations by {THREADS} threads: none lost, none repeated, none torn")


@pytest.mark.redis_actions(past_end=None)
def test_a_sample_of_the_soak(redis_actions: RedisActions) -> None:
    soak(redis_actions, operations=40, polls=3_200)


@pytest.mark.long
@pytest.mark.redis_actions(max_polls=200_000, past_end=None)  # its pollers do not look at what they are shown
def test_64_threads_poll_1000_operations_100000_times(redis_actions: RedisActions) -> None:
    soak(redis_actions, operations=1_000, polls=100_032)

from __future__ import annotations

from typing import Any

import urllib3
from journeys import Journey, every_journey, stub_of, travel


@every_journey
def test_urllib3(make_redis_actions: Any, journey: Journey) -> None:
    stub = stub_of(make_redis_actions, journey)
    headers = urllib3.make_headers(basic_auth=":".join(stub.auth))
    with urllib3.PoolManager(headers=headers, ca_certs=str(stub.ca_file) if stub.ca_file else None) as pool:

        def ask(method: str, url: str) -> tuple[int, Any]:
            reply = pool.request(method, url, retries=False, timeout=10)
            return reply.status, reply.json() if reply.data else None

        travel(journey, stub, ask)

    assert {exchange.connection for exchange in stub.journal} == {1}

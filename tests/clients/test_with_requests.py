from __future__ import annotations

from typing import Any

import requests
from journeys import Journey, every_journey, stub_of, travel


@every_journey
def test_requests(make_redis_actions: Any, journey: Journey) -> None:
    stub = stub_of(make_redis_actions, journey)
    with requests.Session() as session:
        session.auth = stub.auth
        if stub.ca_file:
            session.verify = str(stub.ca_file)

        def ask(method: str, url: str) -> tuple[int, Any]:
            reply = session.request(method, url)
            return reply.status_code, reply.json() if reply.content else None

        travel(journey, stub, ask)

    assert {exchange.connection for exchange in stub.journal} == {1}

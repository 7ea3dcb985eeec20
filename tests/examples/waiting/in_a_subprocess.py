"""A poller that is a program of its own: nobody can drive its time."""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from base64 import b64encode


def main(url: str, uid: str, user: str, password: str, every: str) -> None:
    credentials = b64encode(f"{user}:{password}".encode()).decode()
    request = urllib.request.Request(f"{url}/v1/actions/{uid}", headers={"Authorization": f"Basic {credentials}"})
    while (status := json.load(urllib.request.urlopen(request))["status"]) not in ("completed", "failed"):
        time.sleep(float(every))
    print(status)


if __name__ == "__main__":
    main(*sys.argv[1:])

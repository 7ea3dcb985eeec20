"""What a handler of the test's own gets, and how its response goes out."""

from __future__ import annotations

import io
import sys
from typing import Any
from urllib.parse import unquote_to_bytes

from werkzeug.wrappers import Response

from ..api.http import Reply, split_target
from .framing import Received

__all__ = ["environ", "reply_of"]

_OF_THE_SERVER = ("content-length", "connection", "transfer-encoding", "keep-alive")


def environ(received: Received, *, scheme: str, server: tuple[str, int], client: tuple[str, int]) -> dict[str, Any]:
    """Return the environment that WSGI (PEP 3333) has for a request."""
    request = received.request
    path, query = split_target(request.target)
    found: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "REQUEST_URI": request.target,
        "RAW_URI": request.target,
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{received.version}",
        "SERVER_SOFTWARE": "pytest-redis-actions",
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": client[1],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in received.fields:
        if "_" not in name:  # it would be the same variable as the name with a hyphen
            key = "HTTP_" + name.upper().replace("-", "_")
            found[key] = f"{found[key]},{value}" if key in found else value
    found.pop("HTTP_TRANSFER_ENCODING", None)
    found.pop("HTTP_CONTENT_LENGTH", None)
    found["CONTENT_LENGTH"] = str(len(request.body))
    if (content_type := found.pop("HTTP_CONTENT_TYPE", None)) is not None:
        found["CONTENT_TYPE"] = content_type
    return found


def reply_of(response: Response) -> Reply:
    """Return a response as a reply, read whole; how long it is says the server."""
    headers = tuple((name, value) for name, value in response.headers if name.lower() not in _OF_THE_SERVER)
    body = response.get_data()
    response.close()
    return Reply(response.status_code, headers, body)

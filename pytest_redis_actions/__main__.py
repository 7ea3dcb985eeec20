"""`python -m pytest_redis_actions …` is `redis-actions …`."""

from __future__ import annotations

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())

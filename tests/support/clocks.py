"""A worker inside the test process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pyreplctl.delivery.worker import Worker


@contextmanager
def working(dsn: str, jobs: int = 2) -> Iterator[Worker]:
    """Run a worker while the block does."""
    worker = Worker(dsn, jobs)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join()

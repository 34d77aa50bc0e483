"""Worker processes that share out a row of work."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import Any

from vinn_core.errors import ConfigError, VinnError


def map_in_processes(
    function: Callable[..., Any],
    items: Iterable[Any],
    processes: int,
    *,
    initializer: Callable[..., None],
    initargs: tuple[Any, ...],
) -> Iterator[Any]:
    """`function` of each item, in order, computed `processes` at a time; only a few items ahead of the consumer.

    Each worker process is fresh (spawned), calls `initializer(*initargs)` first, and keeps to one core.
    Ending the iteration early cancels what has not begun.

    Raises:
        ConfigError: `processes` is less than one.
        VinnError: what `initializer` or `function` raised, or a worker process died.
    """
    if processes < 1:
        raise ConfigError(f"processes = {processes}; use 1 or more.")
    saved = {name: os.environ.get(name) for name in _ONE_CORE}
    os.environ.update(_ONE_CORE)  # spawned workers inherit it; set before their libraries load
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _start_worker, (initializer, initargs))
    try:
        waiting: deque[Future[Any]] = deque()
        for item in items:
            waiting.append(pool.submit(_call, function, item))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise VinnError(
            "A worker process died, perhaps for want of memory; use fewer processes, or close other programs."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


_refusal: VinnError | None = None
"""In a worker: why it could not be initialised. Kept, because a pool hides what its initializer raises."""


def _start_worker(initializer: Callable[..., None], initargs: tuple[Any, ...]) -> None:
    global _refusal
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a shell reaches all; the parent ends its workers
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    try:
        initializer(*initargs)
    except VinnError as error:
        _refusal = error


def _end_with_the_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _call(function: Callable[..., Any], item: Any) -> Any:
    if _refusal is not None:
        raise _refusal
    return function(item)


_ONE_CORE = {"LP_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Several renderers or matrix products that each want every core only wait for one another."""


def usable_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

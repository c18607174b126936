"""Keep as many tasks at work as there is room for, and no more: a submission is read when its turn comes.

In: tasks, and a function that starts one. Out: finished futures, in the order in which they finish.
"""

import queue
from collections.abc import Callable, Iterable, Iterator
from typing import Any

PATIENCE = 5.0  # seconds without a result, after which it is asked whether there is still somebody at work


def flow(
    tasks: Iterable[Any],
    submit: Callable[[Any], Any],
    room: Callable[[], int],
    is_quiet: Callable[[], object] = lambda: None,
) -> Iterator[Any]:
    """Submit the tasks and give back their futures. room: how many may be at work. is_quiet: called when none ends."""
    done: queue.SimpleQueue = queue.SimpleQueue()
    at_work, left = 0, iter(tasks)
    while True:
        while at_work < room() and (task := next(left, None)) is not None:
            submit(task).add_done_callback(done.put)
            at_work += 1
        if not at_work:
            return
        try:
            future = done.get(timeout=PATIENCE)
        except queue.Empty:
            is_quiet()
            continue
        at_work -= 1
        yield future

"""Work on threads ends when its stage is left."""

import asyncio
import threading

import pytest

from elenchus.cli.screen import Screen
from graphs.concurrency import thread_stage


def test_work_ends_at_its_next_step_where_its_stage_is_left() -> None:
    begun, ended, steps = threading.Event(), threading.Event(), []

    async def left() -> None:
        with thread_stage(Screen(quiet=True), "Work") as step:

            def work() -> None:
                try:
                    while True:
                        step(1, None)
                        steps.append(1)
                        begun.set()
                finally:
                    ended.set()

            asyncio.get_running_loop().run_in_executor(None, work)
            await asyncio.to_thread(begun.wait)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(left())
    assert ended.wait(60) and steps

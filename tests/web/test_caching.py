"""Answers that are computed once and kept."""

import asyncio
import gc

from tradeexecutor.web.caching import Body, Computations


def test_nothing_visits_all_states_in_memory_while_an_answer_is_computed():
    computations = Computations()
    before = gc.get_threshold()
    during: list[tuple[int, int, int]] = []

    def compute() -> Body:
        during.append(gc.get_threshold())
        return Body(b"1")

    async def ask() -> Body:
        return await computations.get("a", compute)

    assert asyncio.run(ask()).content == b"1"
    assert during[0][0] == before[0]  # new objects are collected
    assert min(during[0][1:]) > max(before[1:])
    assert gc.get_threshold() == before
    computations.close()

"""A strategy that serves its own state: readers see what was saved, and commands go to its thread."""

import logging
import threading
import urllib.request
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tradeexecutor.operations.live_trading import LiveBooks
from tradeexecutor.operations.operator_commands import CommandQueue, is_paused, list_actions
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.web.app import Settings, make_app
from tradeexecutor.web.endpoints import Site
from tradeexecutor.web.security import Access
from tradeexecutor.web.server import BackgroundServer, LogRing, ServerFailed, open_socket
from tradeexecutor.web.sources import Catalogue, Strategy
from tradeexecutor.web.summary import ProcessStatus

TOKEN = "operate-token-of-the-test"

#: A pause needs no models.
UNUSED: Any = None


@pytest.mark.slow
def test_a_strategy_serves_its_own_state(tmp_path: Path):
    with JSONFileStore(tmp_path / "mine.json") as store, open_socket("127.0.0.1", 0) as listening:
        state = store.create("Mine")
        store.sync(state)
        queue = CommandQueue()
        books = LiveBooks(state, UNUSED, store.sync)
        status = ProcessStatus()
        site = Site(
            Catalogue([Strategy("mine", store.path, store, is_live=True)]),
            statuses={"mine": status},
            queues={"mine": queue},
        )
        LogRing(site.logs).attach()
        settings = Settings(rate=0, access=Access(operate_token=TOKEN))
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"

        def get(path: str) -> httpx.Response:
            with urllib.request.urlopen(base + path, timeout=20) as answer:
                return httpx.Response(answer.status, content=answer.read())

        with BackgroundServer(make_app(site, settings), listening):
            assert get("/state").json()["cycle"] == 1
            state.cycle = 2
            assert get("/state").json()["cycle"] == 1  # not saved yet
            store.sync(state)
            assert get("/state").json()["cycle"] == 2
            assert get("/metadata").json()["executor_running"]
            logging.getLogger("tradeexecutor.strategy").info("Decided\nto wait")
            assert get("/logs").json()[-1]["formatted_data"] == ["Decided", "to wait"]
            assert get("/status").json()["hot_wallet_gas"] is None
            status.wallet_gas, status.trigger_checks = 0.001, 7
            found = get("/status").json()
            assert (found["hot_wallet_gas"], found["hot_wallet_gas_warning_level"]) == (0.001, 0.01)
            assert "0.001000 native tokens" in found["hot_wallet_gas_warning_message"]
            assert found["position_trigger_checks"] == 7
            status.is_running, status.error = False, "boom"
            assert get("/metadata").json()["error_message"] == "boom"
            assert get("/status").json()["exception"] == {"exception_message": "boom"}

            answers: list[dict[str, object]] = []

            def command(confirm: str | None) -> None:
                body = orjson.dumps({"by": "Alice", "confirm": confirm})
                headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
                request = urllib.request.Request(f"{base}/v1/mine/operations/pause", body, headers)
                with urllib.request.urlopen(request, timeout=20) as answer:
                    answers.append(orjson.loads(answer.read()))

            for number in range(2):
                asking = threading.Thread(target=command, args=(answers[0]["confirm"] if number else None,))
                asking.start()
                while asking.is_alive():  # the loop of the strategy
                    queue.run_all(books)
                    asking.join(0.01)
            assert [answer["is_done"] for answer in answers] == [False, True]
            assert is_paused(state)
            assert [action["by"] for action in list_actions(store.load())] == ["Alice"]


def test_an_address_that_cannot_be_used(tmp_path: Path):
    with open_socket("127.0.0.1", 0) as listening, pytest.raises(ServerFailed, match="cannot listen"):
        open_socket("127.0.0.1", listening.getsockname()[1])
    with pytest.raises(ServerFailed):
        open_socket("no such host.invalid", 1)

"""Who may ask for what, and that nothing outside what is served is read."""

import base64
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.web import Browser, browse
from tradeexecutor.operations.operator_commands import is_paused, list_actions
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.web.app import Settings
from tradeexecutor.web.security import Access, RateLimit, list_loopback_names

READ, OPERATE = "read-token-of-the-test", "operate-token-of-the-test"
SECRET = "nobody may read this"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret.json").write_text(State(name=SECRET).to_json())
    (tmp_path / "secret.txt").write_text(SECRET)
    served = tmp_path / "served"
    served.mkdir()
    with JSONFileStore(served / "mine.json") as store:
        store.sync(State(name="Mine"))
    (served / "linked.json").symlink_to(tmp_path / "secret.json")
    (served / ".hidden.json").write_text(State(name=SECRET).to_json())
    return served


@pytest.fixture
def browser(folder: Path) -> Iterator[Browser]:
    with browse(folder, settings=Settings(rate=0, access=Access(operate_token=OPERATE))) as found:
        yield found


HOSTILE_IDS = [
    "../secret",
    "..%2fsecret",
    "%2e%2e%2fsecret.json",
    "..\\secret",
    "%00",
    "mine%00.json",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "....//secret",
    "linked",
    ".hidden",
    "hidden",
    "secret",
    "mine.json",
    "mine/",
    "mine%2f",
    "mine;x",
    "file:%2f%2f%2fetc%2fpasswd",
    "sqlite:%2f%2f%2fx.db%23y",
    "%ff%fe",
    "é" * 50,
    "{id}",
    "a" * 3_000,
    "con",
    "-",
]


@pytest.mark.parametrize("name", HOSTILE_IDS)
@pytest.mark.parametrize("pattern", ["/v1/{}/state", "/strategies/{}/state", "/{}", "/v1/mine/positions/{}"])
def test_an_id_reaches_nothing_that_is_not_served(browser: Browser, name: str, pattern: str):
    response = browser.get(pattern.replace("{}", name))
    assert response.status_code in (400, 404, 405, 414)
    assert SECRET not in response.text
    assert "root:" not in response.text


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("at=../../secret", 400),
        ("at=1%00", 400),
        ("at=-1", 400),
        ("at=99999999999999999999", 400),
        ("at=9999-99-99", 400),
        ("at=" + "1" * 1_000, 400),
        ("at=%F0%9F%92%A9", 400),
        ("at=1&at=2", 404),
        ("x=" + "y" * 5_000, 414),
    ],
)
def test_hostile_parameters(browser: Browser, query: str, status: int):
    response = browser.get(f"/v1/mine/state?{query}")
    assert response.status_code == status, response.text


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=-1", "limit=1e9", "limit=x", "cursor=-1", "cursor=1.5", "status=", "limit=99999999999"]
)
def test_hostile_pages(browser: Browser, query: str):
    assert browser.get(f"/v1/mine/positions?{query}").status_code == 400


@pytest.mark.parametrize(
    ("headers", "statuses"),
    [
        ({"accept-encoding": "x" * 5_000}, {200}),
        ({"accept-encoding": "gzip;q=nonsense, br;q=, ;;;,"}, {200}),
        ({"if-none-match": '"' * 1_000}, {200}),
        ({"authorization": "Basic !!!!"}, {200}),
        ({"authorization": "Bearer " + "x" * 3_000}, {200}),
        ({"range": "bytes=0-1"}, {200}),
        ({"content-length": "99999999"}, {413}),
        ({"content-length": "-5"}, {413}),
        ({"x-forwarded-for": "1.2.3.4", "x-http-method-override": "DELETE"}, {200}),
        ({"last-event-id": "\x7f"}, {200}),
    ],
)
def test_hostile_headers(browser: Browser, headers: dict[str, str], statuses: set[int]):
    assert browser.get("/v1/mine/state", headers=headers).status_code in statuses


def test_a_name_of_another_site_is_not_answered(folder: Path):
    with browse(folder, settings=Settings(rate=0, hosts=list_loopback_names("127.0.0.1"))) as browser:
        assert browser.get("/v1/mine/state").status_code == 200
        assert browser.get("/v1/mine/state", headers={"host": "127.0.0.1:3456"}).status_code == 200
        assert browser.get("/v1/mine/state", headers={"host": "[::1]:3456"}).status_code == 200
        for host in ("evil.example", "localhost.evil.example", "", "127.0.0.1.evil.example:80"):
            assert browser.get("/v1/mine/state", headers={"host": host}).status_code == 421
    assert list_loopback_names("0.0.0.0") == ()


def test_a_token_for_reading(folder: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    settings = Settings(rate=0, access=Access(READ, OPERATE))

    def basic(user: str, password: str) -> str:
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    with browse(folder, settings=settings) as browser:
        for path in ("/v1/mine/state", "/state", "/", "/v1/strategies", "/metrics", "/v1/mine/changes"):
            refused = browser.get(path)
            assert refused.status_code == 401
            assert "www-authenticate" in refused.headers
            assert refused.headers["access-control-allow-origin"] == "*"
        assert browser.get("/ping").status_code == 200
        assert browser.get("/state", method="OPTIONS").status_code == 204
        for good in (f"Bearer {READ}", f"bearer {OPERATE}", basic("tradeexecutor", READ)):
            assert browser.get("/v1/mine/state", headers={"authorization": good}).status_code == 200
        for bad in (f"Bearer {READ}x", "Bearer", READ, basic("root", READ), basic("tradeexecutor", ""), "Bearer é"):
            answer = browser.get("/v1/mine/state", headers={"authorization": bad.encode()})
            assert answer.status_code == 401
    assert READ not in caplog.text
    assert READ not in repr(settings)
    assert OPERATE not in repr(settings)


def test_a_limit_of_requests():
    now = 0.0
    limit = RateLimit(10, 3, lambda: now)
    assert [limit.take("a") for _ in range(4)][:3] == [0, 0, 0]
    assert limit.take("a") == pytest.approx(0.1)
    assert limit.take("b") == 0
    now = 0.15
    assert limit.take("a") == 0
    for number in range(20_000):
        limit.take(str(number))
    assert len(limit._clients) <= 10_000


def test_too_many_requests(folder: Path):
    with browse(folder, settings=Settings(rate=0.001, burst=2)) as browser:
        statuses = [browser.get("/ping").status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert int(browser.get("/ping").headers["retry-after"]) > 0


# --- Commands


def tell(browser: Browser, name: str, token: str | None = OPERATE, **fields: Any) -> Any:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    body = {"by": "Alice", **fields}
    return browser.get(f"/v1/mine/operations/{name}", method="POST", json=body, headers=headers)


def test_commands_are_off_unless_they_are_switched_on(folder: Path):
    with browse(folder) as browser:
        assert tell(browser, "pause").status_code == 403


def test_a_command_needs_its_token(browser: Browser):
    for token in (None, READ, "nonsense"):
        assert tell(browser, "pause", token).status_code == 401


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"by": ""}', "application/json", 400),
        (b'{"by": "A", "force": true}', "application/json", 400),
        (b'{"by": "A"}', "text/plain", 415),
        (b'{"by": "A"}', "application/x-www-form-urlencoded", 415),
        (b'{"by": "A", "reason": "' + b"x" * 70_000 + b'"}', "application/json", 413),
        (b"[" * 60_000, "application/json", 400),
        (b"\xff", "application/json", 400),
    ],
)
def test_hostile_bodies(browser: Browser, content: bytes, kind: str, status: int):
    headers = {"authorization": f"Bearer {OPERATE}", "content-type": kind}
    response = browser.get("/v1/mine/operations/pause", method="POST", content=content, headers=headers)
    assert response.status_code == status, response.text


def test_a_command_is_previewed_confirmed_and_recorded(browser: Browser, folder: Path):
    path = folder / "mine.json"
    before = path.read_bytes()
    preview = tell(browser, "pause", reason="exchange is down").json()
    assert not preview["is_done"]
    assert path.read_bytes() == before
    other = tell(browser, "pause", reason="another one", confirm=preview["confirm"])
    assert other.status_code == 409
    done = tell(browser, "pause", reason="exchange is down", confirm=preview["confirm"]).json()
    assert done["is_done"]
    state = State.read_json_file(path)
    assert is_paused(state)
    (action,) = list_actions(state)
    assert (action["by"], action["action"], action["details"]) == ("Alice", "pause", {"reason": "exchange is down"})
    assert tell(browser, "pause").status_code == 409  # paused already
    assert (folder / "mine.pause-backup-1.json").exists()
    preview = tell(browser, "resume").json()
    with JSONFileStore(path) as store:  # the strategy saves in between
        changed = store.load()
        changed.cycle += 1
        store.sync(changed)
    assert tell(browser, "resume", confirm=preview["confirm"]).status_code == 409
    again = tell(browser, "resume").json()
    assert tell(browser, "resume", confirm=again["confirm"]).json()["is_done"]
    assert not is_paused(State.read_json_file(path))


def test_a_running_strategy_is_not_changed_behind_its_back(browser: Browser, folder: Path):
    with JSONFileStore(folder / "mine.json") as store:
        store.sync(store.load())
        preview = tell(browser, "pause").json()
        refused = tell(browser, "pause", confirm=preview["confirm"])
    assert refused.status_code == 409
    assert not is_paused(State.read_json_file(folder / "mine.json"))


@pytest.mark.parametrize(
    ("name", "fields", "status"),
    [
        ("explode", {}, 404),
        ("close-position", {}, 400),
        ("close-position", {"position_id": 7}, 409),
        ("close-position", {"position_id": 7, "data": ["/etc/passwd"]}, 400),
        ("close-position", {"position_id": 7, "data": ["secret"]}, 400),
        ("resume", {}, 409),
        ("retry", {"trade_ids": [5]}, 409),
    ],
)
def test_commands_that_are_refused(browser: Browser, name: str, fields: dict[str, Any], status: int):
    response = tell(browser, name, **fields)
    assert response.status_code == status, response.text
    assert json.loads(response.text)["detail"]

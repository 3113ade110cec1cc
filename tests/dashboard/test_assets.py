"""What ships is what the source builds; and how the files are sent."""

import filecmp
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import brotli
import pytest

from tests.kit.node import skip_without_node
from tests.kit.web import Browser, browse
from tests.support import REPOSITORY
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.web.app import Settings
from tradeexecutor.web.dashboard.serving import ASSETS, read_assets
from tradeexecutor.web.security import Access

CLIENTS = REPOSITORY / "clients"

#: As in clients/dashboard/source_hash.js.
SOURCES = [
    "dashboard/index.html",
    "dashboard/package-lock.json",
    "dashboard/source_hash.js",
    "dashboard/src",
    "dashboard/tsconfig.json",
    "dashboard/vite.config.js",
    "typescript/src",
]

#: Largest size of all files that a browser loads at first, compressed.
MOST_BYTES = 500_000


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def hash_sources() -> str:
    files: list[str] = []
    for source in SOURCES:
        path = CLIENTS / source
        found = path.rglob("*") if path.is_dir() else [path]
        files += [item.relative_to(CLIENTS).as_posix() for item in found if item.is_file()]
    kept = sorted(name for name in files if not name.startswith("typescript/src/generated/"))
    return digest("".join(f"{digest((CLIENTS / name).read_bytes())} {name}\n" for name in kept).encode())


def test_the_built_files_were_built_from_these_sources():
    assert (ASSETS / "source.sha256").read_text().strip() == hash_sources(), "run `make dashboard`"


@pytest.mark.slow
def test_what_ships_is_what_the_source_builds(tmp_path: Path):
    skip_without_node()
    package = tmp_path / "clients" / "dashboard"
    ignored = shutil.ignore_patterns("node_modules", "dist")
    shutil.copytree(CLIENTS, tmp_path / "clients", ignore=ignored)

    def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=package,
            capture_output=True,
            text=True,
            timeout=250,
            check=False,
            env={**os.environ, **environment},
        )

    installed = run("npm", "ci", "--prefer-offline", "--no-progress", "--no-audit")
    # Without a network nothing can be built; a lock file that does not fit package.json is a defect.
    assert "EUSAGE" not in installed.stderr, installed.stderr
    if installed.returncode:
        pytest.skip(f"npm cannot install the packages of the dashboard: {installed.stderr[-300:]}")
    checked = run("npm", "run", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    built = run("npm", "run", "build", DASHBOARD_OUT=str(tmp_path / "built"))
    assert built.returncode == 0, built.stdout + built.stderr
    compared = filecmp.dircmp(tmp_path / "built", ASSETS)
    assert (compared.left_only, compared.right_only) == ([], [])
    names = sorted(path.relative_to(ASSETS) for path in ASSETS.rglob("*") if path.is_file())
    assert names == sorted(
        path.relative_to(tmp_path / "built") for path in (tmp_path / "built").rglob("*") if path.is_file()
    )
    for name in names:
        assert (tmp_path / "built" / name).read_bytes() == (ASSETS / name).read_bytes(), f"{name}: run `make dashboard`"


def test_the_files_are_small_and_name_no_other_server():
    packed = sum(len(brotli.compress(asset.content, quality=4)) for asset in read_assets().values())
    assert packed < MOST_BYTES
    page = read_assets()["index.html"].content.decode()
    assert "http" not in page
    assert "<script>" not in page
    assert "<style" not in page


# --- Sending


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    path = tmp_path_factory.mktemp("served") / "mine.json"
    with JSONFileStore(path) as store:
        store.sync(State(name="Mine"))
    settings = Settings(rate=0, access=Access(read_token="a-token-for-readers"))
    with browse(path, settings=settings) as browser:
        yield browser


def test_the_page_needs_no_token_and_its_data_does(served: Browser):
    page = served.get("/dashboard/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert served.get("/v1/mine/views/summary").status_code == 401
    token = {"authorization": "Bearer a-token-for-readers"}
    assert served.read("/v1/mine/views/summary", headers=token)["name"] == "Mine"


def test_the_policy_of_the_page_runs_only_its_own_scripts(served: Browser):
    policy = dict(
        part.strip().split(" ", 1) for part in served.get("/dashboard/").headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"


def test_files_with_a_checksum_in_their_name_are_kept_by_browsers(served: Browser):
    name = next(name for name in read_assets() if name.endswith(".js"))
    answer = served.get(f"/dashboard/{name}", headers={"accept-encoding": "br"})
    assert answer.content == read_assets()[name].content
    assert answer.headers["content-encoding"] == "br"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    page = served.get("/dashboard/")
    assert page.headers["cache-control"] == "no-cache"
    assert served.get("/dashboard/", headers={"if-none-match": page.headers["etag"]}).status_code == 304


def test_the_drawing_library_comes_from_this_server(served: Browser):
    assert b"plotly" in served.get("/dashboard/plotly.js").content[:2_000]


@pytest.mark.parametrize(
    "name",
    ["nothing.js", "../app.py", "..%2fapp.py", "%2e%2e/serving.py", "files", "files/", "a%00b"],
)
def test_nothing_else_is_sent(served: Browser, name: str):
    assert served.get(f"/dashboard/{name}").status_code in (400, 401, 404)


def test_a_browser_at_the_root_is_led_to_the_page(served: Browser):
    token = {"authorization": "Bearer a-token-for-readers"}
    answer = served.get("/", headers={**token, "accept": "text/html,*/*"})
    assert (answer.status_code, answer.headers["location"]) == (307, "/dashboard/")
    assert served.get("/", headers=token).text.startswith("tradeexecutor")
    assert served.get("/dashboard").headers["location"] == "/dashboard/"

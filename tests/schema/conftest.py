from pathlib import Path

import pytest

from tests.kit.node import build_package


@pytest.fixture(scope="session")
def typescript_package(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """The TypeScript package, built in a folder that all workers of this run share; skips without Node.js."""
    base = tmp_path_factory.getbasetemp()
    is_worker = hasattr(request.config, "workerinput")
    return build_package((base.parent if is_worker else base) / "typescript")

"""The generated files in the repository are what the dataclasses say."""

from pathlib import Path

import pytest

from tests.support import REPOSITORY
from tradeexecutor.schema.outputs import render_outputs, write_outputs
from tradeexecutor.web.client_types import render_client_types

OUTPUTS = render_outputs() | render_client_types()


@pytest.mark.parametrize("path", OUTPUTS)
def test_a_generated_file_is_what_the_code_says(path: str):
    assert (REPOSITORY / path).read_text(encoding="utf-8") == OUTPUTS[path], "run `make schema`"


def test_no_other_file_is_in_the_folder_of_generated_files():
    folder = "clients/typescript/src/generated"
    assert {f"{folder}/{path.name}" for path in (REPOSITORY / folder).iterdir()} <= set(OUTPUTS)


def test_the_files_can_be_written_into_an_empty_checkout(tmp_path: Path):
    write_outputs(tmp_path, OUTPUTS)
    assert {path: (tmp_path / path).read_text(encoding="utf-8") for path in OUTPUTS} == OUTPUTS

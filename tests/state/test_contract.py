"""Marks of the contract: misspelt names and parameters without effect."""

import pytest

from tradeexecutor.state.contract import contract_signature, misspelt, warn_ignored


class Book:
    def get_original(self, page: int) -> str:
        """Return a page."""
        return f"page {page}"

    get_orignal = misspelt("get_orignal")(get_original)


def test_a_misspelt_name_warns_and_does_what_the_right_one_does():
    with pytest.warns(DeprecationWarning, match=r"^get_orignal is a misspelling that will go away, use get_original$"):
        assert Book().get_orignal(page=3) == "page 3"


def test_the_warning_about_a_misspelt_name_points_to_the_caller():
    with pytest.warns(DeprecationWarning, match="get_orignal") as caught:
        Book().get_orignal(3)
    assert [warning.filename for warning in caught] == [__file__]


def test_a_misspelt_name_says_so_in_its_documentation():
    assert Book.get_orignal.__name__ == "get_orignal"
    assert Book.get_orignal.__doc__ == "Misspelt name of `get_original`."


def test_a_contract_signature_is_the_function_itself():
    assert contract_signature(Book.get_original) is Book.get_original


def test_an_argument_without_effect_is_reported_at_the_line_that_passes_it():
    def sell(pending: bool) -> None:
        if pending:
            warn_ignored("sell", "pending", "give the trade a trigger")

    with pytest.warns(UserWarning, match="pending of sell has no effect: give the trade a trigger") as caught:
        sell(True)
    assert [warning.filename for warning in caught] == [__file__]

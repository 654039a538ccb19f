import pytest
from github_page import Page
from hypothesis import given
from hypothesis import strategies as st

from gate.report import markup


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("https://github.com/o/r/actions/runs/1", "[run](https://github.com/o/r/actions/runs/1)"),
        ("http://ghe.example:8080/o/r?a=b&c=%20#d", "[run](http://ghe.example:8080/o/r?a=b&c=%20#d)"),
        ("https://x.example/a) ![y](z)", "[run](https://x.example/a%29%20%21%5By%5D%28z%29)"),
        (None, "run"),
        ("", "run"),
        ("javascript:alert(1)", "run"),
        ("//evil.example", "run"),
        ("https://", "run"),
        ("https://x.example/" + "a" * 2_000, "run"),
    ],
)
def test_link__only_what_is_an_address(url: str | None, written: str) -> None:
    assert markup.link("run", url) == written


@given(st.text(alphabet=st.characters(categories=None), max_size=40))
def test_link__nothing_gets_out_of_the_address(rest: str) -> None:
    page = Page(markup.link("run", f"https://x.example/{rest}"))
    assert page.tags == ["p", "a"]
    assert page.text.strip() == "run"
    assert page.addresses[0] is not None
    assert page.addresses[0].startswith("https://x.example/")

"""Markdown as GitHub shows it, for tests that ask what a reader or a filter would meet there.

The parser is GitHub's own, with the extensions that pages use; raw HTML is kept, so that the tests also
see what GitHub's later sanitizer would happen to remove.
"""

import re
from collections.abc import Sequence
from html.parser import HTMLParser

import cmarkgfm
from cmarkgfm.cmark import Options

ZERO_WIDTH_SPACE = "\u200b"
OUR_TAGS = frozenset(
    {"blockquote", "code", "details", "em", "li", "ol", "p", "pre", "strong", "sub", "summary"}
    | {"table", "tbody", "td", "th", "thead", "tr", "ul"}
)
"""Everything that a report of one round is made of: no links, no images, no headings."""
EXTENSIONS = ("table", "autolink", "strikethrough")
STRICTER_EXTENSIONS = (*EXTENSIONS, "tagfilter", "tasklist")
"""With those that change what is shown afterwards."""

_REFERENCES = re.compile(
    r"@[\w-]|#\d|\bGH-\d|\b[0-9a-f]{7,40}\b|https?://|ftp://|www\.|mailto:\w|:[a-z_]+:|##\[",
    re.IGNORECASE,
)


class Page(HTMLParser):
    """A rendered page: its tags, its links, its comments, its code and the text outside code."""

    def __init__(self, markdown: str, extensions: Sequence[str] = EXTENSIONS) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.addresses: list[str | None] = []
        self.cells: list[int] = []
        """Of each row of a table, in order."""
        self.comments: list[str] = []
        self.code: list[str] = []
        self.text = ""
        self._depth = 0
        html = cmarkgfm.markdown_to_html_with_extensions(
            markdown, options=Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_FOOTNOTES, extensions=list(extensions)
        )
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [value for name, value in attrs if name in ("href", "src")]
        if tag == "tr":
            self.cells.append(0)
        elif tag in ("td", "th"):
            self.cells[-1] += 1
        if tag == "code":
            self._depth += 1
            self.code.append("")

    def handle_endtag(self, tag: str) -> None:
        self._depth -= tag == "code"

    def handle_data(self, data: str) -> None:
        if self._depth:
            self.code[-1] += data
        else:
            self.text += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def references(self) -> list[str]:
        """What GitHub would turn into a mention, a link, a reference or an emoji."""
        return _REFERENCES.findall(self.text)

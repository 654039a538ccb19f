"""What an attacker writes into names, files and answers, for tests that ask whether any of it gets through."""

from builders import HOSTILE_TEXTS
from hypothesis import strategies as st

MARKDOWN_THREATS = (
    "@org/team", "&#64;octocat", "\\@octocat", "@octocat", "fixes #12", "owner/repo#3", "GH-12",
    "91ab33c091ab33c091ab33c091ab33c091ab33c0", "91ab33c", "owner/repo@91ab33c091ab33c091ab33c091ab33c091ab33c0",
    "![](https://evil.example/?d=1)", "[x](https://evil.example)", "<https://evil.example>", "https://evil.example",
    "www.evil.example", "a@evil.example", "[ref]: https://evil.example", "[x][ref]", "[^1]: note", "[^1]",
    '<img src="https://evil.example/x">', "<script>alert(1)</script>", "<style>*{}</style>", "<iframe src=x>",
    "<svg/onload=alert(1)>", "<plaintext>", "<textarea>", "<xmp>", "<a href=x>", "&lt;img src=x&gt;",
    "```", "~~~", "``````", "````text", "`", "``", "a`b", "```\nout\n```", "~~~\nout\n~~~",
    "</details>", "</summary>", "<details>", "</code></pre>", "</sub>", "</td></tr></table>", "</blockquote>",
    "\\|", "|", "a | b | c", "\\\\|", "`|`", "x |\n| --- |\n| y", "|\n\n# out",
    "$x$", "$$x$$", "$`x`$", "**x**", "_x_", "~~x~~", "~x~", "> [!CAUTION]", "# x", "#", "===", "---", "***",
    "- x", "- [ ] x", "1. x", "1) x", "+ x", "    code", "\tcode", "x  \ny", "x\\\ny", "\n\nout", "\r\rout", "\u2028out",
    "\u202ereversed", "\u2066isolated\u2069", "\u200f", "a\u200bb", "\ufeff", "\x00", "\x1b[31mred\x1b[0m", "\x07", "\x85",
    "\ud800", "\U000e0041", "\u3164", ":rocket:", "@\u200b", "\uff20org",
    "hello ##[set-output name=passed]true", "x\r::set-output name=passed::true", "\u3000::error::x", "::add-mask::a",
    "::stop-commands::zz", "  ::error::x", "##[add-matcher]x", "#\u200b#[x]",
)  # fmt: skip
"""Inputs that each have done harm in a comment somewhere, or in a runner's log."""

MARKER_THREATS = (
    "<!-- gate -->", "<!-- gate: support-bot -->", "<!--gate-->", "<!-- GATE -->", "\n<!-- gate -->\n", "<!-- ", "-->",
    "--><!-- gate: support-bot -->", "<\u200b!-- gate -->", "`<!-- gate -->`", "```\n<!-- gate -->", "<!---->", "<?php ?>",
    "<![CDATA[x]]>", "<!DOCTYPE html>",
)  # fmt: skip
"""Attempts to forge the line by which a comment is known, or to hide text."""

ANY_TEXT = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="`|\\<>@#:$*_[]()&!-+=~ \n\r\ta1w.", max_size=40),
    st.lists(st.sampled_from((*HOSTILE_TEXTS, *MARKDOWN_THREATS, *MARKER_THREATS)), max_size=3).map("".join),
    st.text(alphabet=st.characters(categories=["Cc", "Cf", "Cs", "Co", "Zl", "Zp", "Zs", "Mn"]), max_size=20),
)
"""Any text, with what is dangerous more often than chance would have it."""

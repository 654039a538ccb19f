"""Whether a clone keeps a password or a token, where whoever reads the clone can read it.

A secret is named, never shown. This module must not know who would read it.
"""

import re
from pathlib import Path
from urllib.parse import urlsplit

from gate.transport.git import ask

_TOKEN_NAME = re.compile(r"gh[a-z]_|github_pat_|x-access-token|oauth2", re.IGNORECASE)
_MOST_FILES = 1_000


def stored_credentials(folder: Path) -> str | None:
    """The setting of git that holds a password or a token for this clone; None if there is none.

    Files that the clone's settings include are read whatever their condition says: a process that can read this can
    read them. So are those of submodules.
    """
    common = ask(folder, "rev-parse", "--git-common-dir")
    modules = sorted((folder / common / "modules").rglob("config")) if common is not None else []
    sources: list[tuple[str, ...]] = [("--includes",), *(("--file", str(file)) for file in modules[:_MOST_FILES])]
    for source in sources:
        listing = ask(folder, "config", *source, "--list", "-z")
        for name, _, value in (entry.partition("\n") for entry in (listing or "").split("\0")):
            if _is_secret(name, value):
                return re.sub(r"(?<=//)[^/@]*@", "", name)
            more = ("--file", value)
            if re.fullmatch(r"include(if\..*)?\.path", name) and Path(value).is_absolute() and more not in sources:
                sources.append(more)
    return None


def _is_secret(name: str, value: str) -> bool:
    if name.startswith("http.") and name.endswith(".extraheader"):
        return "authorization" in value.lower()
    # A password stands in an address as well, on either side of a rewriting.
    addresses = [name.removeprefix("url."), value] if name.startswith("url.") else [value]
    if not name.endswith((".url", ".pushurl", ".lfsurl", ".insteadof", ".pushinsteadof", ".proxy")):
        return False
    for address in addresses:
        try:
            parts = urlsplit(address)
        except ValueError:
            continue
        if parts.password or (parts.scheme in ("http", "https") and _TOKEN_NAME.match(parts.username or "")):
            return True
    return False

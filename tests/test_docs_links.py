"""Every relative link of a page leads to a file of the repository, and to a heading that exists."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", ".github/**/*.md")
    for page in ROOT.glob(pattern)
    if page.is_file()
)
#: ``[text](target)`` and ``![text](target "title")``, ``[name]: target``, and HTML's own.
LINKS = (
    re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)"),
    re.compile(r"^\[[^\]]+\]:\s+(\S+)", re.MULTILINE),
    re.compile(r"\b(?:href|src)=\"([^\"]+)\""),
)
#: Code, in which links and headings do not count.
BLOCK = re.compile(r"^(`{3,}|~{3,}).*?^\1", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`[^`\n]*`")


def _links(text: str) -> list[str]:
    """Return the targets of a page's links, except those with a scheme or a host."""
    prose = INLINE.sub("", BLOCK.sub("", text))
    targets = [target for pattern in LINKS for target in pattern.findall(prose)]
    return [t for t in targets if not re.match(r"[a-z][a-z0-9+.-]*:|//", t, re.IGNORECASE)]


def _anchors(text: str) -> set[str]:
    """Return the names that GitHub gives a page's headings: lower case, hyphens for spaces."""
    anchors: set[str] = set()
    for heading in re.findall(r"^#{1,6}\s+(.+?)\s*#*$", BLOCK.sub("", text), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        numbered = itertools.chain([slug], (f"{slug}-{n}" for n in itertools.count(1)))
        anchors.add(next(name for name in numbered if name not in anchors))
    return anchors


def _fault(page: Path, target: str) -> str | None:
    path, _, anchor = unquote(target).partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.is_relative_to(ROOT.resolve()):
        return "leaves the repository"
    if not file.exists():
        return "does not exist"
    if anchor and file.suffix == ".md" and anchor not in _anchors(file.read_text("utf-8")):
        return "has no such heading"
    return None


def test_the_pages_are_found() -> None:
    assert {ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs" / "files.md"} <= set(PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_lead_somewhere(page: Path) -> None:
    faults = [
        f"{target} {fault}"
        for target in _links(page.read_text("utf-8"))
        if (fault := _fault(page, target)) is not None
    ]
    assert faults == []


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see [a](docs/a.md) and ![b](b.svg \"B\")", ["docs/a.md", "b.svg"]),
        ("see [a](https://example.org/a) or [mail](mailto:a@example.org)", []),
        ("[a]: other.md#part\n<img src=\"c.png\">", ["other.md#part", "c.png"]),
        ("`[a](no.md)`\n\n```\n[b](no.md)\n```\n[c](yes.md)", ["yes.md"]),
    ],
)  # fmt: skip
def test_links_are_found(text: str, links: list[str]) -> None:
    assert _links(text) == links


def test_a_broken_link_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("# One `part`, two\n\n## Same\n\n## Same\n", "utf-8")
    good = ("page.md", "#one-part-two", "page.md#same", "page.md#same-1", ".")
    assert [_fault(page, target) for target in good] == [None] * 5
    assert _fault(page, "none.md") == "does not exist"
    assert _fault(page, "#same-2") == "has no such heading"
    assert _fault(page, "../elsewhere.md") == "leaves the repository"

"""The version of this package's code that a measurement was made with."""

from __future__ import annotations

import os
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

DISTRIBUTION = "bitnet-hw"


def code_version(package: Path | None = None) -> str:
    """Return the commit of the checkout that the code runs from, or the installed version.

    A checkout of this project is a Git repository whose top level holds the package and a
    pyproject.toml that names this project. Installed code has no commit, even if it is inside the
    folder of another repository.

    Parameters
    ----------
    package : pathlib.Path, optional
        Folder of the package. Default: the package that this module was imported from.

    Returns
    -------
    str
        Twelve digits of the commit, followed by ``-dirty`` if tracked files differ from it; or
        ``version`` and the installed version.
    """
    root = (package or Path(__file__).parents[1]).resolve().parent
    if _is_this_project(root) and _git(root, "rev-parse", "--show-toplevel") == str(root):
        commit = _git(root, "rev-parse", "--short=12", "HEAD")
        if commit:
            changed = _git(root, "status", "--porcelain", "--untracked-files=no")
            return f"{commit}-dirty" if changed else commit
    return f"version {version(DISTRIBUTION)}"


def _is_this_project(root: Path) -> bool:
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text("utf-8")).get("project", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return False
    return isinstance(project, dict) and project.get("name") == DISTRIBUTION


def _git(root: Path, *arguments: str) -> str:
    """Return the output of a Git command in a folder; empty if it fails or Git is missing."""
    # Variables such as GIT_DIR, which Git sets for its hooks, could refer to another repository.
    environment = {key: text for key, text in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(  # noqa: S603  fixed arguments
            command, capture_output=True, text=True, check=False, env=environment
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""

"""A run's report, as a notebook shows it and as a file."""

from __future__ import annotations

import shutil
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Report:
    """The report of a run: one self-contained HTML page.

    The last line of a notebook's cell shows it: `agent.report`.

    Attributes:
        path: The HTML file.
    """

    HEIGHT = 900
    """Of its frame in a notebook, in pixels."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def html(self) -> str:
        """The whole page."""
        return self.path.read_text(encoding="utf-8")

    def save(self, path: str | Path) -> Path:
        """Copies it to a file, and returns that."""
        return Path(shutil.copyfile(self.path, Path(path)))

    def open(self) -> None:
        """Opens it in a browser."""
        webbrowser.open(self.path.as_uri())

    def _repr_html_(self) -> str:
        """A frame that holds the page itself: its styles stay in it, and the notebook can be mailed."""
        from bertworks.pages.parts import Frame

        return str(Frame(self.html, self.HEIGHT))

    def __repr__(self) -> str:
        return f"Report({str(self.path)!r})"


def build(record: Mapping[str, Any], path: Path) -> None:
    """Writes the report of a run, or of what is known of one."""
    from bertworks.pages.report import page as report

    report.build(dict(record), path)

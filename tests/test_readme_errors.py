"""The README's table of errors, compared with what `bitnet-hw validate` finds."""

from __future__ import annotations

from pathlib import Path

from bitnet_hw.calibration.validation import summary, validate
from bitnet_hw.inputs.track_record import Entry

README = Path(__file__).parents[1] / "README.md"


def _line(entry: Entry) -> str:
    return (
        f"| {entry.quantity}, {entry.work}, {entry.status} | {entry.rows} | {entry.median:.2f} "
        f"| {entry.low:.2f} to {entry.high:.2f} | x{entry.typical_factor:.2f} "
        f"| x{entry.worst_factor:.2f} |"
    )


def test_the_table_of_errors_is_what_validate_prints() -> None:
    wanted = [_line(entry) for entry in sorted(summary(validate()), key=_order)]
    lines = README.read_text("utf-8").splitlines()
    start = lines.index("| class | values | median | 10 to 90 percent | off by, median | worst |")
    assert lines[start + 2 : start + 2 + len(wanted)] == wanted
    assert not lines[start + 2 + len(wanted)]


def _order(entry: Entry) -> tuple[bool, str, str]:
    return entry.quantity == "energy", entry.work, entry.status

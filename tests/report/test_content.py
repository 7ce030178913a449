"""The `repr` of a report."""

from __future__ import annotations

import re

from bitnet_hw.report.content import Report


def test_repr_is_a_few_lines_with_the_savings(report: Report) -> None:
    lines = repr(report).splitlines()
    assert lines[0] == "Report: bitnet-b1.58-2b4t"
    assert len(lines) == 6
    assert lines[3] == "  machine: cold (hypothetical)"
    # The same bytes take the same DRAM energy at any price: 4.98 GB against 1.34 GB, 3.73 times.
    assert re.fullmatch(
        r"  7nm: 4\d\.\d mJ per token in bitnet-b1\.58, 3\.7\d× less than in fp16", lines[4]
    )


def test_repr_says_why_there_is_no_saving(large_report: Report) -> None:
    line = repr(large_report).splitlines()[4]
    assert re.search(r"per token in bitnet-b1\.58, fp16 does not fit edge: 131 GB too large", line)
    assert "×" not in line

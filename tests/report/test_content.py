"""The `repr` of a report."""

from __future__ import annotations

from bitnet_hw.report.content import Report


def test_repr_is_a_few_lines_with_the_savings(report: Report) -> None:
    lines = repr(report).splitlines()
    assert lines[0] == "Report: bitnet-b1.58-2b4t"
    assert len(lines) == 6
    # The golden figures of the README: 120 mJ per token, 3.73 times less than FP16.
    assert lines[4] == "  7nm: 120 mJ per token in bitnet-b1.58, 3.73× less than in fp16"

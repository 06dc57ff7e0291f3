"""What an operator sees of a fetch."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.adapters.fetch.wanted import SourceReport


def fetch_text(reports: Sequence[SourceReport]) -> str:
    """Table of sources in markdown, and what to do about those in trouble."""
    rows = [
        f"| {r.source_id} | {r.listed} | {r.fetched} | {r.failed} | {r.quarantined} | {r.observations} | "
        f"{(r.error_code or '') if r.asked else 'not set up'} |"
        for r in reports
    ]
    head = ["| source | new | fetched | failed | quarantined | observations | trouble |", f"|{'---|' * 7}"]
    told = [f"**{r.error_code}** {r.source_id}: {r.error}\n\nWhat to do: {r.remedy}" for r in reports if r.error_code]
    return "\n\n".join(["\n".join([*head, *rows]), *told])

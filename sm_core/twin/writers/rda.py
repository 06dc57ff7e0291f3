"""Answers of the Korean agricultural weather service (getWeatherMonDayList3): daily rows of all stations of a month.

Kept are the traps of the service: success is code 200, rows beyond the page are cut without a word (``rcdcnt`` counts
the page, ``total_Count`` the month), what is missing is an empty element or -999, days are Korean.
"""

from __future__ import annotations

import calendar
import datetime as dt
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

import pandas as pd

from sm_core.twin.writers.atomic import replacing

FIELDS = (
    "stn_Cd", "stn_Name", "date", "temp", "hghst_Artmp", "lowst_Artmp", "hum", "widdir", "wind", "max_Wind", "rn",
    "sun_Time", "srqty", "condens_Time", "gr_Temp", "soil_Temp", "soil_Wt",
)
SUCCESS, NO_DATA = ("200", "OK"), ("301", "NO DATA")
_Cell = str | int | float | dt.date | None


def write_rda_daily(
    directory: Path, *, year: int, month: int, rows: pd.DataFrame, page: int = 1, page_size: int = 1000
) -> Path:
    """Write one page of a month's answer.

    Parameters
    ----------
    directory
        Where to.
    year, month
        Month asked for.
    rows
        The whole month: columns stn_Cd, stn_Name, date (Korean day) and any of :data:`FIELDS`; soil_Wt in volume
        per cent. NaN and columns that are not there become empty elements.
    page, page_size
        Which page, from 1, and how many rows make one.

    Returns
    -------
    Path of the file, ``rda_<first day>_<last day>_p<page>.xml``.
    """
    last = calendar.monthrange(year, month)[1]
    path = Path(directory) / f"rda_{year}{month:02d}01_{year}{month:02d}{last}_p{page:02d}.xml"
    with replacing(path) as temporary:
        temporary.write_bytes(daily_answer(rows, page=page, page_size=page_size))
    return path


def daily_answer(rows: pd.DataFrame, *, page: int, page_size: int, total: int | None = None) -> bytes:
    """One page of an answer, XML in UTF-8.

    Parameters
    ----------
    rows, page, page_size
        As for :func:`write_rda_daily`, for any period.
    total
        ``total_Count`` where ``rows`` are not all of them.
    """
    begin = (page - 1) * page_size
    shown = rows.iloc[begin:begin + page_size]
    response = Element("response")
    header, body = SubElement(response, "header"), SubElement(response, "body")
    code, message = NO_DATA if shown.empty else SUCCESS
    _add(header, {"result_Code": code, "result_Msg": message})
    _add(body, {"rcdcnt": len(shown), "page_No": page, "total_Count": len(rows) if total is None else total})
    items = SubElement(body, "items")
    columns = [shown[field].tolist() if field in shown else [None] * len(shown) for field in FIELDS]
    for number, values in enumerate(zip(*columns, strict=True), begin + 1):
        _add(SubElement(items, "item"), {"no": number, **dict(zip(FIELDS, values, strict=True))})
    answer: bytes = tostring(response, encoding="UTF-8", xml_declaration=True, short_empty_elements=False)
    return answer


def _add(parent: Element, values: dict[str, _Cell]) -> None:
    for name, value in values.items():
        SubElement(parent, name).text = _text(value)


def _text(value: _Cell) -> str:
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return ""
    return f"{value:%Y-%m-%d}" if isinstance(value, dt.date) else str(value)

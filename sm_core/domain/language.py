from __future__ import annotations

import datetime as dt
from typing import Literal

Language = Literal["en", "ko"]
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")


def date_text(day: dt.date, language: Language) -> str:
    """A date as people write it, whatever the machine's locale.

    >>> date_text(dt.date(2019, 4, 5), "en"), date_text(dt.date(2019, 4, 5), "ko")
    ('5 April 2019', '2019년 4월 5일')
    """
    if language == "ko":
        return f"{day.year}년 {day.month}월 {day.day}일"
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"

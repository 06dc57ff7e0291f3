"""XML text as both CAP and Atom need it."""

from __future__ import annotations

import datetime as dt
import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def root_of(name: str, namespace: str) -> Element:
    """A document's element; it and all below belong to one namespace."""
    return Element(name, {"xmlns": namespace})


def child(parent: Element, name: str, text: str = "", **attributes: str) -> Element:
    """A new last child; characters that XML cannot hold are left out of its text."""
    element = SubElement(parent, name, attributes)
    element.text = _NOT_XML.sub("", text) or None
    return element


def document(root: Element) -> bytes:
    """The whole document in UTF-8."""
    indent(root)
    return bytes(tostring(root, "utf-8", xml_declaration=True)) + b"\n"


def cap_time(moment: dt.datetime) -> str:
    """A time as CAP wants it: to the second, UTC written as -00:00.

    >>> cap_time(dt.datetime(2026, 7, 3, 9, tzinfo=dt.timezone(dt.timedelta(hours=9))))
    '2026-07-03T00:00:00-00:00'
    """
    return f"{moment.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%S}-00:00"

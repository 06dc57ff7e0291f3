"""Object Description Language: the text in which EOS granules describe themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

Scalar = str | int | float
STRUCT_METADATA_SIZE = 32000
_WRAP_COLUMN = 255
_CONTINUATION = "\n" + " " * 10


class Value(NamedTuple):
    """One named value, or a tuple of them; ``class_`` numbers the container it stands in."""

    name: str
    value: Scalar | tuple[Scalar, ...]
    class_: str = ""


class Container(NamedTuple):
    """A GROUP or OBJECT with children."""

    kind: str
    name: str
    children: tuple[Container | Value, ...]
    class_: str = ""


def group(name: str, *children: Container | Value, class_: str = "") -> Container:
    """A GROUP."""
    return Container("GROUP", name, children, class_)


def container(name: str, *children: Container | Value, class_: str = "") -> Container:
    """An OBJECT that holds other objects."""
    return Container("OBJECT", name, children, class_)


def render(root: Container) -> str:
    """ODL text of a master group, laid out as the EOS toolkit lays it out.

    >>> print(render(group("INVENTORYMETADATA", group("ECSDATAGRANULE", Value("VERSIONID", 61)))))
    <BLANKLINE>
    GROUP                  = INVENTORYMETADATA
      GROUPTYPE            = MASTERGROUP
    <BLANKLINE>
      GROUP                  = ECSDATAGRANULE
    <BLANKLINE>
        OBJECT                 = VERSIONID
          NUM_VAL              = 1
          VALUE                = 61
        END_OBJECT             = VERSIONID
    <BLANKLINE>
      END_GROUP              = ECSDATAGRANULE
    <BLANKLINE>
    END_GROUP              = INVENTORYMETADATA
    <BLANKLINE>
    END
    <BLANKLINE>
    """
    lines = ["", _bracket("GROUP", root.name), _assignment("GROUPTYPE", "MASTERGROUP", "  "), ""]
    for child in root.children:
        lines += _lines(child, "  ")
    return "\n".join([*lines, _bracket("END_GROUP", root.name), "", "END", ""])


def struct_metadata(
    *, grid: str, shape: tuple[int, int], upper_left: tuple[float, float], lower_right: tuple[float, float],
    projection: Sequence[str], fields: Sequence[Sequence[str]], dimensions: Sequence[Sequence[str]] = (),
    closing: Sequence[str] = (),
) -> str:
    """StructMetadata.0 of a file with one grid, padded with NUL to its fixed size.

    Parameters
    ----------
    grid
        Name of the grid.
    shape
        Rows and columns.
    upper_left, lower_right
        Outer corners (x, y) in the unit of the projection.
    projection
        Lines that name the projection, verbatim.
    fields, dimensions
        Lines that describe each data field and each extra dimension, verbatim.
    closing
        Lines after the point structure, verbatim.
    """
    lines = [
        "GROUP=SwathStructure", "END_GROUP=SwathStructure", "GROUP=GridStructure", "\tGROUP=GRID_1",
        f'\t\tGridName="{grid}"', f"\t\tXDim={shape[1]}", f"\t\tYDim={shape[0]}",
        f"\t\tUpperLeftPointMtrs=({upper_left[0]:.6f},{upper_left[1]:.6f})",
        f"\t\tLowerRightMtrs=({lower_right[0]:.6f},{lower_right[1]:.6f})",
        *(f"\t\t{line}" for line in projection),
        *_struct_group("Dimension", dimensions), *_struct_group("DataField", fields),
        *_struct_group("MergedFields", ()),
        "\tEND_GROUP=GRID_1", "END_GROUP=GridStructure", "GROUP=PointStructure", "END_GROUP=PointStructure",
        *closing, "END", "",
    ]
    return "\n".join(lines).ljust(STRUCT_METADATA_SIZE, "\0")


def _struct_group(kind: str, members: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"\t\tGROUP={kind}"
    for number, lines in enumerate(members, 1):
        yield f"\t\t\tOBJECT={kind}_{number}"
        yield from (f"\t\t\t\t{line}" for line in lines)
        yield f"\t\t\tEND_OBJECT={kind}_{number}"
    yield f"\t\tEND_GROUP={kind}"


def _lines(node: Container | Value, indent: str) -> list[str]:
    inner = indent + "  "
    if isinstance(node, Value):
        count = len(node.value) if isinstance(node.value, tuple) else 1
        body = [_assignment("NUM_VAL", str(count), inner)]
        body += [_assignment("CLASS", f'"{node.class_}"', inner)] if node.class_ else []
        body += [_wrapped(_assignment("VALUE", _literal(node.value), inner))]
        return [_bracket("OBJECT", node.name, indent), *body, _bracket("END_OBJECT", node.name, indent), ""]
    body = [_assignment("CLASS", f'"{node.class_}"', inner)] if node.class_ else []
    body.append("")
    for child in node.children:
        body += _lines(child, inner)
    return [_bracket(node.kind, node.name, indent), *body, _bracket(f"END_{node.kind}", node.name, indent), ""]


def _bracket(word: str, name: str, indent: str = "") -> str:
    return f"{indent}{word:<22} = {name}"


def _assignment(name: str, value: str, indent: str) -> str:
    return f"{indent}{name:<20} = {value}"


def _literal(value: Scalar | tuple[Scalar, ...]) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(_literal(item) for item in value)})"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _wrapped(line: str) -> str:
    # the toolkit breaks long lists right after an opening quote, so that strings begin with a line end
    pieces, start = [], 0
    while (quote := line.find(', "', start + _WRAP_COLUMN)) >= 0:
        pieces.append(line[start:quote + 3])
        start = quote + 3
    return _CONTINUATION.join([*pieces, line[start:]])

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sm_core import errors

ROOT = Path(__file__).resolve().parents[2]
CODED = {
    cls.code: cls for cls in vars(errors).values()
    if inspect.isclass(cls) and issubclass(cls, errors.SmError) and not cls.code.endswith("00")
}


def test_error_table_equals_the_classes() -> None:
    text = (ROOT / "docs" / "error-codes.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (SM\d{3}) \| `(\w+)` \| (yes|no) \| (.+) \|$", text, re.M)
    expected = [
        (code, cls.__name__, "yes" if cls.transient else "no", cls.remedy) for code, cls in sorted(CODED.items())
    ]
    assert rows == expected


def test_source_table_equals_the_declarations() -> None:
    from sm_core.sources import SOURCES

    text = (ROOT / "docs" / "data-sources.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\S+)` \| (.+?) \|", text, re.M)
    assert rows == [(source.source_id, source.title) for source in SOURCES]


def test_tests_that_the_docs_name_exist() -> None:
    known = {match for path in (ROOT / "tests").rglob("test_*.py")
             for match in [*re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8")), path.stem]}
    named = {name for path in (ROOT / "docs").glob("*.md")
             for name in re.findall(r"\b(test_\w+)", path.read_text(encoding="utf-8"))}
    assert named and not named - known


def test_error_codes_are_unique_and_in_their_family() -> None:
    classes = [cls for cls in vars(errors).values() if inspect.isclass(cls) and issubclass(cls, errors.SmError)]
    codes = [cls.code for cls in classes]
    assert len(codes) == len(set(codes))
    for cls in CODED.values():
        family = next(parent for parent in cls.__mro__ if parent.__dict__.get("code", "").endswith("00"))
        assert cls.code[2] == family.code[2]


@pytest.mark.parametrize("heavy", ["prefect", "mlflow", "torch", "lightgbm", "numba", "rasterio", "xarray", "pandas"])
def test_command_line_starts_without_heavy_imports(heavy: str) -> None:
    code = f"import sys, flows.cli; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_every_setting_is_explained() -> None:
    from tasks.settings import Settings
    from tasks.settings_alerts import AlertSettings
    from tasks.settings_housekeeping import HousekeepingSettings
    from tasks.settings_sources import SourceSettings
    from tasks.settings_watch import WatchSettings

    text = (ROOT / "deployments" / "settings.example.env").read_text(encoding="utf-8")
    explained = set(re.findall(r"^#? ?(SM_[A-Z_]+)=", text, re.M))
    assert explained == {f"SM_{name.upper()}" for name in (*Settings.model_fields, *SourceSettings.model_fields,
                                                            *AlertSettings.model_fields,
                                                            *WatchSettings.model_fields,
                                                            *HousekeepingSettings.model_fields)}


def test_values_that_the_example_sets_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.settings import Settings
    from tasks.settings_alerts import AlertSettings
    from tasks.settings_housekeeping import HousekeepingSettings
    from tasks.settings_sources import SourceSettings
    from tasks.settings_watch import WatchSettings

    kinds = (Settings, SourceSettings, AlertSettings, WatchSettings, HousekeepingSettings)
    before = [kind() for kind in kinds]
    text = (ROOT / "deployments" / "settings.example.env").read_text(encoding="utf-8")
    for name, value in re.findall(r"^(SM_[A-Z_]+)=(.*)$", text, re.M):
        monkeypatch.setenv(name, value)
    assert [kind() for kind in kinds] == before


def test_page_of_sources_is_what_the_declarations_generate() -> None:
    from sm_core.sources.page import sources_page

    assert (ROOT / "docs" / "sources.md").read_text(encoding="utf-8") == sources_page()


def test_functions_stay_readable() -> None:
    import ast

    long = []
    for package in ("sm_core", "tasks", "flows"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
                    length = (node.end_lineno or 0) - first.lineno + 1
                    if length > 80:
                        long.append(f"{path.relative_to(ROOT)}:{node.name} {length}")
    assert not long

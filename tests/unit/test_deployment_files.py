"""Units, compose file and image: known keys, real commands, no root, no secret, only this machine listens."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
import yaml

from flows.cli import app
from tasks.doctor import unknown_settings

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deployments"
UNITS = sorted(path for path in (FOLDER / "systemd").iterdir())
PARTS = ("server", "mlflow", "page", "metrics", "worker")


def parsed(arguments: list[str]) -> dict[str, Any]:
    """What the command line understands of them; an unknown option is an error."""
    command = typer.main.get_command(app)
    name, sub, rest = command.resolve_command(command.make_context("sm-daily", [], resilient_parsing=True), arguments)
    return dict(sub.make_context(name, rest).params)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
@pytest.mark.parametrize("unit", UNITS, ids=[path.name for path in UNITS])
def test_units_are_what_systemd_takes(unit: Path, tmp_path: Path) -> None:
    for path in UNITS:
        text = path.read_text(encoding="utf-8").replace("/opt/sm-daily/bin/sm-daily", shutil.which("true") or "")
        (tmp_path / path.name).write_text(text)
    name = unit.name.replace("@.", "@worker.")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(tmp_path / name)], capture_output=True,
                          text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", [path for path in UNITS if path.suffix == ".service"], ids=lambda path: path.name)
def test_units_start_commands_that_exist_and_not_as_root(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    (started,) = re.findall(r"^ExecStart=(.*)$", text, re.M)
    words = shlex.split(started.partition("/opt/sm-daily/bin/sm-daily ")[2].replace("%i", "worker").rstrip("'"))
    assert parsed(words)
    assert "User=sm-daily" in text and "NoNewPrivileges=yes" in text
    assert "up" not in words or "KillMode=mixed" in text


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8")))


def test_compose_file_has_only_known_keys() -> None:
    schema = json.loads((ROOT / "tests" / "schemas" / "compose" / "compose-spec.json").read_text(encoding="utf-8"))
    content = compose()
    del content["name"]                                      # younger than the schema
    check = jsonschema.Draft201909Validator(schema).validate
    check(content)
    content["services"]["worker"]["comand"] = []
    with pytest.raises(jsonschema.ValidationError, match="comand"):
        check(content)


def test_compose_services_are_the_parts_and_listen_for_this_machine_only() -> None:
    services = compose()["services"]
    assert set(services) == {"postgres", *PARTS}
    for name in PARTS:
        service = services[name]
        given = parsed(service["command"])
        assert given["only"] == [name]
        ports = {"server": given["port"], "mlflow": given["mlflow_port"], "page": given["page_port"],
                 "metrics": given["metrics_port"]}
        expected = [f"127.0.0.1:{ports[name]}:{ports[name]}"] if name in ports else []
        assert service.get("ports", []) == expected
        assert service["cap_drop"] == ["ALL"] and service["read_only"] and "user" not in service
        assert service["healthcheck"]["test"][0] == "CMD" and service["init"]
    assert "ports" not in services["postgres"]


def test_nothing_secret_is_in_the_files() -> None:
    example = (FOLDER / "compose.example.env").read_text(encoding="utf-8")
    for name, value in re.findall(r"^(\w*(?:PASSWORD|TOKEN|KEY|SECRET)\w*)=(.*)$", example, re.M):
        assert value == "CHANGE-ME", name
    assert all(password == "CHANGE-ME" for password in re.findall(r"://\w+:([^@]+)@", example))
    assert not unknown_settings(re.findall(r"^(SM_\w+)=", example, re.M))
    assert not re.search(r"password|token|secret", json.dumps(compose()), re.I)
    for name in (".dockerignore", ".gitignore"):
        assert "deployments/compose.env" in (ROOT / name).read_text(encoding="utf-8").split("\n")


def test_image_has_no_root_no_secret_and_pinned_bases() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert int(re.findall(r"^USER (\S+)$", text, re.M)[-1]) >= 1000
    assert text.index("USER ") < text.index("ENTRYPOINT")
    assert not re.findall(r"^(?:ARG|ENV)\b.*(?:PASSWORD|TOKEN|SECRET|KEY)", text, re.M | re.I)
    assert all(re.fullmatch(r"python:\d+\.\d+-slim-\w+", base) for base in re.findall(r"^FROM (\S+)", text, re.M))
    copied = {word for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.M) for word in line.split()}
    sent = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.M))
    assert copied == sent


def test_dockerfile_passes_its_linter() -> None:
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if linter is None:
        pytest.skip("no hadolint here")
    done = subprocess.run([linter, "--no-color", str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")

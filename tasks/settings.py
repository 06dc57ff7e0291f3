"""Every setting, read in one place: environment variables SM_*, explained in deployments/settings.example.env."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from sm_core.errors import SettingsError

PROJECT = Path(__file__).resolve().parents[1]
Read = TypeVar("Read", bound=BaseSettings)
JSON_LINES = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_FORMATTER": "json",
    "PREFECT_LOGGING_FORMATTERS_JSON_CLASS": "tasks.logs.JsonLines",
    "PREFECT_LOGGING_COLORS": "false",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO",
}


class Settings(BaseSettings):
    """Where things are and how much of the machine may be used."""

    model_config = SettingsConfigDict(env_prefix="SM_", frozen=True, extra="ignore")

    data: Path = Field(default=Path("data"), description="everything that the daemon writes lies below")
    archive: Path | None = Field(default=None, description="folder of native granules and station files")
    statics: Path | None = Field(default=None, description="folder of static layers when granules are fetched")
    archive_quota_gb: float = Field(default=500, gt=0, description="most that fetched files may take [10^9 bytes]")
    ledger_url: str = Field(default="", description="SQLAlchemy URL of the ledger; empty: SQLite under data")
    regions: Path = Field(default=PROJECT / "deployments" / "regions", description="folder of region files")
    region_file: Path | None = Field(default=None, description="one more region file, outside that folder")
    mlflow_uri: str = Field(default="", description="MLflow tracking and registry URI; empty: SQLite under data")
    prefect_api_url: str = Field(default="", description="Prefect server; empty: an embedded one under data")
    page_url: str = Field(default="", description="address of the map page, for links in run reports; empty: none")
    processes: int = Field(default=2, ge=1, le=256, description="worker processes for training and the twin")
    runs_at_once: int = Field(default=2, ge=1, le=256, description="flow runs that a worker has at once")
    keep_flow_runs: int = Field(default=60, ge=1, description="Prefect's flow runs with logs and artifacts [days]")
    keep_events: int = Field(default=7, ge=1, description="Prefect's events [days]")
    clock: Path | None = Field(default=None, description="file that holds the time, for rehearsals; empty: none")
    log_format: Literal["text", "json"] = Field(default="text", description="of the lines that flow runs write")

    @property
    def mlflow_tracking_uri(self) -> str:
        return self.mlflow_uri or f"sqlite:///{(self.data / 'mlflow' / 'mlflow.db').resolve()}"

    @property
    def ledger_database(self) -> str:
        return self.ledger_url or f"sqlite:///{(self.data / 'ledger' / 'ledger.db').resolve()}"


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment; keyword arguments that are not None win.

    Raises
    ------
    SettingsError   SM103, a variable does not have a usable value.
    """
    return read_settings(Settings, **{key: value for key, value in overrides.items() if value is not None})


def read_settings(kind: type[Read], **given: object) -> Read:
    """Settings of a kind from the environment; keyword arguments win.

    Raises
    ------
    SettingsError   SM103, a variable does not have a usable value (which is not shown: it may be secret).
    """
    try:
        return kind(**given)  # type: ignore[arg-type]
    except ValidationError as cause:
        first = cause.errors(include_input=False, include_context=False)[0]
        name = f"SM_{str(first['loc'][0]).upper()}: " if first["loc"] else ""
        problem = f"{name}{first['msg']}"
    raise SettingsError(problem)  # outside the handler: the cause would show the value


def export(settings: Settings) -> None:
    """Put the settings, and what Prefect and MLflow need, into this process's environment for itself and children.

    Must run before prefect or mlflow are imported. Embedded by default: no outside host, no telemetry.
    """
    data = settings.data.resolve()
    for name in ("data", "archive", "statics", "regions", "region_file"):
        value = getattr(settings, name)
        if value is not None:
            os.environ[f"SM_{name.upper()}"] = str(value.resolve())
    os.environ["SM_PROCESSES"] = str(settings.processes)
    if settings.page_url:
        os.environ["SM_PAGE_URL"] = settings.page_url.rstrip("/")
    if settings.prefect_api_url:
        os.environ["SM_PREFECT_API_URL"] = settings.prefect_api_url
    (data / "mlflow").mkdir(parents=True, exist_ok=True)
    defaults = {
        "PREFECT_HOME": str(data / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
        "PREFECT_LOGGING_LEVEL": "INFO",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "sm_core,tasks",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "MLFLOW_TRACKING_URI": settings.mlflow_tracking_uri,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "OMP_WAIT_POLICY": "PASSIVE",
    } | (JSON_LINES if settings.log_format == "json" else {})
    if settings.prefect_api_url:
        defaults |= {"PREFECT_API_URL": settings.prefect_api_url, "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false"}
    else:
        defaults["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] = "true"
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def export_services(settings: Settings, host: str, port: int) -> None:
    """``export``, and what services that live long want; for the processes that ``sm-daily up`` starts."""
    origin = f"http://{host}:{port}"
    defaults = {
        "PREFECT_SERVER_API_HOST": host,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join({origin, f"http://localhost:{port}"}),
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(settings.keep_flow_runs * 86400),
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": f"P{settings.keep_events}D",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO",
        "PREFECT_LOGGING_COLORS": "false",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "60",
        "PREFECT_WORKER_WEBSERVER_HOST": "127.0.0.1",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // settings.runs_at_once)),
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    # The work pool's commands say `python`, and mean this one
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    export(settings)


def prefect_database(settings: Settings) -> str:
    """URL of the Prefect server's database, if the server keeps it below the data folder or names it here."""
    named = os.environ.get("PREFECT_SERVER_DATABASE_CONNECTION_URL")
    home = Path(os.environ.get("PREFECT_HOME") or settings.data / "prefect")
    return named or f"sqlite:///{(home / 'prefect.db').resolve()}"


def environment() -> dict[str, str]:
    """This process's environment, for a child."""
    return dict(os.environ)


def fetch_from(providers: Mapping[str, str]) -> None:
    """Let this process and its children fetch from these providers (SM_* variables), not read a folder."""
    os.environ.pop("SM_ARCHIVE", None)
    os.environ.update(providers)


def serve_children(prefect_api_url: str) -> None:
    """Lead this process, a child, to its parent's Prefect server; before prefect is imported."""
    os.environ["PREFECT_API_URL"] = prefect_api_url


@contextmanager
def threads_for_children(threads: int) -> Iterator[None]:
    """Processes started inside use at most so many threads each in their numerical libraries."""
    names = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

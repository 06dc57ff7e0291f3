"""Every setting, read in one place: environment variables SM_*, explained in deployments/settings.example.env."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from sm_core.errors import SettingsError

PROJECT = Path(__file__).resolve().parents[1]


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
    processes: int = Field(default=2, ge=1, le=256, description="worker processes for training and the twin")

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
    try:
        return Settings(**{key: value for key, value in overrides.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as cause:
        first = cause.errors()[0]
        raise SettingsError(f"SM_{'_'.join(map(str, first['loc'])).upper()}: {first['msg']}") from cause


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
    }
    if settings.prefect_api_url:
        defaults["PREFECT_API_URL"] = settings.prefect_api_url
    else:
        defaults["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] = "true"
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def fetch_from(providers: Mapping[str, str]) -> None:
    """Let this process and its children fetch from these providers (SM_* variables), not read a folder."""
    os.environ.pop("SM_ARCHIVE", None)
    os.environ.update(providers)


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

"""Server, MLflow, page, metrics, worker and deployments on one machine, kept alive until told to stop.

This process computes nothing and imports neither Prefect nor MLflow: it is the one that must stay alive.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

import requests

from sm_core.domain import Record
from sm_core.errors import AlreadyRunningError, ProcessError, SettingsError
from tasks.adapters.locks import locked
from tasks.adapters.processes import Part, Patience, Supervisor
from tasks.settings import Settings, environment, export_services, load_settings

POOL = "sm-daily"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
Service = Literal["server", "mlflow", "page", "metrics", "worker"]
SERVICES: tuple[Service, ...] = get_args(Service)


class UpRequest(Record):
    """What is started, and where it listens."""

    host: str = "127.0.0.1"
    port: int = 4200
    mlflow_port: int = 5000
    page_port: int = 8050
    metrics_port: int = 9108
    names: tuple[str, ...] = ()
    """Host names that requests may be for, beside loopback's."""
    only: tuple[Service, ...] = ()
    """Empty: all that the settings do not say is elsewhere."""

    def services(self, settings: Settings) -> tuple[Service, ...]:
        """In the order in which they are started."""
        elsewhere = {"server": bool(settings.prefect_api_url), "mlflow": settings.mlflow_uri.startswith("http")}
        return tuple(one for one in SERVICES if (one in self.only if self.only else not elsewhere.get(one, False)))


def up(data: Path | None, request: UpRequest, tell: Callable[[str], object], patience: Patience | None = None) -> None:
    """Bring everything up, say so, and keep it so until SIGTERM or SIGINT.

    Raises
    ------
    AlreadyRunningError   SM602, it is up on this data folder, or a port is taken.
    ProcessError          SM601, a part cannot live, or the deployments are not taken.
    """
    settings = load_settings(data=data)
    services = request.services(settings)
    if not settings.prefect_api_url:
        settings = settings.model_copy(update={"prefect_api_url": f"http://{request.host}:{request.port}/api"})
    if "page" in services and not settings.page_url:
        settings = settings.model_copy(update={"page_url": f"http://{_reached(request.host)}:{request.page_port}"})
    settings.data.mkdir(parents=True, exist_ok=True)
    with locked(settings.data / f"up-{'-'.join(services)}.lock", wait=False) as alone:
        if not alone:
            raise AlreadyRunningError(f"sm-daily up is running on {settings.data}")
        for port in (_port(one, request) for one in services):
            _need_free(request.host, port)
        export_services(settings, request.host, request.port)
        _keep_up(services, settings, request, tell, patience)
    tell("ended")


def _keep_up(
    services: tuple[Service, ...], settings: Settings, request: UpRequest, tell: Callable[[str], object],
    patience: Patience | None,
) -> None:
    make = {"server": server, "mlflow": mlflow, "page": page, "metrics": metrics}
    supervisor = Supervisor(environment(), settings.data / "logs", patience)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, supervisor.end)
    try:
        views = [one for one in services if one != "worker"]
        tell(f"starting {', '.join(services)}")
        supervisor.start(*(make[one](settings, request) for one in views))
        if "worker" in services and not supervisor.ending:
            deploy(settings, tell)
            supervisor.start(worker(settings, request))
        if not supervisor.ending:
            tell(f"ready: {', '.join(services)}; {settings.prefect_api_url.removesuffix('/api')}")
        supervisor.watch()
    finally:
        tell("ending")
        supervisor.stop()


def server(settings: Settings, request: UpRequest) -> Part:
    """Prefect's server and user interface."""
    return Part("server", _module("prefect", "--no-prompt", "server", "start"),
                _answering(f"http://{_reached(request.host)}:{request.port}/api/health"))


def mlflow(settings: Settings, request: UpRequest) -> Part:
    """MLflow's server over the registry, to be looked at; the flows use the database itself."""
    if settings.mlflow_uri.startswith("http"):
        raise SettingsError("SM_MLFLOW_URI: a server that is elsewhere cannot be started here")
    names = tuple(dict.fromkeys(("localhost", "127.0.0.1", request.host, *request.names)))
    port = request.mlflow_port
    command = _module(
        "mlflow", "server", "--host", request.host, "--port", str(port), "--workers", "1", "--no-serve-artifacts",
        "--default-artifact-root", (settings.data.resolve() / "mlflow" / "artifacts").as_uri(),
        "--allowed-hosts", ",".join(text for name in names for text in (name, f"{name}:{port}")),
        "--cors-allowed-origins", ",".join(f"http://{name}:{port}" for name in names), "--x-frame-options", "DENY",
    )
    # Not an argument: it may hold a password, and everybody may read the list of processes
    return Part("mlflow", command, _answering(f"http://{_reached(request.host)}:{port}/health"),
                {"MLFLOW_BACKEND_STORE_URI": settings.mlflow_tracking_uri})


def page(settings: Settings, request: UpRequest) -> Part:
    """The map page with its interfaces."""
    names = [part for name in request.names for part in ("--name", name)]
    command = _module("flows", "serve", "--data", str(settings.data.resolve()), "--host", request.host, "--port",
                      str(request.page_port), *names)
    return Part("page", command, _answering(f"http://{_reached(request.host)}:{request.page_port}/api/regions"))


def metrics(settings: Settings, request: UpRequest) -> Part:
    """What Prometheus asks."""
    command = _module("flows", "metrics", "--data", str(settings.data.resolve()), "--host", request.host, "--port",
                      str(request.metrics_port))
    return Part("metrics", command, _answering(f"http://{_reached(request.host)}:{request.metrics_port}/metrics"))


def worker(settings: Settings, request: UpRequest) -> Part:
    """Takes runs from the pool, each in a process of its own."""
    name = f"{POOL}-{socket.gethostname()}"
    address = f"{settings.prefect_api_url}/work_pools/{POOL}/workers/filter"

    def online() -> bool:
        try:
            known = _session().post(address, json={}, timeout=10)
            return not known.ok or any(one["name"] == name and one["status"] == "ONLINE" for one in known.json())
        except requests.RequestException:
            return True  # the server is at fault, not the worker

    return Part("worker", _module("prefect", "--no-prompt", "worker", "start", "--pool", POOL, "--type", "process",
                                  "--name", name, "--limit", str(settings.runs_at_once)), online)


def deploy(settings: Settings, tell: Callable[[str], object]) -> None:
    """``sm-daily deploy`` in a process of its own.

    Raises
    ------
    ProcessError   SM601, the deployments are not taken.
    """
    done = subprocess.run(_module("flows", "deploy", "--data", str(settings.data)), capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise ProcessError(f"the deployments are not taken: {(done.stderr or done.stdout).strip()[-800:]}")
    tell(done.stdout.strip())


def _module(name: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name, *arguments)


def _answering(address: str) -> Callable[[], bool]:
    def asked() -> bool:
        try:
            return _session().get(address, timeout=10).ok
        except requests.RequestException:
            return False

    return asked


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session


def _reached(host: str) -> str:
    """The address of this machine under which one that listens at ``host`` is reached."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)


def _port(service: Service, request: UpRequest) -> int:
    return {"server": request.port, "mlflow": request.mlflow_port, "page": request.page_port,
            "metrics": request.metrics_port}.get(service, 0)


def _need_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            free.bind((host, port))
        except OSError as cause:
            raise AlreadyRunningError(f"port {port} of {host} cannot be listened at: {cause.strerror}") from cause

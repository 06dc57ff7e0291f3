# One image for every part: server, worker, page, training, tests. No secrets, no root.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY requirements.lock pyproject.toml README.md ./
RUN python -m venv /opt/sm-daily \
 && /opt/sm-daily/bin/pip install --no-cache-dir -r requirements.lock
COPY sm_core sm_core
COPY tasks tasks
COPY flows flows
COPY deployments deployments
RUN /opt/sm-daily/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim-bookworm
RUN apt-get update \
 && apt-get install -y --no-install-recommends libgomp1=12.* \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 10001 sm \
 && install -d -o sm -g sm /data /var/cache/sm-daily
COPY --from=build /opt/sm-daily /opt/sm-daily
USER 10001
ENV PATH=/opt/sm-daily/bin:$PATH \
    SM_DATA=/data \
    NUMBA_CACHE_DIR=/var/cache/sm-daily \
    PYTHONUNBUFFERED=1
# compiles the fusion kernel into that cache
RUN python -m sm_core.fusion
VOLUME /data
ENTRYPOINT ["sm-daily"]
CMD ["--help"]

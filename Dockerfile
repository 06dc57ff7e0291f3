# One image for daily runs, training and tests. No secrets, no root.
FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements.lock pyproject.toml README.md ./
RUN python -m venv /opt/sm-daily \
 && /opt/sm-daily/bin/pip install --no-cache-dir -r requirements.lock
COPY sm_core sm_core
COPY tasks tasks
COPY flows flows
COPY deployments deployments
RUN /opt/sm-daily/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends libgomp1 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 10001 sm \
 && install -d -o sm -g sm /data
COPY --from=build /opt/sm-daily /opt/sm-daily
USER sm
ENV PATH=/opt/sm-daily/bin:$PATH \
    SM_DATA=/data \
    PYTHONUNBUFFERED=1
# compiles the fusion kernel into the user's cache
RUN python -m sm_core.fusion
VOLUME /data
ENTRYPOINT ["sm-daily"]
CMD ["--help"]

# The capture service: slim, not as root, models inside; runs with a read-only root file system.
FROM python:3.12-slim-bookworm AS build
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY models models
COPY src src
RUN python -m venv /opt/idverify \
    && /opt/idverify/bin/pip install --no-cache-dir --only-binary :all: --no-binary idverify '.[serve-cluster,heif]' \
    && IDVERIFY_MODELS=/opt/models /opt/idverify/bin/idverify models pull

FROM python:3.12-slim-bookworm
COPY --from=build /opt/idverify /opt/idverify
COPY --from=build /opt/models /opt/models
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin idverify \
    && install -d -o idverify -g idverify -m 700 /data
ENV PATH=/opt/idverify/bin:$PATH IDVERIFY_MODELS=/opt/models PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1
USER idverify
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --start-period=30s CMD \
    ["python", "-c", "import httpx, sys; sys.exit(httpx.get('http://127.0.0.1:8080/healthz').status_code != 200)"]
ENTRYPOINT ["idverify", "serve", "--data", "/data", "--host", "0.0.0.0"]

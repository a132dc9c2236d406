# The server in an image of its own, with what HAYHOOKS_RATE_LIMIT needs. Pipelines live in the volume /data.
#
#   docker build -t hayhooks .
#   docker run --rm --read-only --tmpfs /tmp -p 127.0.0.1:1416:1416 -v hayhooks:/data -e HAYHOOKS_API_KEYS hayhooks
#
# Pipelines that import more packages need an image on top of this one: FROM hayhooks, then pip install.

FROM python:3.13-slim-bookworm AS build

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/hayhooks
WORKDIR /source
COPY pyproject.toml setup.cfg README.md LICENSE ./
COPY hayhooks/ hayhooks/
RUN /opt/hayhooks/bin/pip install ".[limits]"

FROM python:3.13-slim-bookworm

# A fixed number, so that the owner of a volume stays the same from image to image.
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin hayhooks \
    && install --directory --owner hayhooks /data/pipelines
COPY --from=build /opt/hayhooks /opt/hayhooks

# Byte code was made at installation. What Haystack and pipelines cache goes where a read-only root can be written.
ENV PATH=/opt/hayhooks/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    HAYSTACK_TELEMETRY_ENABLED=False \
    HAYHOOKS_PIPELINES_DIR=/data/pipelines

USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 1416
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --start-interval=1s \
    CMD ["hayhooks", "health", "--url", "http://127.0.0.1:1416"]

# The port is published by whoever runs the image; inside, all addresses are the container's own.
CMD ["hayhooks", "run", "--host", "0.0.0.0", "--port", "1416"]

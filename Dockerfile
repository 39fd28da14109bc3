# Plimsoll as an image: made from uv.lock, as scripts/run makes it. Runs as a user of its own.
FROM python:3.13-slim AS made
ARG UV_VERSION=0.13.9
RUN pip install --no-cache-dir "uv==${UV_VERSION}"
WORKDIR /opt/plimsoll
COPY . .
RUN uv sync --frozen --no-dev --no-cache

FROM python:3.13-slim
RUN useradd --system --create-home --home-dir /var/lib/plimsoll --uid 8750 plimsoll
COPY --from=made /opt/plimsoll /opt/plimsoll
ENV PATH="/opt/plimsoll/.venv/bin:${PATH}"
USER 8750
WORKDIR /var/lib/plimsoll
VOLUME /var/lib/plimsoll
ENTRYPOINT ["plimsoll"]
CMD ["run"]

# Plimsoll as an image: made from uv.lock, as scripts/run makes it. Runs as a user of its own.
FROM python:3.13-slim AS made
ARG UV_VERSION=0.13.9
RUN pip install --no-cache-dir "uv==${UV_VERSION}"
WORKDIR /opt/plimsoll
COPY . .
# Compiled here: nothing can be written beside the modules later, and without it every start compiles
# all of them again, which doubles its time.
RUN uv sync --frozen --no-dev --no-cache --compile-bytecode \
    && .venv/bin/python -m compileall -q alerts api client collector dashboards detector storage

FROM python:3.13-slim
RUN groupadd --gid 8750 plimsoll \
    && useradd --uid 8750 --gid 8750 --no-create-home --home-dir /var/lib/plimsoll plimsoll \
    && install --directory --mode 0700 --owner 8750 --group 8750 /var/lib/plimsoll
COPY --from=made /opt/plimsoll /opt/plimsoll
ENV PATH="/opt/plimsoll/.venv/bin:${PATH}"
USER 8750:8750
WORKDIR /var/lib/plimsoll
VOLUME /var/lib/plimsoll
ENTRYPOINT ["plimsoll"]
CMD ["run"]

FROM python:3.13-slim AS build

# Wheels only: this image has no compiler either.
RUN python -m venv --without-pip /venv
COPY requirements.txt .
RUN pip --disable-pip-version-check --no-cache-dir --python /venv/bin/python install \
      --no-compile --only-binary :all: --require-hashes --requirement requirements.txt

WORKDIR /srv
COPY gunicorn.conf.py ./
COPY migrations/ migrations/
COPY attack/ attack/
COPY app/ app/
# Compile to bytecode that is never checked against its source: a start reads less, and the file system can be read-only.
RUN python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib app attack migrations


FROM python:3.13-slim

LABEL org.opencontainers.image.title="Latchkey" \
      org.opencontainers.image.description="The authentication service you can read, run and own"

RUN groupadd --gid 10001 latchkey \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin latchkey \
 && install --directory --mode=700 --owner=10001 --group=10001 /var/lib/latchkey # a volume there may hold SQLite
COPY --from=build /venv /venv
COPY --from=build /srv /srv

WORKDIR /srv
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    FLASK_APP=app \
    HOST=0.0.0.0
USER 10001:10001
EXPOSE 5000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=4s --start-period=40s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ.get('PORT') or 5000}/health/live\", timeout=3)"]
CMD ["gunicorn", "--config", "gunicorn.conf.py", "app.wsgi:app"]

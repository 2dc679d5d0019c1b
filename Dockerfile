# The engine and its command line; settings come as TAPWATCH_... variables or a mounted file.
FROM python:3.11-slim

WORKDIR /app
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY alerting alerting
COPY detectors detectors
COPY flows flows
COPY geo geo
COPY proto proto
COPY replay replay
RUN pip install --no-cache-dir --no-deps . \
    && useradd --system --uid 10001 tapwatch \
    && install -d -o tapwatch /data

USER tapwatch
VOLUME /data
EXPOSE 50551 50552
ENTRYPOINT ["tapwatch"]

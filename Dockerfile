# The gate with everything that it needs. Run it with the files of the model repository mounted:
#   docker run --rm --gpus all --user "$(id -u):$(id -g)" -e HOME=/tmp -v "$PWD:$PWD" -w "$PWD" IMAGE run gate.yaml
FROM python:3.11-slim-bookworm

# git names the commit in the round; nothing else is needed beside Python.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*

# A module lying in the judged repository must never be imported in place of ours.
ENV PYTHONSAFEPATH=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1

# The heavy layer changes only with the dependencies, the thin one with every commit.
WORKDIR /opt/gate
COPY constraints.txt ./
RUN pip install torch -c constraints.txt
COPY pyproject.toml README.md LICENSE ./
COPY gate ./gate
RUN pip install -c constraints.txt .

ENTRYPOINT ["gate"]
CMD ["--help"]

# The gate with everything that it needs. The Action's launcher builds and runs it; by hand, in a model repository:
#   docker run --rm --gpus all --user "$(id -u):$(id -g)" -v "$PWD:$PWD" -w "$PWD" IMAGE run gate.yaml
#
# Two images come out of it. The last stage is the gate. `--target publish` is the gate without torch and the model
# libraries: enough to post a finished round, and small enough to be built on a hosted runner in a minute.
#
# A private package index: hand over a pip.conf with `--secret id=pip,src=pip.conf`. It does not stay in the image.
ARG BASE_IMAGE=python:3.11-slim-bookworm@sha256:b18992999dbe963a45a8a4da40ac2b1975be1a776d939d098c647482bcad5cba

FROM ${BASE_IMAGE} AS system
# git reads configuration and candidate from commits, git-lfs their weights. Versions are those of the pinned base's Debian.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git git-lfs \
    && rm -rf /var/lib/apt/lists/* \
    # As a Docker action it runs as root, in a workspace that belongs to the runner's user.
    && git config --system --add safe.directory '*'
# PYTHONSAFEPATH: a module lying in the judged repository is never imported in place of ours.
# HOME, LOGNAME: the user who runs it is in no password file, and has no home.
ENV PATH=/opt/gate/venv/bin:/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin \
    PYTHONSAFEPATH=1 \
    PYTHONNOUSERSITE=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    HOME=/tmp \
    LOGNAME=gate
WORKDIR /opt/gate
RUN python3 -m venv venv

FROM system AS wheel
COPY pyproject.toml README.md LICENSE ./
COPY gate ./gate
RUN --mount=type=secret,id=pip,target=/etc/pip.conf pip wheel --no-deps --wheel-dir wheels .

# The dependencies, as pyproject.toml names them: these layers change only with it and with the pinned versions.
FROM system AS light
COPY constraints.txt pyproject.toml ./
RUN python3 -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
        print(*project['dependencies'], *project['optional-dependencies']['quantization'], sep='\n')" >requirements.txt \
    && grep -vE '^(torch|transformers|peft|bitsandbytes)[^a-z]' requirements.txt >light.txt
RUN --mount=type=secret,id=pip,target=/etc/pip.conf pip install -c constraints.txt -r light.txt

FROM light AS heavy
RUN --mount=type=secret,id=pip,target=/etc/pip.conf pip install -c constraints.txt -r requirements.txt

FROM light AS publish
RUN --mount=type=bind,from=wheel,source=/opt/gate/wheels,target=/wheels pip install --no-deps --no-index /wheels/*.whl
ARG VERSION=local
ARG REVISION=unknown
RUN printf '%s %s\n' "$VERSION" "$REVISION" >IMAGE
LABEL org.opencontainers.image.title="gate (publishing only)" \
      org.opencontainers.image.description="Posts a finished round of the gate. Holds no model libraries." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
HEALTHCHECK --interval=60s --timeout=10s CMD ["gate", "--version"]
ENTRYPOINT ["gate"]
CMD ["--help"]

# No USER: the runner's user is given by whoever starts it, and must own what is written.
FROM heavy AS gate
RUN --mount=type=bind,from=wheel,source=/opt/gate/wheels,target=/wheels pip install --no-deps --no-index /wheels/*.whl
ARG VERSION=local
ARG REVISION=unknown
# That this file exists tells the launcher that it runs inside the image already.
RUN printf '%s %s\n' "$VERSION" "$REVISION" >IMAGE
LABEL org.opencontainers.image.title="gate" \
      org.opencontainers.image.description="A regression gate for fine-tuned language models" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
HEALTHCHECK --interval=60s --timeout=10s CMD ["gate", "--version"]
ENTRYPOINT ["gate"]
CMD ["--help"]

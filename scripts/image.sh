# shellcheck shell=bash
# Which image a step runs in. Sourced by launch.sh; sets IMAGE.

find_image() {
    case $GATE_IMAGE in
        build) build_image ;;
        *) pull_image ;;
    esac
}

pull_image() {
    IMAGE=$GATE_IMAGE
    if docker image inspect "$IMAGE" >/dev/null 2>&1; then return; fi
    patiently docker pull --quiet "$IMAGE" >&2 ||
        fail 4 "The image $(shown "$IMAGE") cannot be pulled; Docker's reason is above. Log in before this step, or set \`image: build\`."
}

# The tag says what is inside, so each step of a job, and each job on this runner, finds what the first one built.
# Where nothing is judged, the image without the model libraries will do.
build_image() {
    local target=gate
    if [ "${GATE_MODE:-run}" = publish ]; then target=publish; fi
    IMAGE=gate-action:$target-$(sources_digest)
    if docker image inspect "$IMAGE" >/dev/null 2>&1; then return; fi
    echo "gate: building $IMAGE from $(shown "$ROOT"); once for each version of the Action on this runner" >&2
    # Set by whoever runs the runner, for a proxy or a private index; the words of an option list.
    local options
    read -ra options <<<"${GATE_BUILD_OPTIONS-}"
    DOCKER_BUILDKIT=1 patiently docker build "${options[@]}" --target "$target" --tag "$IMAGE" "$ROOT" >&2 ||
        fail 4 "The image cannot be built; Docker's reason is above. GATE_BUILD_OPTIONS takes options of docker build, such as a proxy."
}

sources_digest() {
    (
        cd -- "$ROOT" || exit
        find Dockerfile constraints.txt pyproject.toml README.md LICENSE gate -type f ! -name '*.pyc' -print0 |
            LC_ALL=C sort --zero-terminated | xargs --null sha256sum | sha256sum | cut -c1-16
    )
}

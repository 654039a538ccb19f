#!/usr/bin/env bash
# Starts one step of the Action, in a container or on the runner itself, with the least that the step needs.
#
# Usage: launch.sh answer | compare | publish | clean-up
#
# Reads the inputs as GATE_* variables (see action.yml) and what the runner tells of the workflow run. Nothing that it
# reads is ever run as code. It becomes the step (`exec`), so that signals reach it and its exit code is the step's:
#   answer    has two parts: the first fetches models and sees the network, the model cache and at most HF_TOKEN; the
#             second runs them and sees the GPU and no secret; in a container no model cache that it could change,
#             and a network only where a server or a cluster answers
#   compare   sees no network, no GPU, no cache and no secret
#   publish   sees GITHUB_TOKEN, the network and the runner's files; no model and no GPU
#   clean-up  removes what an earlier step of this job left behind
# The steps meet in $RUNNER_TEMP/gate.
set -Eeuo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/environment.sh
. "$ROOT/scripts/environment.sh"
# shellcheck source=scripts/image.sh
. "$ROOT/scripts/image.sh"
# shellcheck source=scripts/container.sh
. "$ROOT/scripts/container.sh"

# A cancelled job gets SIGINT, and SIGTERM 7.5 seconds later. `exec` gives both back to what is started.
trap cancelled INT TERM

STEP=${1-}
IMAGE_MARKER=/opt/gate/IMAGE

# fail CODE MESSAGE: one sentence for the log, and for publish, which tells it to the pull request.
fail() {
    printf 'gate: %s\n' "$2" >&2
    case $STEP in
        answer | compare)
            if [ -d "${GATE_WORK-}" ] && [ ! -e "$GATE_WORK/problem.json" ]; then leave_problem "$1" "$2" || true; fi
            ;;
    esac
    exit "$1"
}

cancelled() { fail 130 "Interrupted: the job was cancelled."; }

# stopped_with CODE: ends the step as fetching ended, with an exit code of the gate that is no verdict.
stopped_with() {
    case $1 in
        3 | 4 | 130) exit "$1" ;;
        137) fail 4 "What fetches models was killed (exit code 137), perhaps because memory ran out." ;;
        *) fail 4 "What fetches models broke off (exit code $1); the reason is above." ;;
    esac
}

# 1 is a verdict: whatever breaks here must not look like one.
trap 'fail 4 "The launcher broke off (line $LINENO); the reason is above."' ERR

# leave_problem CODE MESSAGE: under a new name first, because a link may lie where the file is to be.
leave_problem() {
    local file
    file=$(mktemp -- "$GATE_WORK/problem.XXXXXXXX") || return
    printf '{"step": "%s", "exit_code": %d, "message": "%s", "adapter": null}\n' \
        "$STEP" "$1" "$(json_text "$2")" >"$file" || return
    mv -fT -- "$file" "$GATE_WORK/problem.json"
}

# json_text TEXT: the inside of a JSON string. What is quoted, and a cut in the middle of a character, may be no UTF-8.
json_text() {
    local text
    text=$(printf '%s' "${1:0:4000}" | { iconv -c -f UTF-8 -t UTF-8 2>/dev/null || true; })
    text=${text//\\/\\\\}
    text=${text//\"/\\\"}
    printf '%s' "$text" | tr '\000-\037' ' '
}

# patiently COMMAND...: runs it so that a cancelled job does not wait for it, but for a moment.
patiently() {
    local child code=0
    "$@" &
    child=$!
    trap 'end "$child"; cancelled' INT TERM
    wait "$child" || code=$?
    trap cancelled INT TERM
    return "$code"
}

# end PROCESS: tells it to end, and makes it, if it has not within 6 seconds: a step of the gate needs 5 at most.
end() {
    local _
    kill "$1" 2>/dev/null || return 0
    for _ in {1..60}; do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL "$1" 2>/dev/null || true
}

prepare_folders() {
    if [ -z "${RUNNER_TEMP-}" ] || [ -z "${GITHUB_WORKSPACE-}" ]; then
        fail 3 "RUNNER_TEMP and GITHUB_WORKSPACE are not set: this script is started by action.yml, on a runner."
    fi
    export GATE_WORK=$RUNNER_TEMP/gate
    SCRATCH=$RUNNER_TEMP/gate-scratch/$STEP
    NAMES=$RUNNER_TEMP/gate-containers
    # What an earlier use in the same job left here must not be taken for this one's results.
    export GATE_NEEDS_NETWORK=$SCRATCH/needs-network
    if [ "$STEP" = answer ]; then rm -rf -- "$GATE_WORK" "$GATE_NEEDS_NETWORK"; fi
    if [ "$STEP" = compare ] || [ "$STEP" = publish ]; then only_plain_files; fi
    # Whatever the step that runs the model left as a verdict is none, even if this step gets no further.
    if [ "$STEP" = compare ]; then remove_rounds; fi
    if [ "$STEP" != clean-up ]; then mkdir -p -- "$GATE_WORK" "$SCRATCH/home" "$SCRATCH/tmp"; fi
    HUB_CACHE=${GATE_HF_CACHE:-${HF_HOME:-${HOME:-$RUNNER_TEMP}/.cache/huggingface}}
    ANSWER_CACHE=${GATE_CACHE_DIR:-${HOME:-$RUNNER_TEMP}/.cache/finetune-gate}
}

# only_plain_files: the work folder has been written to beside a model, or comes from another run. What is read or
# uploaded from it later must not be a link to something else of this machine.
only_plain_files() {
    if [ -L "$GATE_WORK" ]; then rm -f -- "$GATE_WORK"; fi
    if [ ! -d "$GATE_WORK" ]; then return; fi
    chmod -R u+rwX -- "$GATE_WORK"
    find "$GATE_WORK" ! -type d ! -type f -delete
}

remove_rounds() { rm -rf -- "$GATE_WORK"/rounds/*/round.json "$GATE_WORK"/rounds/*/report.md; }

check_inputs() {
    case ${GATE_MODE:-run} in
        run | publish) ;;
        *) fail 3 "The input \`mode\` is $(shown "$GATE_MODE"). Write run or publish." ;;
    esac
    if ! [[ ${GATE_GPUS:=all} =~ ^(all|none|[1-9][0-9]?|device=[A-Za-z0-9:/,_-]{1,200})$ ]]; then
        fail 3 "The input \`gpus\` is $(shown "$GATE_GPUS"). Write all, none, a number, or device=0,1."
    fi
    if [[ ${GATE_IMAGE:=build} = -* ]]; then
        fail 3 "The input \`image\` is $(shown "$GATE_IMAGE"). Write build, or the name of an image."
    fi
    if [[ ${GATE_NETWORK-} = -* || ${GATE_NETWORK-} = container:* ]]; then
        fail 3 "The input \`network\` is $(shown "$GATE_NETWORK"). Write none, host, or the name of a Docker network."
    fi
    if [ "$STEP" = answer ]; then check_caches; fi
}

check_caches() {
    local folder
    for folder in "$HUB_CACHE" "$ANSWER_CACHE"; do
        if [[ $folder != /* || $folder = *[$'\n"']* ]]; then
            fail 3 "The cache folder $(shown "$folder") must be an absolute path without quotes and line breaks."
        fi
    done
    # Whoever commits files would bring models and answers of his own.
    if within "$HUB_CACHE" "$GITHUB_WORKSPACE" || within "$ANSWER_CACHE" "$GITHUB_WORKSPACE" ||
        within "$GITHUB_WORKSPACE" "$HUB_CACHE/hub" || within "$GITHUB_WORKSPACE" "$ANSWER_CACHE"; then
        fail 3 "The model cache (input \`hf-cache\`, HF_HOME) and GATE_CACHE_DIR must lie outside the workspace, which holds what a pull request commits."
    fi
}

# within ONE OTHER: whether a folder, which need not exist, is another or lies below it.
within() {
    local one other
    one=$(realpath --canonicalize-missing -- "$1")
    other=$(realpath --canonicalize-missing -- "$2")
    [[ $one/ = "$other"/* ]]
}

# Answers of what is on a branch already are never taken over from what is only proposed: whoever writes an adapter
# might write into the cache that his run can reach. Whoever may push, or start a workflow by hand, is trusted.
separate_answers() {
    case ${GITHUB_EVENT_NAME-} in
        push | schedule | workflow_dispatch | repository_dispatch) ANSWER_CACHE+=/merged ;;
        *) ANSWER_CACHE+=/proposed ;;
    esac
}

# shown TEXT: a value from outside, so that a line of the log cannot be a workflow command.
shown() { printf '%q' "$1"; }

# choose_runtime: sets RUNTIME to docker or host.
choose_runtime() {
    case ${GATE_RUNTIME:-auto} in
        docker | host) RUNTIME=$GATE_RUNTIME ;;
        auto)
            if [ -e "$IMAGE_MARKER" ]; then
                RUNTIME=host
            elif docker version --format '{{.Server.Version}}' >/dev/null 2>&1; then
                RUNTIME=docker
            else
                fail 4 "Docker does not answer on this runner. Install Docker (and let the runner's user use it), or run the job in the gate's image (\`container:\`), or install gate on the runner and set \`runtime: host\`."
            fi
            ;;
        *) fail 3 "The input \`runtime\` is $(shown "$GATE_RUNTIME"). Write auto, docker or host." ;;
    esac
}

run_on_host() {
    command -v gate >/dev/null || fail 4 "There is no command \`gate\` on this runner. Install it (pip install, see docs/action.md), or set \`runtime: docker\`."
    if [ "$STEP" = answer ]; then
        export HF_HOME=$SCRATCH/huggingface HF_HUB_CACHE=$HUB_CACHE/hub GATE_CACHE_DIR=$ANSWER_CACHE
    fi
    choose_gpus
    export HOME=$SCRATCH/home TMPDIR=$SCRATCH/tmp PYTHONSAFEPATH=1
    cd -- "$SCRATCH"
    env -i PATH="$PATH" HOME="$HOME" LD_LIBRARY_PATH="${LD_LIBRARY_PATH-}" PYTHONSAFEPATH=1 gate --version >/dev/null ||
        fail 4 "The command \`gate\` on this runner does not start; its reason is above. Install it again, or set \`runtime: docker\`."
    if [ "$STEP" = answer ]; then patiently become fetch || stopped_with "$?"; fi
    become "$STEP"
}

# choose_gpus: sets CUDA_VISIBLE_DEVICES; of the GPUs that the runner's owner gives it, never to others.
choose_gpus() {
    local own=${CUDA_VISIBLE_DEVICES-} one wanted
    case $STEP:$GATE_GPUS in
        answer:all) return ;;
        answer:device=*)
            wanted=${GATE_GPUS#device=}
            for one in ${wanted//,/ }; do
                if [ -n "${CUDA_VISIBLE_DEVICES+set}" ] && [[ ,$own, != *",$one,"* ]]; then
                    fail 4 "The workflow asks for the GPU $one (gpus: $GATE_GPUS), and CUDA_VISIBLE_DEVICES of this runner is $(shown "$own")."
                fi
            done
            ;;
        answer:[0-9]*)
            if [ -z "${CUDA_VISIBLE_DEVICES+set}" ]; then own=$(seq -s , 0 $((GATE_GPUS - 1))); fi
            # Where the runner has fewer, the step itself says so.
            wanted=$(cut -d , -f "1-$GATE_GPUS" <<<"$own")
            ;;
        *) wanted= ;;
    esac
    export CUDA_VISIBLE_DEVICES=$wanted
}

clean_up() {
    local name
    if [ -s "$NAMES" ]; then
        while IFS= read -r name; do
            docker rm --force "$name" >/dev/null 2>&1 || true
        done <"$NAMES"
    fi
    rm -rf -- "$NAMES" "$RUNNER_TEMP/gate-scratch"
}

case $STEP in
    answer | compare | publish | clean-up) prepare_folders ;;
    *) fail 3 "Usage: launch.sh answer | compare | publish | clean-up" ;;
esac
if [ "$STEP" = clean-up ]; then
    clean_up
    exit 0
fi
check_inputs
separate_answers
if [ "$STEP" = answer ]; then mkdir -p -- "$HUB_CACHE/hub" "$ANSWER_CACHE"; fi
choose_runtime
if [ "$RUNTIME" = host ]; then run_on_host; fi
find_image
run_in_container

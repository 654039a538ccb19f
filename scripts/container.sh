# shellcheck shell=bash
# One step in a container that can reach nothing it was not given. Sourced by launch.sh.
#
# Paths are the same inside and outside, so nothing that the runner or the gate writes down needs translation. The
# workspace is read-only: it holds what a pull request wrote, and nothing of it is run.

# mount PATH [readonly]: prints the value of --mount; quoted, because a path may hold a comma.
mount() { printf 'type=bind,"source=%s","target=%s"%s' "$1" "$1" "${2:+,$2}"; }

run_in_container() {
    # What cannot start is told before anything is fetched for it.
    check_start
    if [ "$STEP" = answer ]; then
        local code=0
        options_of fetch
        patiently docker run "${OPTIONS[@]}" "$IMAGE" action fetch || code=$?
        if [ "$code" -ne 0 ]; then stopped_with "$code"; fi
    fi
    options_of "$STEP"
    exec docker run "${OPTIONS[@]}" "$IMAGE" action "$STEP"
}

# options_of PART: sets OPTIONS to what `docker run` is told for this part of a step.
options_of() {
    local name=gate-${GITHUB_RUN_ID:-0}-${GITHUB_RUN_ATTEMPT:-0}-$1-$$-$RANDOM
    # Noted before anything starts: clean-up must find it whatever happens.
    printf '%s\n' "$name" >>"$NAMES"
    passed_variables "$1"
    OPTIONS=(
        --name "$name"
        --rm --init --pull never --no-healthcheck
        --user "$(id -u):$(id -g)" --cap-drop ALL --security-opt no-new-privileges
        --read-only --tmpfs "/tmp:rw,exec,nosuid,nodev,mode=1777" --pids-limit 8192
        --workdir "$SCRATCH" --env "HOME=$SCRATCH/home" --env "TMPDIR=$SCRATCH/tmp"
        --mount "$(mount "$GITHUB_WORKSPACE" readonly)"
        --mount "$(mount "$GATE_WORK")" --mount "$(mount "$SCRATCH")"
    )
    local variable
    for variable in "${PASSED[@]}"; do
        # By name only: the value is taken from the environment, never seen in a list of processes.
        if [ -n "${!variable+set}" ]; then OPTIONS+=(--env "$variable"); fi
    done
    if [ -f "${GITHUB_EVENT_PATH-}" ]; then OPTIONS+=(--mount "$(mount "$GITHUB_EVENT_PATH" readonly)"); fi
    "options_of_$1"
}

options_of_fetch() {
    no_gpu
    certificates
    local network=${GATE_NETWORK-} rights=
    # Whoever says that nothing may be fetched has everything there already.
    if offline; then
        : "${network:=none}"
        rights="readonly"
    fi
    if [ -n "$network" ]; then OPTIONS+=(--network "$network"); fi
    mount_models $rights
}

# mount_models [readonly]: of the hub's folder only the models; a token of the runner's user may lie beside them.
mount_models() {
    OPTIONS+=(
        --mount "$(mount "$HUB_CACHE/hub" "$@")" --env "HF_HUB_CACHE=$HUB_CACHE/hub" --env "HF_HOME=$SCRATCH/huggingface"
    )
}

options_of_answer() {
    # What the hub has is there by now, and an adapter cannot change what later runs load.
    OPTIONS+=(
        --shm-size 2g --env HF_HUB_OFFLINE=1
        --mount "$(mount "$ANSWER_CACHE")" --env "GATE_CACHE_DIR=$ANSWER_CACHE"
    )
    mount_models readonly
    case $GATE_GPUS in
        none) no_gpu ;;
        *,*) OPTIONS+=(--gpus "\"$GATE_GPUS\"") ;;
        *) OPTIONS+=(--gpus "$GATE_GPUS") ;;
    esac
    if ! [ -e "$GATE_NEEDS_NETWORK" ]; then
        OPTIONS+=(--network none)
    elif [ -n "${GATE_NETWORK-}" ]; then
        OPTIONS+=(--network "$GATE_NETWORK")
    fi
    certificates
}

options_of_compare() {
    no_gpu
    OPTIONS+=(--network none)
}

options_of_publish() {
    no_gpu
    certificates
    if [ -n "${GATE_NETWORK-}" ] && [ "$GATE_NETWORK" != none ]; then OPTIONS+=(--network "$GATE_NETWORK"); fi
    local file
    for file in "${GITHUB_OUTPUT-}" "${GITHUB_STEP_SUMMARY-}"; do
        if [ -f "$file" ]; then OPTIONS+=(--mount "$(mount "$file")"); fi
    done
}

# Where nvidia is the default runtime, a container gets every GPU unless it says otherwise.
no_gpu() { OPTIONS+=(--env NVIDIA_VISIBLE_DEVICES=void --env CUDA_VISIBLE_DEVICES=); }

certificates() {
    local path
    for path in "${REQUESTS_CA_BUNDLE-}" "${SSL_CERT_FILE-}" "${SSL_CERT_DIR-}"; do
        case " ${OPTIONS[*]} " in *"\"source=$path\""*) continue ;; esac
        if [ -e "$path" ]; then OPTIONS+=(--mount "$(mount "$path" readonly)"); fi
    done
}

# check_start: a container with the step's options that does nothing. After `exec` nobody could turn Docker's own exit
# code 125 into one of the gate's, or say what to do about it.
check_start() {
    local said code=0
    options_of "$STEP"
    patiently docker run "${OPTIONS[@]}" --entrypoint true "$IMAGE" >"$SCRATCH/start.log" 2>&1 || code=$?
    if [ "$code" -eq 0 ]; then return; fi
    said=$(tr -s '\r\n\t ' ' ' <"$SCRATCH/start.log")
    case $STEP:$GATE_GPUS:$said in
        compare:* | publish:* | answer:none:*) ;;
        *'could not select device driver'* | *nvidia* | *NVIDIA*)
            fail 4 "The workflow asks for a GPU (gpus: $GATE_GPUS), and Docker on this runner cannot hand one out: ${said% } Install the NVIDIA driver and nvidia-container-toolkit and run \`nvidia-ctk runtime configure --runtime=docker\`, or set \`gpus: none\` to use the CPU."
            ;;
    esac
    fail 4 "Docker cannot start the container: ${said% }"
}

# shellcheck shell=bash
# Which variables a step may see. Sourced by launch.sh; everything that is not named here stays outside.

# What the runner tells of the workflow run. None of it is secret.
OF_THE_RUN=(
    CI GITHUB_ACTIONS GITHUB_ACTOR GITHUB_API_URL GITHUB_BASE_REF GITHUB_EVENT_NAME GITHUB_EVENT_PATH
    GITHUB_GRAPHQL_URL GITHUB_HEAD_REF GITHUB_JOB GITHUB_REF GITHUB_REF_NAME GITHUB_REF_TYPE GITHUB_REPOSITORY
    GITHUB_REPOSITORY_OWNER GITHUB_RUN_ATTEMPT GITHUB_RUN_ID GITHUB_RUN_NUMBER GITHUB_SERVER_URL GITHUB_SHA
    GITHUB_WORKFLOW GITHUB_WORKSPACE RUNNER_TEMP
)
# The inputs of action.yml that a step reads itself, and the folder where the steps meet.
OF_THE_ACTION=(
    GATE_ADAPTER GATE_ALLOW_PULL_REQUEST_TARGET GATE_CANDIDATE_REF GATE_CHECK_RUN GATE_COMMENT GATE_COMMENT_ID
    GATE_CONFIG GATE_CONFIG_REF GATE_FAIL_ON GATE_GPUS GATE_PR_NUMBER GATE_TIMEOUT_MINUTES GATE_WORK
)
# How to reach anything outside: proxies and private certificates.
OF_THE_NETWORK=(
    HTTPS_PROXY HTTP_PROXY NO_PROXY https_proxy http_proxy no_proxy REQUESTS_CA_BUNDLE SSL_CERT_DIR SSL_CERT_FILE
)
OF_THE_HUB=(HF_ENDPOINT HF_HUB_OFFLINE HF_TOKEN)
# Without a container, what a program needs to start. In the image these have their own values.
OF_THE_HOST=(
    CUDA_VISIBLE_DEVICES GATE_CACHE_DIR HF_HOME HF_HUB_CACHE HOME LANG LC_ALL LD_LIBRARY_PATH LOGNAME
    NVIDIA_VISIBLE_DEVICES OMP_NUM_THREADS PATH PYTHONSAFEPATH RUNNER_TRACKING_ID TMPDIR USER
)

# passed_variables PART: sets PASSED to the names that this part of a step may see.
passed_variables() {
    PASSED=("${OF_THE_RUN[@]}" "${OF_THE_ACTION[@]}")
    case $1 in
        fetch)
            PASSED+=("${OF_THE_NETWORK[@]}" "${OF_THE_HUB[@]}" GATE_NEEDS_NETWORK)
            # An empty token is not the same as none: it would be sent.
            if [ -z "${HF_TOKEN-}" ]; then unset HF_TOKEN; fi
            if offline; then export HF_HUB_OFFLINE=1; fi
            ;;
        answer) PASSED+=("${OF_THE_NETWORK[@]}") ;;
        publish) PASSED+=("${OF_THE_NETWORK[@]}" GITHUB_TOKEN GITHUB_OUTPUT GITHUB_STEP_SUMMARY) ;;
    esac
}

# offline: whether nothing is fetched.
offline() {
    [ "${GATE_NETWORK-}" = none ] || [[ ${HF_HUB_OFFLINE-} =~ ^(1|[Oo][Nn]|[Yy][Ee][Ss]|[Tt][Rr][Uu][Ee])$ ]]
}

# become PART: this part of a step, on the runner itself, with what it may see.
become() {
    passed_variables "$1"
    if [ "$1" = answer ]; then # what the hub has is there by now
        export HF_HUB_OFFLINE=1
        PASSED+=(HF_HUB_OFFLINE)
    fi
    keep_only "${PASSED[@]}" "${OF_THE_HOST[@]}"
    # Bash hands on variables with names that it cannot hold itself, such as `a.b`, and does not list them.
    local entry
    local -a without=()
    while IFS= read -r -d '' entry; do
        if ! [[ ${entry%%=*} =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]]; then without+=("--unset=${entry%%=*}"); fi
    done < <(env --null)
    exec env "${without[@]}" gate action "$1"
}

# keep_only NAME...: takes every other variable out of the environment of what is started from here.
keep_only() {
    local name kept=" $* "
    while IFS= read -r name; do
        case $kept in
            *" $name "*) ;;
            *) unset -v "$name" 2>/dev/null || export -n "${name?}" ;;
        esac
    done < <(compgen -e)
}

#!/usr/bin/env bash
# Runs the gate on the runner itself and hands the results to the workflow.
#
# Usage: run_in_workspace.sh BIN
#   BIN: folder of the `gate` and `python` commands to use.
# Reads GATE_CONFIG, GATE_ADAPTER, GATE_FAIL_ON, RUNNER_TEMP, GITHUB_OUTPUT, GITHUB_STEP_SUMMARY.
# Exits with the code of the gate.
set -uo pipefail

bin=$1
output=$RUNNER_TEMP/gate-out
options=(--output "$output")
[ -z "${GATE_ADAPTER:-}" ] || options+=(--adapter "$GATE_ADAPTER")
[ -z "${GATE_FAIL_ON:-}" ] || options+=(--fail-on "$GATE_FAIL_ON")

# What an earlier job left here must not be taken for this one's result.
rm -rf -- "$output"

# The report holds model and case text. A line of it that looks like a workflow command must not be one.
token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
echo "::stop-commands::$token"
"$bin/gate" run "${options[@]}" -- "${GATE_CONFIG:-gate.yaml}"
code=$?
echo "::$token::"

"$bin/python" -I "$(dirname -- "${BASH_SOURCE[0]}")/write_outputs.py" "$output" "$code"
exit "$code"

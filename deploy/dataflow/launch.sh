#!/usr/bin/env bash
# Builds graphs on Dataflow: deploy/dataflow/launch.sh ARGS_FILE INPUT... --output gs://BUCKET/graphs
# ARGS_FILE is a copy of deploy/dataflow/build.args with your names in it.
set -euo pipefail
arguments_file=${1:?"usage: launch.sh ARGS_FILE INPUT... --output gs://BUCKET/graphs"}
shift
mapfile -t options < <(grep -Ev '^[[:space:]]*(#|$)' "$arguments_file")
if grep -Eq '\b(PROJECT|REGION|BUCKET|REPOSITORY)\b' <<<"${options[*]}"; then
  echo "error: $arguments_file still has PROJECT, REGION, BUCKET or REPOSITORY in it; put your names there." >&2
  exit 2
fi
exec webgraph build "$@" "${options[@]}"

#!/bin/sh
# Start the strategy of the present folder with the key in the folder SECRETS; further options follow those of live.toml.
# exec makes the program the main process, so that a stop of the service or container ends it after the present job.
set -eu
secrets="${SECRETS:-/run/secrets}"
for name in keystore password; do
    if [ ! -r "$secrets/$name" ]; then
        echo "Error: the file $secrets/$name is missing or not readable; docs/going-live.md describes both files" >&2
        exit 1
    fi
done
KEYSTORE_PASSWORD="$(cat "$secrets/password")"
export KEYSTORE_PASSWORD
exec tradeexecutor start --config live.toml --keystore "$secrets/keystore" "$@"

#!/bin/sh
# Build the marts now and then every CHM_BUILD_INTERVAL_SECONDS, counted from the end of a build.
# A build that fails, as before the first load, says so and has its next turn.
set -u
: "${CHM_BUILD_INTERVAL_SECONDS:?the seconds between two builds}"

while true; do
    dbt build --target prod || echo "dbt build failed: next try in ${CHM_BUILD_INTERVAL_SECONDS} s" >&2
    sleep "$CHM_BUILD_INTERVAL_SECONDS" || exit 1
done

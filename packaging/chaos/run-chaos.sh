#!/bin/sh
# The options, variables and report fields of the original's script of this name, for those who have it in theirs; what it does
# is `npm run chaos`. What is mended: counts are not cut off at a list's limit, the fault comes while writes are under way, a node
# that was killed is started again, every write is counted once, and where nothing was acknowledged there is no bound.
set -eu

usage() {
  cat <<'USAGE'
usage: run-chaos.sh [--cycles N] [--writes N] [--fault NAME] [--verbose] [--help]

  --cycles N   10
  --writes N   100, of each cycle
  --fault NAME kill_primary_mid_write (the default) | partition_minority | drop_random_acks | clock_skew_peer
  --verbose    says what it runs

variables: AI_MEMORY_BIN (a daemon's main.js), WORKDIR, N0_PORT, N1_PORT, N2_PORT (19077, 19078, 19079)
USAGE
}

cycles=10
writes=100
fault=kill_primary_mid_write
while [ $# -gt 0 ]; do
  case "$1" in
    --cycles) cycles=$2; shift 2 ;;
    --writes) writes=$2; shift 2 ;;
    --fault) fault=$2; shift 2 ;;
    --verbose) set -x; shift ;;
    --help | -h) usage; exit 0 ;;
    *) echo "run-chaos.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
  esac
done

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
set -- --cycles "$cycles" --writes "$writes" --fault "$fault" \
  --ports "${N0_PORT:-19077},${N1_PORT:-19078},${N2_PORT:-19079}"
if [ -n "${WORKDIR:-}" ]; then set -- "$@" --out "$WORKDIR"; fi
if [ -n "${AI_MEMORY_BIN:-}" ]; then
  set -- "$@" --main "$AI_MEMORY_BIN"
else
  node "$here/../build.mjs" model daemon
fi
exec node "$here/chaos.mjs" "$@"

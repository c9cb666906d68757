#!/bin/sh
# Runs its arguments. A passfile is taken only from who alone can read it, which a secret of compose can not promise:
# so it is copied to where PGPASSFILE says, in memory.
set -eu
umask 077
cp "${SECRETS:-/run/secrets}/pgpass" "$PGPASSFILE"
exec "$@"

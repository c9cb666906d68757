#!/bin/sh
# Copies the primary at the first start, then follows it. NAME is that of this standby in `synchronous_standby_names`,
# PRIMARY the host that it copies. The arguments are further ones of `postgres`.
set -eu
: "${DATA:=/var/lib/postgresql/data/quorate}"
: "${SECRETS:=/run/secrets}"
: "${SETUP:=/setup}"
: "${PASSFILE:=/dev/shm/pgpass}"

umask 077
# A passfile is taken only from who alone can read it, which a secret of compose can not promise.
cp "$SECRETS/replicator-pgpass" "$PASSFILE"

copy_primary() {
  new=$DATA.new
  rm -rf "$new"
  pg_basebackup --pgdata="$new" --write-recovery-conf --wal-method=stream --checkpoint=fast --no-password \
    --dbname="host=$PRIMARY port=${PRIMARY_PORT:-5432} user=replicator passfile=$PASSFILE application_name=$NAME"
  mv "$new" "$DATA"
}

[ -d "$DATA" ] || copy_primary
exec postgres -D "$DATA" -c config_file="$SETUP/postgresql.conf" "$@"

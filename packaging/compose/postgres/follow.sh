#!/bin/sh
# follow.sh HOST: this standby follows another primary from now on, in its own name.
set -eu
: "${SOCKETS:=/var/run/postgresql}"
: "${PASSFILE:=/dev/shm/pgpass}"

psql --host="$SOCKETS" --username=postgres --no-psqlrc --set=ON_ERROR_STOP=1 postgres \
  --set=conninfo="host=$1 port=${PRIMARY_PORT:-5432} user=replicator passfile=$PASSFILE application_name=$NAME" <<'SQL'
ALTER SYSTEM SET primary_conninfo = :'conninfo';
SELECT pg_reload_conf();
SQL

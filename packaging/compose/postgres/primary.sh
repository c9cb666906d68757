#!/bin/sh
# Makes the database at the first start, then runs it. What breaks off in between begins anew at the next start.
# The arguments are further ones of `postgres`.
set -eu
: "${DATA:=/var/lib/postgresql/data/quorate}"
: "${SECRETS:=/run/secrets}"
: "${SETUP:=/setup}"
: "${SOCKETS:=/var/run/postgresql}"

make_database() {
  new=$DATA.new
  rm -rf "$new"
  initdb --pgdata="$new" --username=postgres --auth=peer --encoding=UTF8 --locale=C
  # Nobody is let in from outside before the roles have their passwords, and there is no standby to wait for.
  alone="-c listen_addresses='' -c unix_socket_directories='$SOCKETS' -c synchronous_standby_names=''"
  pg_ctl start --pgdata="$new" --wait --options="$alone"
  SECRETS=$SECRETS psql --host="$SOCKETS" --username=postgres --no-psqlrc --set=ON_ERROR_STOP=1 \
    --file="$SETUP/roles.sql" postgres
  pg_ctl stop --pgdata="$new" --wait --mode=fast
  mv "$new" "$DATA"
}

umask 077
[ -d "$DATA" ] || make_database
exec postgres -D "$DATA" -c config_file="$SETUP/postgresql.conf" "$@"

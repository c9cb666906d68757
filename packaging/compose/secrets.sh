#!/bin/sh
# Makes the secrets that compose.yaml names, in the folder `secrets` beside this file. Run it once, before the first
# start. The folder is closed to others; the files are not, for each is read in its container by another user.
set -eu
folder=$(dirname "$0")/secrets
umask 077
mkdir "$folder"
chance() {
  od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}
quorate=$(chance)
replicator=$(chance)
printf '%s\n' "$quorate" > "$folder/quorate-password"
printf '%s\n' "$replicator" > "$folder/replicator-password"
printf '*:*:*:quorate:%s\n' "$quorate" > "$folder/pgpass"
printf '*:*:*:replicator:%s\n' "$replicator" > "$folder/replicator-pgpass"
chance > "$folder/api-key"
chmod 644 "$folder"/*
echo "made $folder; the key of the API is in $folder/api-key"

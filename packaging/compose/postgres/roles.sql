-- The passwords are read from the files of $SECRETS: they stand in no command line, and in no log.
\set quorate_password `cat "$SECRETS/quorate-password"`
\set replicator_password `cat "$SECRETS/replicator-password"`
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
CREATE ROLE quorate LOGIN PASSWORD :'quorate_password';
CREATE ROLE replicator LOGIN REPLICATION PASSWORD :'replicator_password';
CREATE DATABASE quorate OWNER quorate;
REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;

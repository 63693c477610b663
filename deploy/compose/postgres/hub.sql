-- Run once, when the database cluster is made. The password is read by psql itself: it stands in no command line.
\set ON_ERROR_STOP on
\set password `cat /run/secrets/postgres-hub`
CREATE ROLE hub LOGIN PASSWORD :'password';
CREATE DATABASE hub OWNER hub ENCODING 'UTF8' TEMPLATE template0;
\connect hub
REVOKE ALL ON DATABASE hub FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO hub;

-- The three roles, the schemas and who may do what. Run by psql as a superuser in the database
-- of the monitor, on a new volume by the container itself; running it again changes nothing but
-- the passwords, which come from the environment:
--   CHM_LOADER_PASSWORD, CHM_TRANSFORM_PASSWORD, CHM_BI_PASSWORD
--
--   chm_loader     owns raw: chm load, chm ingest, chm check
--   chm_transform  reads raw, owns every schema that dbt builds
--   chm_bi         reads marts; dbt grants it each mart as it is built
\set ON_ERROR_STOP on
\getenv loader_password CHM_LOADER_PASSWORD
\getenv transform_password CHM_TRANSFORM_PASSWORD
\getenv bi_password CHM_BI_PASSWORD

-- Passwords in the statements below stay out of the server's log.
set log_statement = 'none';
set log_min_error_statement = 'panic';
set client_min_messages = 'warning';

select format('create role %I', name)
from unnest(array['chm_loader', 'chm_transform', 'chm_bi']) as name
where to_regrole(name) is null
\gexec

alter role chm_loader login password :'loader_password';
alter role chm_transform login password :'transform_password';
alter role chm_bi login password :'bi_password';

begin;

-- Nobody gets anything for being there.
revoke all on database :"DBNAME" from public;
revoke all on schema public from public;
grant connect on database :"DBNAME" to chm_loader, chm_transform, chm_bi;
-- Events and appended batches are merged, and dbt's snapshots staged, in temporary tables.
grant temporary on database :"DBNAME" to chm_loader, chm_transform;

create schema if not exists raw authorization chm_loader;
grant usage on schema raw to chm_transform;
grant select on all tables in schema raw to chm_transform;
alter default privileges for role chm_loader in schema raw grant select on tables to chm_transform;

create schema if not exists reference authorization chm_transform;
create schema if not exists staging authorization chm_transform;
create schema if not exists intermediate authorization chm_transform;
create schema if not exists marts authorization chm_transform;
create schema if not exists snapshots authorization chm_transform;
create schema if not exists test_failures authorization chm_transform;
grant usage on schema marts to chm_bi;

commit;

-- The schema of a dashboards service: dashboards, templates, preferences, share tokens, audit.
--
-- The sixth table, schema_version, is the history of the migration engine, which creates it with the first
-- migration and drops it with the last (controller/migrate/history).
-- PostgreSQL 14 to 18. Needs CREATE on the schema, and CREATE on the database for a trusted extension.
-- An operator or function in this schema that takes exactly a varchar would win over PostgreSQL's own, which takes a
-- text, so a varchar is cast where one is compared, and functions that take any type are qualified.
-- squawk-ignore-file prefer-text-field, prefer-bigint-over-int -- the dashboards service prescribes these types

CREATE EXTENSION IF NOT EXISTS pg_trgm; -- search by any part of a name


-- Templates ------------------------------------------------------------------------------------------------

CREATE TABLE dashboard_template (
    id            varchar(256) PRIMARY KEY CHECK (id::text <> ''),
    name          varchar(128) NOT NULL CONSTRAINT dashboard_template_name_key UNIQUE CHECK (name::text <> ''),
    description   text         NOT NULL DEFAULT '',
    category      varchar(32)  NOT NULL
                  CHECK (category::text IN ('model_serving', 'training_job', 'notebook', 'data_pipeline', 'custom')),
    doc           jsonb        NOT NULL CHECK (jsonb_typeof(doc) = 'object'),
    variables     jsonb        NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(variables) = 'array'),
    created_at    timestamptz  NOT NULL DEFAULT now(),
    created_by    varchar(256) NOT NULL,
    version       varchar(32)  NOT NULL DEFAULT '1.0.0'
                  CONSTRAINT dashboard_template_version_is_semver CHECK (
                      version::text ~ '^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$'
                  ),
    is_system     boolean      NOT NULL DEFAULT false,
    usage_count   integer      NOT NULL DEFAULT 0 CHECK (usage_count >= 0),
    seeded_sha256 varchar(71)  CHECK (seeded_sha256::text ~ '^sha256:[0-9a-f]{64}$')
) WITH (fillfactor = 80); -- room for HOT updates of usage_count

COMMENT ON TABLE  dashboard_template IS 'Templates for dashboards: four system templates, kept up to date by dashdb, and those of users';
COMMENT ON COLUMN dashboard_template.doc IS 'A Perses dashboard document (kind Dashboard)';
COMMENT ON COLUMN dashboard_template.variables IS 'The variables of doc, as a JSON array';
COMMENT ON COLUMN dashboard_template.version IS 'Semantic version of the template, not of the row';
COMMENT ON COLUMN dashboard_template.is_system IS 'Shipped and upgraded by dashdb; refuses DELETE';
COMMENT ON COLUMN dashboard_template.usage_count IS 'Number of dashboards made from it; written by update_template_usage_stats()';
COMMENT ON COLUMN dashboard_template.seeded_sha256 IS 'Digest of the content as dashdb last wrote it; differs from the row once a user has edited it; null in users'' own templates';

-- A few hundred rows: every other query reads the table faster than an index.
-- Templates of a category.
CREATE INDEX dashboard_template_by_category_idx ON dashboard_template (category, name);


-- Dashboards -----------------------------------------------------------------------------------------------

CREATE TABLE dashboard (
    id                 varchar(256) PRIMARY KEY CHECK (id::text <> ''),
    name               varchar(128) NOT NULL CHECK (name::text <> ''),
    project            varchar(128) NOT NULL CHECK (project::text <> ''),
    doc                jsonb        NOT NULL CHECK (jsonb_typeof(doc) = 'object'),
    created_at         timestamptz  NOT NULL DEFAULT now(),
    created_by         varchar(256) NOT NULL,
    updated_at         timestamptz  NOT NULL DEFAULT now(),
    updated_by         varchar(256) NOT NULL,
    version            integer      NOT NULL DEFAULT 1 CHECK (version > 0),
    state              varchar(32)  NOT NULL DEFAULT 'active' CHECK (state::text IN ('draft', 'active', 'archived')),
    template_id        varchar(256) REFERENCES dashboard_template (id) ON DELETE SET NULL,
    refresh_interval   integer      NOT NULL DEFAULT 15 CHECK (refresh_interval BETWEEN 5 AND 300),
    time_range_default varchar(64)  NOT NULL DEFAULT 'last_1h' CHECK (time_range_default::text IN (
        'last_5m', 'last_15m', 'last_1h', 'last_6h', 'last_24h', 'last_7d', 'last_30d')),
    CONSTRAINT dashboard_project_name_key UNIQUE (project, name)
);

COMMENT ON TABLE  dashboard IS 'One row for each dashboard; its panels, queries and time ranges are in doc';
COMMENT ON COLUMN dashboard.doc IS 'A Perses dashboard document (kind Dashboard)';
COMMENT ON COLUMN dashboard.version IS 'Optimistic lock: write the version that you read plus one, any other is refused; an update that does not name it ends one higher; 1 follows 2147483647';
COMMENT ON COLUMN dashboard.state IS 'draft, active or archived; only moves forward';
COMMENT ON COLUMN dashboard.template_id IS 'The template that it was made from, as long as that exists';
COMMENT ON COLUMN dashboard.refresh_interval IS 'Seconds between two refreshes in the browser';

-- The unique index (project, name) serves the list of a project by name in all states, and a search sorted by name.
-- With and without the state, since a list of all states would have to sort those of each; id for stable pages.
-- A project in one state, by name.
CREATE INDEX dashboard_list_by_state_idx     ON dashboard (project, state, name);
-- A project in one state, latest first.
CREATE INDEX dashboard_recent_by_state_idx   ON dashboard (project, state, updated_at DESC, id DESC);
-- A project, latest first.
CREATE INDEX dashboard_recent_in_project_idx ON dashboard (project, updated_at DESC, id DESC);
-- All projects in one state, latest first.
CREATE INDEX dashboard_recent_in_state_idx   ON dashboard (state, updated_at DESC);
-- All projects, latest first.
CREATE INDEX dashboard_recent_idx            ON dashboard (updated_at DESC);
-- What a user changed, latest first.
CREATE INDEX dashboard_by_editor_idx         ON dashboard (updated_by, updated_at DESC);
-- Search for a frequent text, in the order of names and without the rows: project and name are unique.
CREATE INDEX dashboard_by_name_idx           ON dashboard (name, project);
-- For search there is one more, dashboard_search_by_name_idx, at the end of this file.
-- Made from a template; for update_template_usage_stats() and the foreign key.
CREATE INDEX dashboard_by_template_idx       ON dashboard (template_id) WHERE template_id IS NOT NULL;


-- Preferences ----------------------------------------------------------------------------------------------

CREATE TABLE user_preferences (
    user_id                  varchar(256) PRIMARY KEY CHECK (user_id::text <> ''),
    default_time_range       varchar(64)  NOT NULL DEFAULT 'last_1h' CHECK (default_time_range::text IN (
        'last_5m', 'last_15m', 'last_1h', 'last_6h', 'last_24h', 'last_7d', 'last_30d')),
    default_refresh_interval integer      NOT NULL DEFAULT 15 CHECK (default_refresh_interval BETWEEN 5 AND 300),
    timezone                 varchar(64)  NOT NULL DEFAULT 'UTC' CHECK (timezone::text <> ''),
    favorite_dashboards      jsonb        NOT NULL DEFAULT '[]'
                             CONSTRAINT user_preferences_favorites_are_50_ids CHECK (
                                 CASE jsonb_typeof(favorite_dashboards) WHEN 'array'
                                 THEN jsonb_array_length(favorite_dashboards) <= 50
                                      AND NOT favorite_dashboards @? 'strict $[*] ? (@.type() <> "string")'::jsonpath
                                 ELSE false END),
    recent_dashboards        jsonb        NOT NULL DEFAULT '[]'
                             CONSTRAINT user_preferences_recent_are_10_ids CHECK (
                                 CASE jsonb_typeof(recent_dashboards) WHEN 'array'
                                 THEN jsonb_array_length(recent_dashboards) <= 10
                                      AND NOT recent_dashboards @? 'strict $[*] ? (@.type() <> "string")'::jsonpath
                                 ELSE false END),
    theme                    varchar(16)  NOT NULL DEFAULT 'auto' CHECK (theme::text IN ('light', 'dark', 'auto')),
    created_at               timestamptz  NOT NULL DEFAULT now(),
    updated_at               timestamptz  NOT NULL DEFAULT now()
) WITH (fillfactor = 70); -- room for HOT updates of recent_dashboards, at each look at a dashboard

COMMENT ON TABLE  user_preferences IS 'One row for each user';
COMMENT ON COLUMN user_preferences.default_refresh_interval IS 'Seconds between two refreshes in the browser';
COMMENT ON COLUMN user_preferences.timezone IS 'A name in pg_timezone_names, such as Europe/Berlin';
COMMENT ON COLUMN user_preferences.favorite_dashboards IS 'Dashboard ids as a JSON array, at most 50';
COMMENT ON COLUMN user_preferences.recent_dashboards IS 'Dashboard ids as a JSON array, latest first, at most 10';

-- Who has a favourite.
CREATE INDEX user_preferences_by_favorite_idx ON user_preferences USING gin (favorite_dashboards jsonb_path_ops);


-- Share tokens ---------------------------------------------------------------------------------------------

CREATE TABLE share_token (
    token_id        uuid          PRIMARY KEY DEFAULT gen_random_uuid(),
    dashboard_id    varchar(256)  NOT NULL REFERENCES dashboard (id) ON DELETE CASCADE,
    created_by      varchar(256)  NOT NULL,
    created_at      timestamptz   NOT NULL DEFAULT now(),
    expires_at      timestamptz   NOT NULL DEFAULT now() + interval '24 hours',
    permissions     varchar(32)[] NOT NULL DEFAULT '{read}'
                    CHECK (pg_catalog.cardinality(permissions) > 0
                           AND pg_catalog.array_position(permissions, NULL) IS NULL),
    ip_restrictions cidr[]        CHECK (pg_catalog.cardinality(ip_restrictions) > 0
                           AND pg_catalog.array_position(ip_restrictions, NULL) IS NULL),
    revoked         boolean       NOT NULL DEFAULT false,
    revoked_at      timestamptz,
    revoked_by      varchar(256),
    usage_count     integer       NOT NULL DEFAULT 0 CHECK (usage_count >= 0),
    last_used_at    timestamptz,
    last_used_ip    inet,
    -- Hours, not days: a day of the session's time zone may have 23 or 25 of them.
    CONSTRAINT share_token_lives_at_most_7_days CHECK (
        expires_at > created_at AND expires_at <= created_at + interval '168 hours'),
    CONSTRAINT share_token_revocation_agrees CHECK (
        revoked = (revoked_at IS NOT NULL) AND (revoked OR revoked_by IS NULL)),
    CONSTRAINT share_token_mapped_networks_are_written_as_ipv4 CHECK (
        NOT '::ffff:0.0.0.0/96'::inet >>= ANY (ip_restrictions::inet[]))
) WITH (fillfactor = 90); -- room for HOT updates of the counts and of revocations

COMMENT ON TABLE  share_token IS 'Tokens of links that open one dashboard without a login';
COMMENT ON COLUMN share_token.permissions IS 'What the bearer may do';
COMMENT ON COLUMN share_token.ip_restrictions IS 'Networks that the bearer must come from; null: any. Addresses such as ::ffff:10.1.2.3 count as IPv4';
COMMENT ON COLUMN share_token.created_at IS 'Set by the database';
COMMENT ON COLUMN share_token.revoked IS 'Stays true';
COMMENT ON COLUMN share_token.usage_count IS 'Rows of audit_log with this token, access_method share_token and result success; written by update_share_token_usage()';
COMMENT ON COLUMN share_token.expires_at IS 'Refused from this moment on; at most 7 days after created_at';

-- The primary key serves share_token_is_valid().
-- For cleanup_expired_tokens(), and tokens that are about to expire.
CREATE INDEX share_token_by_expiry_idx    ON share_token (expires_at);
-- Tokens of a dashboard; for the foreign key.
CREATE INDEX share_token_by_dashboard_idx ON share_token (dashboard_id, created_at DESC);
-- Tokens of a user.
CREATE INDEX share_token_by_creator_idx   ON share_token (created_by, created_at DESC);


-- Audit ----------------------------------------------------------------------------------------------------

-- Partitioned by the day of the row, so that old rows leave by DROP of a partition. There is one partition until rows
-- are to be removed: more of them serve no query, and each query locks all of them with their indexes.
-- Not by timestamp: a client may write any time there, and PostgreSQL chooses the partition before it runs the trigger.
CREATE TABLE audit_log (
    id            bigint       NOT NULL,
    timestamp     timestamptz  NOT NULL DEFAULT now(),
    user_id       varchar(256) NOT NULL,
    action        varchar(64)  NOT NULL CHECK (action::text <> ''),
    resource_type varchar(64)  NOT NULL CHECK (resource_type::text IN ('Dashboard', 'DashboardTemplate', 'ShareToken')),
    resource_id   varchar(256),
    project_id    varchar(128),
    result        varchar(16)  NOT NULL CHECK (result::text IN ('success', 'denied', 'error')),
    client_ip     inet,
    user_agent    text,
    access_method varchar(16)  NOT NULL DEFAULT 'rbac' CHECK (access_method::text IN ('rbac', 'share_token')),
    token_id      uuid,
    metadata      jsonb        NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
    recorded_on   date         NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')::date,
    PRIMARY KEY (id, recorded_on)
) PARTITION BY RANGE (recorded_on);

CREATE TABLE audit_log_from_start PARTITION OF audit_log FOR VALUES FROM (MINVALUE) TO (MAXVALUE);

CREATE SEQUENCE audit_log_id_seq OWNED BY audit_log.id;

COMMENT ON TABLE  audit_log IS 'Who did what; append-only, rows leave only through purge_audit_log()';
COMMENT ON COLUMN audit_log.id IS 'Set by the database, whatever the client wrote, as is timestamp';
COMMENT ON COLUMN audit_log.action IS 'resource.verb, for example dashboard.update';
COMMENT ON COLUMN audit_log.access_method IS 'rbac: a logged-in user; share_token: the bearer of token_id';
COMMENT ON COLUMN audit_log.token_id IS 'The share token used; no foreign key, since this row outlives it';
COMMENT ON COLUMN audit_log.recorded_on IS 'Day of the row in UTC, which chooses its partition; set by the database: leave it out';
COMMENT ON TABLE  audit_log_from_start IS 'First partition of audit_log; further ones begin with a month, see partition_audit_log()';

-- Of a user, latest first.
CREATE INDEX audit_log_by_user_idx             ON audit_log (user_id, timestamp DESC);
-- Of a project, of all or some actions.
CREATE INDEX audit_log_by_project_idx          ON audit_log (project_id, timestamp DESC, action varchar_pattern_ops);
-- Of a dashboard, template or token.
CREATE INDEX audit_log_by_resource_idx         ON audit_log (resource_type, resource_id, timestamp DESC);
-- Of the bearer of a token; for update_share_token_usage().
CREATE INDEX audit_log_by_token_idx            ON audit_log (token_id, timestamp DESC) WHERE token_id IS NOT NULL;
-- What failed.
CREATE INDEX audit_log_failures_idx            ON audit_log (timestamp DESC) WHERE result::text <> 'success';
-- What failed in a project.
CREATE INDEX audit_log_failures_in_project_idx ON audit_log (project_id, timestamp DESC) WHERE result::text <> 'success';
-- The last of all; for purge_audit_log().
CREATE INDEX audit_log_by_time_idx             ON audit_log (timestamp DESC);


-- Rules that constraints cannot express ----------------------------------------------------------------------
-- A trigger of a foreign key runs as the owner of the table, whoever deletes. So no function may look a name up in a
-- schema that another role can write to, its temporary one included: each sets its search_path, or is BEGIN ATOMIC.

CREATE FUNCTION keep_updated_at() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$;
COMMENT ON FUNCTION keep_updated_at() IS 'Trigger: sets updated_at to the time of the change, whatever the client wrote';

CREATE FUNCTION guard_dashboard_version() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.version IS DISTINCT FROM OLD.version % 2147483647 + 1 THEN
        RAISE EXCEPTION 'dashboard "%" is at version %, this update carries version %', OLD.id, OLD.version, NEW.version
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Write the version that you read plus one. If you did, someone else changed the dashboard: '
                         'read it again and apply your change to that.';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION guard_dashboard_version() IS 'Trigger of updates that name version: refuses all but the one that follows the row''s';

CREATE FUNCTION guard_dashboard_update() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    states CONSTANT text[] := '{draft,active,archived}';
BEGIN
    IF array_position(states, NEW.state::text) < array_position(states, OLD.state::text) THEN
        RAISE EXCEPTION 'dashboard "%" cannot go from % back to %', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'The state only moves forward: draft, active, archived. Copy the dashboard instead.';
    END IF;
    NEW.version := OLD.version % 2147483647 + 1; -- named or not: a named one is this
    RETURN NEW;
END $$;
COMMENT ON FUNCTION guard_dashboard_update() IS 'Trigger: each update ends one version higher; the state only moves forward';

CREATE FUNCTION check_time_zone() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.timezone::text = OLD.timezone::text THEN
        RETURN NEW; -- reading all names takes milliseconds
    END IF;
    IF NOT EXISTS (SELECT FROM pg_timezone_names WHERE name = NEW.timezone::text) THEN
        RAISE EXCEPTION 'there is no time zone "%"', NEW.timezone
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Write a name as in SELECT name FROM pg_timezone_names, such as Europe/Berlin.';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION check_time_zone() IS 'Trigger: a time zone is one of pg_timezone_names';

CREATE FUNCTION guard_share_token() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.created_at := now();
        RETURN NEW;
    END IF;
    IF NEW.token_id <> OLD.token_id OR NEW.created_at <> OLD.created_at THEN
        RAISE EXCEPTION 'token_id and created_at of share token "%" cannot be changed', OLD.token_id
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Make a new token instead.';
    ELSIF OLD.revoked AND NOT (NEW.revoked AND NEW.revoked_at = OLD.revoked_at
                               AND NEW.revoked_by IS NOT DISTINCT FROM OLD.revoked_by) THEN
        RAISE EXCEPTION 'share token "%" is revoked and stays so', OLD.token_id
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Make a new token instead.';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION guard_share_token() IS 'Trigger: sets created_at; a revoked token stays revoked';

CREATE FUNCTION in_maintenance(guarded regclass) RETURNS boolean LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce(pg_catalog.current_setting('dashdb.maintenance', true), '') = 'on'
       AND pg_catalog.pg_has_role(current_user, c.relowner, 'USAGE')
      FROM pg_catalog.pg_class AS c
     WHERE c.oid = guarded::oid;
END;
COMMENT ON FUNCTION in_maintenance(regclass) IS 'True if the owner of the table has set dashdb.maintenance to ''on'' in this transaction';

CREATE FUNCTION guard_system_template() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION 'dashboard_template holds system templates and cannot be truncated'
            USING ERRCODE = 'insufficient_privilege', HINT = 'DELETE ... WHERE NOT is_system removes all others.';
    ELSIF TG_OP = 'DELETE' OR NOT NEW.is_system OR NEW.id::text <> OLD.id::text THEN
        RAISE EXCEPTION 'template "%" is a system template and cannot be deleted or get another id', OLD.id
            USING ERRCODE = 'insufficient_privilege',
                  HINT = format('For the shipped one run: dashdb templates seed --reset %s. Only the owner of the table can '
                                'delete it, after SET LOCAL dashdb.maintenance = ''on''; seeding brings it back.', OLD.id);
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION guard_system_template() IS 'Trigger: refuses to delete, rename by id or truncate system templates outside of maintenance';

CREATE FUNCTION guard_audit_log() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('dashdb.maintenance', true) = 'on'
       AND pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'audit_log is append-only: % refused', TG_OP
        USING ERRCODE = 'insufficient_privilege', HINT = 'Old rows leave through purge_audit_log(retention_days).';
END $$;
COMMENT ON FUNCTION guard_audit_log() IS 'Trigger: refuses changes of audit rows; in maintenance the owner may delete';

-- As the owner, since whoever may insert need not have a right to the sequence.
CREATE FUNCTION stamp_audit_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.id := nextval(format('%I.audit_log_id_seq', TG_TABLE_SCHEMA)::regclass);
    NEW.timestamp := now();
    IF NEW.recorded_on <> (now() AT TIME ZONE 'UTC')::date THEN -- it chose the partition, and so when the row leaves
        RAISE EXCEPTION 'recorded_on of an audit row is set by the database, not to %', NEW.recorded_on
            USING ERRCODE = 'insufficient_privilege', HINT = 'Leave the column out of the INSERT.';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION stamp_audit_row() IS 'Trigger: sets id and timestamp of a new row, whatever the client wrote';
REVOKE ALL ON FUNCTION stamp_audit_row() FROM PUBLIC;

-- Triggers run in the order of their names: a version that was named is checked before it is raised.
CREATE TRIGGER dashboard_check_version BEFORE UPDATE OF version ON dashboard
    FOR EACH ROW EXECUTE FUNCTION guard_dashboard_version();
CREATE TRIGGER dashboard_guard_update BEFORE UPDATE ON dashboard
    FOR EACH ROW EXECUTE FUNCTION guard_dashboard_update();
CREATE TRIGGER dashboard_keep_updated_at BEFORE UPDATE ON dashboard
    FOR EACH ROW EXECUTE FUNCTION keep_updated_at();
CREATE TRIGGER user_preferences_check_time_zone BEFORE INSERT OR UPDATE OF timezone ON user_preferences
    FOR EACH ROW WHEN (NEW.timezone::text <> 'UTC') EXECUTE FUNCTION check_time_zone();
CREATE TRIGGER user_preferences_keep_updated_at BEFORE UPDATE ON user_preferences
    FOR EACH ROW EXECUTE FUNCTION keep_updated_at();
CREATE TRIGGER dashboard_template_guard_system BEFORE UPDATE OR DELETE ON dashboard_template
    FOR EACH ROW WHEN (OLD.is_system AND NOT in_maintenance('dashboard_template'::regclass))
    EXECUTE FUNCTION guard_system_template();
CREATE TRIGGER dashboard_template_guard_truncate BEFORE TRUNCATE ON dashboard_template
    FOR EACH STATEMENT EXECUTE FUNCTION guard_system_template();
-- In maintenance the owner brings rows back as they were, from an archive or a dump.
CREATE TRIGGER share_token_guard BEFORE INSERT OR UPDATE ON share_token
    FOR EACH ROW WHEN (NOT in_maintenance('share_token'::regclass)) EXECUTE FUNCTION guard_share_token();
CREATE TRIGGER audit_log_stamp BEFORE INSERT ON audit_log
    FOR EACH ROW WHEN (NEW.id IS NULL OR NOT in_maintenance('audit_log'::regclass))
    EXECUTE FUNCTION stamp_audit_row();
-- A trigger for statements guards the table that a statement names, so each partition has one of its own.
CREATE TRIGGER audit_log_guard BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION guard_audit_log();
CREATE TRIGGER audit_log_guard BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log_from_start
    FOR EACH STATEMENT EXECUTE FUNCTION guard_audit_log();


-- Functions for the service and its maintenance ----------------------------------------------------------------
-- BEGIN ATOMIC binds each name when the function is created, so the search_path of a caller does not matter.
-- What removes rows does so in parts that take less than a second, so that nobody waits long for their locks.

CREATE FUNCTION share_token_is_valid(token uuid, address inet) RETURNS boolean LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT EXISTS (
        SELECT FROM share_token AS t JOIN dashboard AS d ON d.id::text = t.dashboard_id::text
         WHERE t.token_id = token
           AND NOT t.revoked
           AND t.expires_at > statement_timestamp()
           AND d.state::text <> 'archived'
           AND (t.ip_restrictions IS NULL
                OR CASE WHEN address <<= '::ffff:0.0.0.0/96'::inet  -- an IPv4 address as IPv6 writes it
                        THEN '0.0.0.0'::inet + (address - '::ffff:0.0.0.0'::inet)
                        ELSE address END <<= ANY (t.ip_restrictions::inet[]))
    );
END;
COMMENT ON FUNCTION share_token_is_valid(uuid, inet) IS 'Whether the token opens its dashboard for the address now; two lookups by primary key';

CREATE FUNCTION cleanup_expired_tokens() RETURNS bigint LANGUAGE sql
BEGIN ATOMIC
    WITH removed AS (
        DELETE FROM share_token
         WHERE token_id IN (SELECT t.token_id FROM share_token AS t WHERE t.expires_at < now() - interval '30 days'
                             ORDER BY t.expires_at LIMIT 5000)
        RETURNING token_id
    )
    SELECT pg_catalog.count(*) FROM removed;
END;
COMMENT ON FUNCTION cleanup_expired_tokens() IS 'Removes up to 5000 tokens 30 days after they expired; returns their number: call it until that is 0';

CREATE FUNCTION update_template_usage_stats() RETURNS bigint LANGUAGE sql
BEGIN ATOMIC
    WITH used AS (
        SELECT d.template_id, pg_catalog.count(*)::integer AS dashboards
          FROM dashboard AS d WHERE d.template_id IS NOT NULL GROUP BY d.template_id
    ), changed AS (
        UPDATE dashboard_template AS t SET usage_count = coalesce(used.dashboards, 0)
          FROM dashboard_template AS every LEFT JOIN used ON used.template_id::text = every.id::text
         WHERE every.id::text = t.id::text AND t.usage_count <> coalesce(used.dashboards, 0)
        RETURNING t.id
    )
    SELECT pg_catalog.count(*) FROM changed;
END;
COMMENT ON FUNCTION update_template_usage_stats() IS 'Counts the dashboards of each template; returns the number of changed templates';

-- The audit log has every use, and nobody queues for its rows as for the one of a token that many use at once.
CREATE FUNCTION update_share_token_usage() RETURNS bigint LANGUAGE sql
BEGIN ATOMIC
    WITH used AS (
        SELECT t.token_id, uses.number, latest.timestamp, latest.client_ip
          FROM share_token AS t
         CROSS JOIN LATERAL (
               SELECT pg_catalog.count(*)::integer AS number FROM audit_log AS a
                WHERE a.token_id = t.token_id AND a.access_method::text = 'share_token' AND a.result::text = 'success'
             ) AS uses
         CROSS JOIN LATERAL (
               SELECT a.timestamp, a.client_ip FROM audit_log AS a
                WHERE a.token_id = t.token_id AND a.access_method::text = 'share_token' AND a.result::text = 'success'
                ORDER BY a.timestamp DESC LIMIT 1
             ) AS latest
         WHERE t.expires_at > now() - interval '1 day'
    ), changed AS (
        UPDATE share_token AS t
           SET usage_count = used.number, last_used_at = used.timestamp, last_used_ip = used.client_ip
          FROM used
         WHERE used.token_id = t.token_id AND used.number > t.usage_count
        RETURNING t.token_id
    )
    SELECT pg_catalog.count(*) FROM changed;
END;
COMMENT ON FUNCTION update_share_token_usage() IS 'Counts the uses of tokens that have not expired a day ago, from audit_log; returns the number of changed tokens';


-- Removal of old audit rows: a partition whose days are all over is dropped, which takes as long for a million rows as
-- for one; other rows leave in parts. What needs a lock that keeps inserts waiting gives up after 50 ms: the next
-- call tries again. Names are bound in functions that are BEGIN ATOMIC, and handed on to those that run DDL.

CREATE FUNCTION audit_log_partitions(OUT partition regclass, OUT starts date, OUT ends date, OUT rows bigint)
RETURNS SETOF record LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD'
BEGIN ATOMIC
    SELECT c.oid::regclass,
           pg_catalog.substring(b.bound, 'FROM \(''([0-9-]+)''\)')::date,
           pg_catalog.substring(b.bound, 'TO \(''([0-9-]+)''\)')::date,
           greatest(c.reltuples, 0)::bigint
      FROM pg_catalog.pg_inherits AS i
      JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
     CROSS JOIN LATERAL pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS b (bound)
     WHERE i.inhparent = 'audit_log'::regclass::oid
     ORDER BY 2 NULLS FIRST;
END;
COMMENT ON FUNCTION audit_log_partitions() IS 'Partitions of audit_log: their rows are of starts (null: of any day before ends) to the day before ends (null: of any day after), and PostgreSQL''s estimate of their number';

CREATE FUNCTION split_audit_log(last regclass, starts date, month date) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms' AS $$
DECLARE
    log         CONSTANT regclass := (SELECT inhparent FROM pg_inherits WHERE inhrelid = last);
    begun       CONSTANT name := (SELECT conname FROM pg_constraint WHERE conrelid = last AND conname LIKE 'audit\_log\_ends\_%');
    validated   CONSTANT boolean := (SELECT convalidated FROM pg_constraint WHERE conrelid = last AND conname = begun);
    ends        CONSTANT date := coalesce(to_date(right(begun, 10), 'YYYY_MM_DD'), month);
    next        text;
    has_rows    boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', last) INTO has_rows;
    IF begun IS NULL AND has_rows AND month <= (now() AT TIME ZONE 'UTC')::date THEN
        RAISE EXCEPTION 'audit_log has rows, and no partition can begin with %', month -- each new row would be refused
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Give a month to come, or none: the next one is meant then.';
    END IF;
    -- A constraint proves that the rows fit, so that attaching the partition again reads none of them.
    IF begun IS NULL THEN
        EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I CHECK (recorded_on < %L AND recorded_on >= %L) NOT VALID',
                       last, 'audit_log_ends_' || to_char(ends, 'YYYY_MM_DD'), ends, coalesce(starts, '-infinity'));
    ELSIF NOT validated THEN
        EXECUTE format('ALTER TABLE %s VALIDATE CONSTRAINT %I', last, begun);
    ELSE
        SELECT format('%I.%I', n.nspname, free.name) INTO STRICT next
          FROM pg_class AS c
          JOIN pg_namespace AS n ON n.oid = c.relnamespace
         CROSS JOIN generate_series(1, 100) AS number -- another role may have taken the name
         CROSS JOIN LATERAL (
               SELECT concat('audit_log_from_', to_char(ends, 'YYYY_MM'), CASE WHEN number > 1 THEN '_' || number END)
             ) AS free (name)
         WHERE c.oid = log
           AND NOT EXISTS (SELECT FROM pg_type AS t WHERE t.typnamespace = n.oid AND t.typname = free.name)
           AND NOT EXISTS (SELECT FROM pg_class AS r WHERE r.relnamespace = n.oid AND r.relname = free.name)
         ORDER BY number LIMIT 1;
        EXECUTE format('ALTER TABLE %s DETACH PARTITION %s', log, last);
        EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%s) TO (%L)',
                       log, last, coalesce(quote_literal(starts), 'MINVALUE'), ends);
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', last, begun);
        EXECUTE format('CREATE TABLE %s PARTITION OF %s FOR VALUES FROM (%L) TO (MAXVALUE)', next, log, ends);
        EXECUTE (SELECT format('ALTER TABLE %s OWNER TO %I', next, pg_get_userbyid(relowner)) FROM pg_class WHERE oid = log);
        -- The guard of the partition before, with the new name in place of the old one.
        EXECUTE (SELECT format('CREATE TRIGGER audit_log_guard BEFORE UPDATE OR DELETE OR TRUNCATE ON %s '
                               'FOR EACH STATEMENT EXECUTE FUNCTION %s()', next, tgfoid::regproc)
                   FROM pg_trigger WHERE tgrelid = log AND tgname = 'audit_log_guard');
    END IF;
    RETURN 1;
EXCEPTION WHEN lock_not_available THEN
    RETURN 0;
END $$;
COMMENT ON FUNCTION split_audit_log(regclass, date, date) IS 'Takes one step of partition_audit_log() with the last partition of audit_log';
REVOKE ALL ON FUNCTION split_audit_log(regclass, date, date) FROM PUBLIC;

-- A week ahead: if this stops after its first step, the rows of the next month would be refused until it goes on.
CREATE FUNCTION partition_audit_log(
    month date DEFAULT (pg_catalog.date_trunc('month', (now() AT TIME ZONE 'UTC') + interval '7 days') + interval '1 month')::date
) RETURNS bigint LANGUAGE sql STRICT
BEGIN ATOMIC
    SELECT coalesce((
        SELECT split_audit_log(p.partition, p.starts, pg_catalog.date_trunc('month', month)::date)
          FROM audit_log_partitions() AS p
         WHERE p.ends IS NULL AND coalesce(p.starts < pg_catalog.date_trunc('month', month)::date, true)
    ), 0);
END;
COMMENT ON FUNCTION partition_audit_log(date) IS 'Takes the next of three steps towards a partition that begins with the month; returns 1, or 0 if there is none left or a lock was not free: call it, each time in a transaction of its own, until it returns 0; only for the owner';
REVOKE ALL ON FUNCTION partition_audit_log(date) FROM PUBLIC;

CREATE FUNCTION remove_audit_rows(log regclass, expired regclass, estimate bigint, before timestamptz) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms' AS $$
DECLARE
    removed bigint;
BEGIN
    IF expired IS NOT NULL THEN
        BEGIN
            EXECUTE format('DROP TABLE %s', expired);
            RETURN greatest(estimate, 1);
        EXCEPTION WHEN lock_not_available THEN
            NULL; -- its rows leave in parts
        END;
    END IF;
    PERFORM set_config('dashdb.maintenance', 'on', true); -- a SET clause would need a superuser for a setting of our own
    EXECUTE format(
        'DELETE FROM %1$s AS l USING (SELECT id, recorded_on FROM %1$s WHERE timestamp < $1 ORDER BY timestamp LIMIT 5000) AS old
          WHERE l.id = old.id AND l.recorded_on = old.recorded_on', log) USING before;
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END $$;
COMMENT ON FUNCTION remove_audit_rows(regclass, regclass, bigint, timestamptz) IS 'Takes one step of purge_audit_log()';
REVOKE ALL ON FUNCTION remove_audit_rows(regclass, regclass, bigint, timestamptz) FROM PUBLIC;

CREATE FUNCTION purge_audit_log(retention_days integer) RETURNS bigint LANGUAGE sql STRICT
BEGIN ATOMIC
    SELECT remove_audit_rows('audit_log'::regclass, p.partition, p.rows, t.before)
      FROM (SELECT now() - pg_catalog.make_interval(days => greatest(retention_days, 1))) AS t (before)
      LEFT JOIN LATERAL (SELECT q.partition, q.rows FROM audit_log_partitions() AS q
                          WHERE q.ends <= (t.before AT TIME ZONE 'UTC')::date LIMIT 1) AS p ON true;
END;
COMMENT ON FUNCTION purge_audit_log(integer) IS 'Removes audit rows older than so many days (at least 1; null removes none): a partition that holds no others, or up to 5000 rows; returns their number, for a partition PostgreSQL''s estimate: call it until that is 0; only for the owner';
REVOKE ALL ON FUNCTION purge_audit_log(integer) FROM PUBLIC;


-- Search ---------------------------------------------------------------------------------------------------
-- Search for a rare text, from 3 letters on. pg_trgm may be in any schema, such as extensions, on the search_path or not.

DO $$ BEGIN
    EXECUTE (
        SELECT pg_catalog.format(
                   'CREATE INDEX dashboard_search_by_name_idx ON dashboard USING gin (name %I.gin_trgm_ops)', n.nspname)
          FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
         WHERE e.extname = 'pg_trgm');
END $$;

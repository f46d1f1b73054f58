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
);

COMMENT ON TABLE  dashboard_template IS 'Templates for dashboards: four system templates, kept up to date by dashdb, and those of users';
COMMENT ON COLUMN dashboard_template.doc IS 'A Perses dashboard document (kind Dashboard)';
COMMENT ON COLUMN dashboard_template.variables IS 'The variables of doc, as a JSON array';
COMMENT ON COLUMN dashboard_template.version IS 'Semantic version of the template, not of the row';
COMMENT ON COLUMN dashboard_template.is_system IS 'Shipped and upgraded by dashdb; refuses DELETE';
COMMENT ON COLUMN dashboard_template.usage_count IS 'Number of dashboards made from it; written by update_template_usage_stats()';
COMMENT ON COLUMN dashboard_template.seeded_sha256 IS 'Digest of the content as dashdb last wrote it; differs from the row once a user has edited it; null in users'' own templates';

CREATE INDEX dashboard_template_by_category_idx    ON dashboard_template (category, name);
CREATE INDEX dashboard_template_system_idx         ON dashboard_template (name) WHERE is_system;
CREATE INDEX dashboard_template_most_used_idx      ON dashboard_template (usage_count DESC, name);
CREATE INDEX dashboard_template_search_by_name_idx ON dashboard_template USING gin (name gin_trgm_ops);


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
COMMENT ON COLUMN dashboard.version IS 'Optimistic lock: write the version that you read; every update adds one, a stale version is refused';
COMMENT ON COLUMN dashboard.state IS 'draft, active or archived; only moves forward';
COMMENT ON COLUMN dashboard.template_id IS 'The template that it was made from, as long as that exists';
COMMENT ON COLUMN dashboard.refresh_interval IS 'Seconds between two refreshes in the browser';

CREATE INDEX dashboard_list_by_project_idx      ON dashboard (project, state, name);
CREATE INDEX dashboard_recent_in_project_idx    ON dashboard (project, state, updated_at DESC);
CREATE INDEX dashboard_recent_idx               ON dashboard (updated_at DESC) WHERE state::text = 'active';
CREATE INDEX dashboard_search_by_name_idx       ON dashboard USING gin (name gin_trgm_ops);
CREATE INDEX dashboard_by_template_idx          ON dashboard (template_id) WHERE template_id IS NOT NULL;
CREATE INDEX dashboard_by_creator_idx           ON dashboard (created_by, created_at DESC);
CREATE INDEX dashboard_by_editor_idx            ON dashboard (updated_by, updated_at DESC);
CREATE INDEX dashboard_drafts_by_author_idx     ON dashboard (created_by, updated_at DESC) WHERE state::text = 'draft';
CREATE INDEX dashboard_archived_in_project_idx  ON dashboard (project, updated_at DESC) WHERE state::text = 'archived';


-- Preferences ----------------------------------------------------------------------------------------------

CREATE TABLE user_preferences (
    user_id                  varchar(256) PRIMARY KEY CHECK (user_id::text <> ''),
    default_time_range       varchar(64)  NOT NULL DEFAULT 'last_1h' CHECK (default_time_range::text IN (
        'last_5m', 'last_15m', 'last_1h', 'last_6h', 'last_24h', 'last_7d', 'last_30d')),
    default_refresh_interval integer      NOT NULL DEFAULT 15 CHECK (default_refresh_interval BETWEEN 5 AND 300),
    timezone                 varchar(64)  NOT NULL DEFAULT 'UTC' CHECK (timezone::text <> ''),
    favorite_dashboards      jsonb        NOT NULL DEFAULT '[]'
                             CHECK (CASE jsonb_typeof(favorite_dashboards) WHEN 'array'
                                    THEN jsonb_array_length(favorite_dashboards) <= 50 ELSE false END),
    recent_dashboards        jsonb        NOT NULL DEFAULT '[]'
                             CHECK (CASE jsonb_typeof(recent_dashboards) WHEN 'array'
                                    THEN jsonb_array_length(recent_dashboards) <= 10 ELSE false END),
    theme                    varchar(16)  NOT NULL DEFAULT 'auto' CHECK (theme::text IN ('light', 'dark', 'auto')),
    created_at               timestamptz  NOT NULL DEFAULT now(),
    updated_at               timestamptz  NOT NULL DEFAULT now()
);

COMMENT ON TABLE  user_preferences IS 'One row for each user';
COMMENT ON COLUMN user_preferences.default_refresh_interval IS 'Seconds between two refreshes in the browser';
COMMENT ON COLUMN user_preferences.timezone IS 'An IANA name such as Europe/Berlin';
COMMENT ON COLUMN user_preferences.favorite_dashboards IS 'Dashboard ids as a JSON array, at most 50';
COMMENT ON COLUMN user_preferences.recent_dashboards IS 'Dashboard ids as a JSON array, latest first, at most 10';

CREATE INDEX user_preferences_by_favorite_idx ON user_preferences USING gin (favorite_dashboards jsonb_path_ops);
CREATE INDEX user_preferences_by_recent_idx   ON user_preferences USING gin (recent_dashboards jsonb_path_ops);


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
        revoked = (revoked_at IS NOT NULL) AND (revoked OR revoked_by IS NULL))
);

COMMENT ON TABLE  share_token IS 'Tokens of links that open one dashboard without a login';
COMMENT ON COLUMN share_token.permissions IS 'What the bearer may do';
COMMENT ON COLUMN share_token.ip_restrictions IS 'Networks that the bearer must come from; null: any';
COMMENT ON COLUMN share_token.expires_at IS 'Refused from this moment on; at most 7 days after created_at';

CREATE INDEX share_token_check_idx        ON share_token (token_id) INCLUDE (expires_at) WHERE NOT revoked;
CREATE INDEX share_token_active_idx       ON share_token (expires_at) WHERE NOT revoked;
CREATE INDEX share_token_cleanup_idx      ON share_token (expires_at);
CREATE INDEX share_token_by_dashboard_idx ON share_token (dashboard_id, created_at DESC);
CREATE INDEX share_token_by_creator_idx   ON share_token (created_by, created_at DESC);


-- Audit ----------------------------------------------------------------------------------------------------

CREATE TABLE audit_log (
    id            bigint       PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
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
    metadata      jsonb        NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object')
);

COMMENT ON TABLE  audit_log IS 'Who did what; append-only, rows leave only through purge_audit_log()';
COMMENT ON COLUMN audit_log.action IS 'resource.verb, for example dashboard.update';
COMMENT ON COLUMN audit_log.access_method IS 'rbac: a logged-in user; share_token: the bearer of token_id';
COMMENT ON COLUMN audit_log.token_id IS 'The share token used; no foreign key, since this row outlives it';

CREATE INDEX audit_log_by_user_idx           ON audit_log (user_id, timestamp DESC);
CREATE INDEX audit_log_by_project_idx        ON audit_log (project_id, timestamp DESC);
CREATE INDEX audit_log_by_project_action_idx ON audit_log (project_id, action varchar_pattern_ops, timestamp DESC);
CREATE INDEX audit_log_by_resource_idx       ON audit_log (resource_type, resource_id, timestamp DESC);
CREATE INDEX audit_log_by_token_idx          ON audit_log (token_id, timestamp DESC) WHERE token_id IS NOT NULL;
CREATE INDEX audit_log_failures_idx          ON audit_log (timestamp DESC) WHERE result::text <> 'success';
CREATE INDEX audit_log_retention_idx         ON audit_log USING brin (timestamp);


-- Rules that constraints cannot express ----------------------------------------------------------------------
-- A trigger of a foreign key runs as the owner of the table, whoever deletes. So no function may look a name up in a
-- schema that another role can write to, its temporary one included: each sets its search_path, or is BEGIN ATOMIC.

CREATE FUNCTION keep_updated_at() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$;
COMMENT ON FUNCTION keep_updated_at() IS 'Trigger: sets updated_at to the time of the change, whatever the client wrote';

CREATE FUNCTION guard_dashboard_update() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    states CONSTANT text[] := '{draft,active,archived}';
BEGIN
    -- A client writes the version that it read, or version + 1, or none: all three mean "one higher".
    IF NEW.version NOT IN (OLD.version, OLD.version + 1) THEN
        RAISE EXCEPTION 'dashboard "%" is at version %, this update carries version %', OLD.id, OLD.version, NEW.version
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Someone else changed it. Read it again, apply your change to that, and write the version you read.';
    END IF;
    NEW.version := OLD.version + 1;
    IF array_position(states, NEW.state::text) < array_position(states, OLD.state::text) THEN
        RAISE EXCEPTION 'dashboard "%" cannot go from % back to %', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'The state only moves forward: draft, active, archived. Copy the dashboard instead.';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION guard_dashboard_update() IS 'Trigger: optimistic lock on version; the state only moves forward';

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
    ELSIF OLD.is_system AND (TG_OP = 'DELETE' OR NOT NEW.is_system) THEN
        RAISE EXCEPTION 'template "%" is a system template and cannot be deleted', OLD.id
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'Its owner can, after SET LOCAL dashdb.maintenance = ''on''; seeding brings it back.';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
COMMENT ON FUNCTION guard_system_template() IS 'Trigger: refuses to delete or truncate system templates outside of maintenance';

CREATE FUNCTION guard_audit_log() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'audit_log is append-only: % refused', TG_OP
        USING ERRCODE = 'insufficient_privilege', HINT = 'Old rows leave through purge_audit_log(retention_days).';
END $$;
COMMENT ON FUNCTION guard_audit_log() IS 'Trigger: refuses changes of audit rows';

CREATE TRIGGER dashboard_guard_update BEFORE UPDATE ON dashboard
    FOR EACH ROW EXECUTE FUNCTION guard_dashboard_update();
CREATE TRIGGER dashboard_keep_updated_at BEFORE UPDATE ON dashboard
    FOR EACH ROW EXECUTE FUNCTION keep_updated_at();
CREATE TRIGGER user_preferences_keep_updated_at BEFORE UPDATE ON user_preferences
    FOR EACH ROW EXECUTE FUNCTION keep_updated_at();
CREATE TRIGGER dashboard_template_guard_system BEFORE UPDATE OR DELETE ON dashboard_template
    FOR EACH ROW WHEN (OLD.is_system AND NOT in_maintenance('dashboard_template'::regclass))
    EXECUTE FUNCTION guard_system_template();
CREATE TRIGGER dashboard_template_guard_truncate BEFORE TRUNCATE ON dashboard_template
    FOR EACH STATEMENT EXECUTE FUNCTION guard_system_template();
CREATE TRIGGER audit_log_guard_change BEFORE UPDATE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION guard_audit_log();
CREATE TRIGGER audit_log_guard_delete BEFORE DELETE ON audit_log
    FOR EACH STATEMENT WHEN (NOT in_maintenance('audit_log'::regclass))
    EXECUTE FUNCTION guard_audit_log();


-- Functions for the service and its maintenance ----------------------------------------------------------------
-- BEGIN ATOMIC binds each name when the function is created, so the search_path of a caller does not matter.

CREATE FUNCTION share_token_is_valid(token uuid, address inet) RETURNS boolean LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT EXISTS (
        SELECT FROM share_token AS t
         WHERE t.token_id = token
           AND NOT t.revoked
           AND t.expires_at > statement_timestamp()
           AND (t.ip_restrictions IS NULL OR address <<= ANY (t.ip_restrictions::inet[]))
    );
END;
COMMENT ON FUNCTION share_token_is_valid(uuid, inet) IS 'Whether the token is valid for the address now; one index lookup';

CREATE FUNCTION cleanup_expired_tokens() RETURNS bigint LANGUAGE sql
BEGIN ATOMIC
    WITH removed AS (
        DELETE FROM share_token WHERE expires_at < now() - interval '30 days' RETURNING token_id
    )
    SELECT pg_catalog.count(*) FROM removed;
END;
COMMENT ON FUNCTION cleanup_expired_tokens() IS 'Removes tokens 30 days after they expired; returns their number';

CREATE FUNCTION update_template_usage_stats() RETURNS bigint LANGUAGE sql
BEGIN ATOMIC
    WITH used AS (
        SELECT t.id, pg_catalog.count(d.id)::integer AS dashboards
          FROM dashboard_template AS t LEFT JOIN dashboard AS d ON d.template_id::text = t.id::text
         GROUP BY t.id
    ), changed AS (
        UPDATE dashboard_template AS t SET usage_count = used.dashboards
          FROM used
         WHERE used.id::text = t.id::text AND t.usage_count <> used.dashboards
        RETURNING t.id
    )
    SELECT pg_catalog.count(*) FROM changed;
END;
COMMENT ON FUNCTION update_template_usage_stats() IS 'Counts the dashboards of each template; returns the number of changed templates';

-- Maintenance stays on until the transaction ends: a SET clause would need a superuser for a setting of our own.
CREATE FUNCTION purge_audit_log(retention_days integer) RETURNS bigint LANGUAGE sql STRICT
BEGIN ATOMIC
    SELECT pg_catalog.set_config('dashdb.maintenance', 'on', true);
    WITH removed AS (
        DELETE FROM audit_log
         WHERE timestamp < now() - pg_catalog.make_interval(days => greatest(retention_days, 1))
        RETURNING id
    )
    SELECT pg_catalog.count(*) FROM removed;
END;
COMMENT ON FUNCTION purge_audit_log(integer) IS 'Removes audit rows older than so many days (at least 1; null removes none); returns their number; only for the owner';
REVOKE ALL ON FUNCTION purge_audit_log(integer) FROM PUBLIC;

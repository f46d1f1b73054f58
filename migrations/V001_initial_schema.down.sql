-- Removes all that V001 created, with every dashboard, template, preference, token and audit row.

DROP FUNCTION share_token_is_valid(uuid, inet), cleanup_expired_tokens(), update_template_usage_stats(),
              update_share_token_usage(), purge_audit_log(integer), partition_audit_log(date), audit_log_partitions(),
              remove_audit_rows(regclass, regclass, bigint, timestamptz), split_audit_log(regclass, date, date);
DROP TABLE audit_log, share_token, user_preferences, dashboard, dashboard_template;
DROP FUNCTION stamp_audit_row(), guard_audit_log(), guard_share_token(), guard_system_template(),
              in_maintenance(regclass), check_time_zone(), guard_dashboard_update(), guard_dashboard_version(),
              keep_updated_at();
DO $$ BEGIN
    -- Only if the current user owns it in this schema, and no other object needs it.
    IF EXISTS (SELECT FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
                WHERE e.extname = 'pg_trgm' AND n.nspname = current_schema()
                  AND pg_get_userbyid(e.extowner) = current_user) THEN
        DROP EXTENSION pg_trgm;
    END IF;
EXCEPTION WHEN dependent_objects_still_exist THEN
    RAISE NOTICE 'the extension pg_trgm is still needed by other objects and stays';
END $$;

-- What the platform's staff may do in the business: everything that the member may as whom they act, only read, or
-- nothing.
-- reason: the table has one row.
ALTER TABLE settings ADD COLUMN operator_access text NOT NULL DEFAULT 'full'
    CONSTRAINT settings_operator_access_check CHECK (operator_access IN ('full', 'read_only', 'none'));
-- The session in which the platform's staff made the change, acting as a member.
ALTER TABLE audit_log ADD COLUMN impersonation_id uuid;

-- The work at one register, from the counting of the float to the counting of the drawer.
CREATE TABLE shifts (
    id uuid CONSTRAINT shifts_pkey PRIMARY KEY,
    register_id uuid NOT NULL CONSTRAINT shifts_register_id_fkey REFERENCES registers (id),
    status text NOT NULL CONSTRAINT shifts_status_check CHECK (status IN ('open', 'counted', 'closed')),
    opening_float numeric(14, 4) NOT NULL CONSTRAINT shifts_opening_float_check CHECK (opening_float >= 0),
    opened_by uuid,
    opened_at timestamptz NOT NULL,
    counted_by uuid,
    counted_at timestamptz,
    difference_reason text,
    approved_by uuid,
    closed_by uuid,
    closed_at timestamptz,
    -- When subscribers learned that the shift was still open after its day.
    overdue_at timestamptz,
    request_hash bytea NOT NULL,
    version integer NOT NULL DEFAULT 1,
    CONSTRAINT shifts_counted_check CHECK ((counted_at IS NULL) = (status = 'open')),
    CONSTRAINT shifts_closed_check CHECK ((closed_at IS NOT NULL) = (status = 'closed'))
);
-- A register has one shift that is not closed.
CREATE UNIQUE INDEX shifts_not_closed_key ON shifts (register_id) WHERE status <> 'closed';
CREATE INDEX shifts_opened_at_idx ON shifts (opened_at, id);
CREATE INDEX shifts_register_id_idx ON shifts (register_id, opened_at, id);

-- Cash that was put into a drawer or taken out, but not for a sale; append-only.
CREATE TABLE cash_movements (
    id uuid CONSTRAINT cash_movements_pkey PRIMARY KEY,
    shift_id uuid NOT NULL CONSTRAINT cash_movements_shift_id_fkey REFERENCES shifts (id),
    -- Negative: taken out.
    amount numeric(14, 4) NOT NULL CONSTRAINT cash_movements_amount_check CHECK (amount <> 0),
    reason text NOT NULL,
    actor_id uuid,
    moved_at timestamptz NOT NULL,
    request_hash bytea NOT NULL
);
CREATE INDEX cash_movements_shift_id_idx ON cash_movements (shift_id, moved_at, id);
REVOKE UPDATE, DELETE ON cash_movements FROM tenantry_tenant;

-- The counted amounts at the end of a shift, and the expected ones; append-only, so that nobody counts again after they
-- have seen the difference.
CREATE TABLE shift_counts (
    shift_id uuid NOT NULL CONSTRAINT shift_counts_shift_id_fkey REFERENCES shifts (id),
    method text NOT NULL CONSTRAINT shift_counts_method_check CHECK (method IN (
        'cash', 'card', 'bank_transfer', 'mobile_money', 'voucher', 'other')),
    counted numeric(14, 4) NOT NULL CONSTRAINT shift_counts_counted_check CHECK (counted >= 0),
    -- A sum, which may be larger than any one amount.
    expected numeric(20, 4) NOT NULL,
    -- [{"value": "50", "count": 2}]: notes and coins.
    denominations jsonb NOT NULL,
    CONSTRAINT shift_counts_pkey PRIMARY KEY (shift_id, method)
);
REVOKE UPDATE, DELETE ON shift_counts FROM tenantry_tenant;

-- The Z reports: each shift as it was at its close; append-only.
CREATE TABLE z_reports (
    shift_id uuid CONSTRAINT z_reports_pkey PRIMARY KEY
        CONSTRAINT z_reports_shift_id_fkey REFERENCES shifts (id),
    register_id uuid NOT NULL CONSTRAINT z_reports_register_id_fkey REFERENCES registers (id),
    -- Consecutive for each register.
    number bigint NOT NULL,
    -- Not jsonb: the report stays as it was written, to the letter.
    report json NOT NULL,
    CONSTRAINT z_reports_number_key UNIQUE (register_id, number)
);
REVOKE UPDATE, DELETE ON z_reports FROM tenantry_tenant;

-- reason: the table has one row.
ALTER TABLE settings
    -- A larger difference at the close of a shift must be approved.
    ADD COLUMN shift_difference_limit numeric(14, 4) NOT NULL DEFAULT 0
        CONSTRAINT settings_shift_difference_limit_check CHECK (shift_difference_limit >= 0);

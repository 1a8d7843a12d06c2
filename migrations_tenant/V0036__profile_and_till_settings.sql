-- The business as its customers, its suppliers and the tax office know it.
CREATE TABLE profile (
    id smallint CONSTRAINT profile_pkey PRIMARY KEY CONSTRAINT profile_id_check CHECK (id = 1),
    legal_name text,
    trading_name text,
    owner_name text,
    email text,
    phone text,
    address text,
    tax_number text,
    version integer NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL
);
INSERT INTO profile (id, updated_at) SELECT 1, updated_at FROM settings;

-- reason: the table has one row.
ALTER TABLE settings
    -- The time at which a day of the business begins. An earlier sale belongs to the day before.
    ADD COLUMN day_starts_at time NOT NULL DEFAULT '00:00'
        CONSTRAINT settings_day_starts_at_check CHECK (day_starts_at < '12:00'),
    ADD COLUMN receipt_header text,
    ADD COLUMN receipt_footer text,
    ADD COLUMN printer_width text NOT NULL DEFAULT '80mm'
        CONSTRAINT settings_printer_width_check CHECK (printer_width IN ('58mm', '80mm')),
    -- The smallest amount that is paid in cash; 0 rounds nothing.
    ADD COLUMN cash_rounding numeric(14, 4) NOT NULL DEFAULT 0
        CONSTRAINT settings_cash_rounding_check CHECK (cash_rounding >= 0),
    -- The policy for a sale of a till without a connection that would make stock negative.
    ADD COLUMN negative_sales text NOT NULL DEFAULT 'refuse'
        CONSTRAINT settings_negative_sales_check CHECK (negative_sales IN ('refuse', 'review'));

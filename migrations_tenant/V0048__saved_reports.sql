-- needs code: 48

-- The reports that the business keeps, some of which are mailed.
CREATE TABLE saved_reports (
    id uuid CONSTRAINT saved_reports_pkey PRIMARY KEY,
    name text NOT NULL,
    name_key text NOT NULL CONSTRAINT saved_reports_name_key_key UNIQUE,
    report text NOT NULL CONSTRAINT saved_reports_report_check
        CHECK (report IN ('sales', 'payments', 'taxes', 'adjustments', 'stock', 'dead_stock')),
    -- What each row stands for, in the words of the report; null for a report with one kind of rows.
    grouping text,
    -- The days that the report covers; null for reports on the present.
    period text CONSTRAINT saved_reports_period_check CHECK (period IN (
        'today', 'yesterday', 'last_7_days', 'last_30_days', 'this_week', 'last_week', 'this_month', 'last_month',
        'this_year', 'last_year')),
    -- The days without a sale after which stock is dead.
    days smallint,
    -- When it is mailed, in the time zone of the business; null: never.
    mail_every text CONSTRAINT saved_reports_mail_every_check CHECK (mail_every IN ('day', 'week', 'month')),
    mail_at time,
    -- The day of the week from 1 for Monday, or of the month.
    mail_day smallint,
    mail_format text CONSTRAINT saved_reports_mail_format_check CHECK (mail_format IN ('csv', 'xlsx')),
    mail_to text[],
    -- The member in whose name it is mailed.
    mail_by uuid,
    next_mail_at timestamptz,
    last_mailed_at timestamptz,
    created_by uuid,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    version integer NOT NULL DEFAULT 1
);

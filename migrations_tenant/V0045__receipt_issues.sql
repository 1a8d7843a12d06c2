-- The prints and mails of receipts; append-only. The first of a sale is the original, and all others are copies.
CREATE TABLE receipt_issues (
    id uuid CONSTRAINT receipt_issues_pkey PRIMARY KEY,
    sale_id uuid NOT NULL CONSTRAINT receipt_issues_sale_id_fkey REFERENCES sales (id),
    -- Counts the issues of a sale from 1.
    number integer NOT NULL CONSTRAINT receipt_issues_number_check CHECK (number > 0),
    format text NOT NULL
        CONSTRAINT receipt_issues_format_check CHECK (format IN ('text', 'escpos', 'html', 'pdf', 'mail')),
    -- The width of the paper.
    width text NOT NULL CONSTRAINT receipt_issues_width_check CHECK (width IN ('58mm', '80mm')),
    -- The address to which it was mailed. Null: it was printed.
    email text,
    issued_by uuid,
    issued_at timestamptz NOT NULL,
    CONSTRAINT receipt_issues_sale_id_number_key UNIQUE (sale_id, number)
);
REVOKE UPDATE, DELETE ON receipt_issues FROM tenantry_tenant;

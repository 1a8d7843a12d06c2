-- What trading needs before the first order: costs, taxes, settings, numbers, and who changed what.

-- What one unit cost: of what came in, what was paid for it; of what went out, the average at that moment.
ALTER TABLE stock_movements ADD COLUMN unit_cost numeric(14, 4);
ALTER TABLE stock_levels
    -- The moving average of what is on hand; null until something came in at a cost.
    ADD COLUMN average_cost numeric(14, 4),
    -- The number of changes of `reserved` so far.
    ADD COLUMN reservations bigint NOT NULL DEFAULT 0;

-- How prices are taxed. The rates are `[{"name": "VAT", "percent": "16"}]`; those that were charged are stored with the
-- line, so that changing a class changes no past.
CREATE TABLE tax_classes (
    id uuid CONSTRAINT tax_classes_pkey PRIMARY KEY,
    name text NOT NULL CONSTRAINT tax_classes_name_key UNIQUE,
    -- Whether prices have the tax in them already.
    is_inclusive boolean NOT NULL,
    rates jsonb NOT NULL,
    archived_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

ALTER TABLE products ADD COLUMN tax_class_id uuid;
-- NOT VALID waits for nobody, and there is nothing to look at: the column is new.
ALTER TABLE products ADD CONSTRAINT products_tax_class_id_fkey FOREIGN KEY (tax_class_id) REFERENCES tax_classes (id) NOT VALID;
ALTER TABLE products VALIDATE CONSTRAINT products_tax_class_id_fkey;
-- reason: the column is new, so the index is as empty as it; the few milliseconds are those of reading the table once.
CREATE INDEX products_tax_class_id_idx ON products (tax_class_id) WHERE tax_class_id IS NOT NULL;
ALTER TABLE variants ADD COLUMN compare_at_price numeric(14, 4);

-- What a variant's prices were, from when on; append-only.
CREATE TABLE price_changes (
    id uuid CONSTRAINT price_changes_pkey PRIMARY KEY,
    variant_id uuid NOT NULL CONSTRAINT price_changes_variant_id_fkey REFERENCES variants (id),
    price numeric(14, 4) NOT NULL,
    compare_at_price numeric(14, 4),
    cost numeric(14, 4),
    actor_id uuid,
    changed_at timestamptz NOT NULL
);
CREATE INDEX price_changes_variant_id_idx ON price_changes (variant_id, id);
REVOKE UPDATE, DELETE ON price_changes FROM tenantry_tenant;

ALTER TABLE settings
    -- Whether an order is fulfilled when it is placed, unless it says otherwise.
    ADD COLUMN fulfils_at_once boolean NOT NULL DEFAULT true,
    ADD COLUMN rounding text NOT NULL DEFAULT 'half_away_from_zero',
    -- How much more than ordered a goods receipt may bring, in percent of the line.
    ADD COLUMN over_receipt_percent numeric(5, 2) NOT NULL DEFAULT 0,
    -- The reasons that an adjustment may give; any when there are none.
    ADD COLUMN adjustment_reasons text[] NOT NULL DEFAULT '{}';

-- Numbers of documents, without gaps: taken last in the transaction that makes the document.
CREATE TABLE counters (
    kind text NOT NULL,
    -- Each series counts from 1.
    series text NOT NULL,
    next bigint NOT NULL,
    CONSTRAINT counters_pkey PRIMARY KEY (kind, series)
);

-- Who changed what, from what to what; written with the change, append-only.
CREATE TABLE audit_log (
    id uuid CONSTRAINT audit_log_pkey PRIMARY KEY,
    occurred_at timestamptz NOT NULL,
    -- A user's id, in the shared schema; null when the platform did it.
    actor_id uuid,
    action text NOT NULL,
    subject_type text NOT NULL,
    subject_id uuid NOT NULL,
    -- `{"field": {"from": ..., "to": ...}}`
    changes jsonb NOT NULL
);
CREATE INDEX audit_log_subject_id_idx ON audit_log (subject_id, id);
REVOKE UPDATE, DELETE ON audit_log FROM tenantry_tenant;

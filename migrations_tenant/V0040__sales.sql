-- The receipts of the tills. A receipt sells articles, takes articles back, or does both.
CREATE TABLE sales (
    id uuid CONSTRAINT sales_pkey PRIMARY KEY,
    register_id uuid NOT NULL CONSTRAINT sales_register_id_fkey REFERENCES registers (id),
    shift_id uuid NOT NULL CONSTRAINT sales_shift_id_fkey REFERENCES shifts (id),
    location_id uuid NOT NULL CONSTRAINT sales_location_id_fkey REFERENCES locations (id),
    customer_id uuid CONSTRAINT sales_customer_id_fkey REFERENCES customers (id),
    -- The number is consecutive in its series: a register and a fiscal year, such as R1-2026.
    series text NOT NULL,
    number bigint NOT NULL,
    kind text NOT NULL CONSTRAINT sales_kind_check CHECK (kind IN ('sale', 'refund', 'exchange', 'deposit')),
    -- The sold lines: the sum before discounts, and the discounts.
    subtotal numeric(14, 4) NOT NULL,
    discount numeric(14, 4) NOT NULL,
    -- The amount of the returns, with its taxes.
    returned numeric(14, 4) NOT NULL CONSTRAINT sales_returned_check CHECK (returned >= 0),
    -- The taxes and the amount of the sold lines, minus those of the returns.
    tax numeric(14, 4) NOT NULL,
    total numeric(14, 4) NOT NULL,
    -- The amount by which cash was rounded: the payments add up to the total and this amount.
    rounding numeric(14, 4) NOT NULL,
    -- The reason of the returns.
    reason text,
    note text,
    -- The member who approved a discount or a return at the till of the cashier.
    approved_by uuid,
    sold_by uuid,
    sold_at timestamptz NOT NULL,
    voided_by uuid,
    voided_at timestamptz,
    void_reason text,
    -- The request, to tell a repetition from another sale with its id.
    request_hash bytea NOT NULL,
    version integer NOT NULL DEFAULT 1,
    CONSTRAINT sales_series_number_key UNIQUE (series, number),
    CONSTRAINT sales_reason_check CHECK (returned = 0 OR reason IS NOT NULL),
    CONSTRAINT sales_voided_check CHECK ((voided_at IS NULL) = (void_reason IS NULL))
);
-- Lists go by the moment and the id, the latest first.
CREATE INDEX sales_sold_at_idx ON sales (sold_at, id);
CREATE INDEX sales_register_id_idx ON sales (register_id, sold_at, id);
CREATE INDEX sales_shift_id_idx ON sales (shift_id, sold_at, id);
CREATE INDEX sales_customer_id_idx ON sales (customer_id, sold_at, id);
CREATE INDEX sales_sold_by_idx ON sales (sold_by, sold_at, id);
CREATE INDEX sales_location_id_idx ON sales (location_id);
-- A receipt never changes, but for being voided.
REVOKE UPDATE, DELETE ON sales FROM tenantry_tenant;
GRANT UPDATE (voided_by, voided_at, void_reason, version) ON sales TO tenantry_tenant;

CREATE TABLE sale_lines (
    id uuid CONSTRAINT sale_lines_pkey PRIMARY KEY,
    sale_id uuid NOT NULL CONSTRAINT sale_lines_sale_id_fkey REFERENCES sales (id),
    position smallint NOT NULL,
    variant_id uuid NOT NULL CONSTRAINT sale_lines_variant_id_fkey REFERENCES variants (id),
    -- The product at the time of the sale.
    kind text NOT NULL CONSTRAINT sale_lines_kind_check CHECK (kind IN ('goods', 'service', 'fee')),
    sku text NOT NULL,
    name text NOT NULL,
    quantity numeric(14, 3) NOT NULL CONSTRAINT sale_lines_quantity_check CHECK (quantity > 0),
    price numeric(14, 4) NOT NULL,
    list_price numeric(14, 4) NOT NULL,
    -- The reason of a price other than the catalogue's.
    price_reason text,
    -- Its own discount and its share of the discount on the sale.
    discount numeric(14, 4) NOT NULL,
    -- `[{"name": "VAT", "percent": "16", "amount": "1.6"}]`
    taxes jsonb NOT NULL,
    -- Whether the price includes them; null if there are none.
    includes_tax boolean,
    tax numeric(14, 4) NOT NULL,
    total numeric(14, 4) NOT NULL,
    note text,
    -- The cost of the goods that have not come back. Null: not known.
    cost numeric(22, 8),
    -- The later returns: units, and money with its tax.
    returned numeric(14, 3) NOT NULL DEFAULT 0,
    refunded numeric(14, 4) NOT NULL DEFAULT 0,
    refunded_tax numeric(14, 4) NOT NULL DEFAULT 0,
    CONSTRAINT sale_lines_sale_id_position_key UNIQUE (sale_id, position),
    CONSTRAINT sale_lines_returned_check CHECK (returned BETWEEN 0 AND quantity),
    CONSTRAINT sale_lines_refunded_check CHECK (refunded BETWEEN 0 AND total)
);
CREATE INDEX sale_lines_variant_id_idx ON sale_lines (variant_id);
REVOKE UPDATE, DELETE ON sale_lines FROM tenantry_tenant;
GRANT UPDATE (cost, returned, refunded, refunded_tax) ON sale_lines TO tenantry_tenant;

-- The returns of a receipt, each of a line of an earlier one; append-only.
CREATE TABLE sale_returns (
    id uuid CONSTRAINT sale_returns_pkey PRIMARY KEY,
    sale_id uuid NOT NULL CONSTRAINT sale_returns_sale_id_fkey REFERENCES sales (id),
    position smallint NOT NULL,
    line_id uuid NOT NULL CONSTRAINT sale_returns_line_id_fkey REFERENCES sale_lines (id),
    -- 0: money is given back, and the customer keeps the goods.
    quantity numeric(14, 3) NOT NULL CONSTRAINT sale_returns_quantity_check CHECK (quantity >= 0),
    -- Whether the goods are on hand again; otherwise they were scrapped, or there are none.
    is_restocked boolean NOT NULL,
    amount numeric(14, 4) NOT NULL CONSTRAINT sale_returns_amount_check CHECK (amount >= 0),
    tax numeric(14, 4) NOT NULL,
    -- The tax by rate, as in sale_lines.
    taxes jsonb NOT NULL,
    CONSTRAINT sale_returns_sale_id_position_key UNIQUE (sale_id, position)
);
CREATE INDEX sale_returns_line_id_idx ON sale_returns (line_id);
REVOKE UPDATE, DELETE ON sale_returns FROM tenantry_tenant;

-- Vouchers, and the accounts of customers: a ledger like that of the stock.
CREATE TABLE credits (
    id uuid CONSTRAINT credits_pkey PRIMARY KEY,
    kind text NOT NULL CONSTRAINT credits_kind_check CHECK (kind IN ('voucher', 'store_credit', 'on_account')),
    -- A voucher belongs to the bearer of its code.
    code text CONSTRAINT credits_code_key UNIQUE,
    expires_on date,
    customer_id uuid CONSTRAINT credits_customer_id_fkey REFERENCES customers (id),
    -- The debt of the business; on account, of the customer.
    balance numeric(14, 4) NOT NULL CONSTRAINT credits_balance_check CHECK (balance >= 0),
    -- The position of the last movement.
    position bigint NOT NULL,
    opened_at timestamptz NOT NULL,
    CONSTRAINT credits_customer_id_kind_key UNIQUE (customer_id, kind),
    CONSTRAINT credits_holder_check CHECK ((code IS NULL) = (customer_id IS NOT NULL))
);
REVOKE UPDATE, DELETE ON credits FROM tenantry_tenant;
GRANT UPDATE (balance, position) ON credits TO tenantry_tenant;

-- The movements of vouchers and accounts; append-only. Each belongs to a receipt, so that every balance can be
-- explained.
CREATE TABLE credit_movements (
    id uuid CONSTRAINT credit_movements_pkey PRIMARY KEY,
    credit_id uuid NOT NULL CONSTRAINT credit_movements_credit_id_fkey REFERENCES credits (id),
    -- Counts the movements of one credit.
    position bigint NOT NULL,
    amount numeric(14, 4) NOT NULL CONSTRAINT credit_movements_amount_check CHECK (amount <> 0),
    balance_after numeric(14, 4) NOT NULL CONSTRAINT credit_movements_balance_after_check CHECK (balance_after >= 0),
    sale_id uuid NOT NULL CONSTRAINT credit_movements_sale_id_fkey REFERENCES sales (id),
    -- Whether the receipt was voided by this movement.
    is_void boolean NOT NULL,
    actor_id uuid,
    moved_at timestamptz NOT NULL,
    CONSTRAINT credit_movements_position_key UNIQUE (credit_id, position)
);
CREATE INDEX credit_movements_credit_id_idx ON credit_movements (credit_id, id);
CREATE INDEX credit_movements_sale_id_idx ON credit_movements (sale_id);
REVOKE UPDATE, DELETE ON credit_movements FROM tenantry_tenant;

-- The payments of a receipt; append-only.
CREATE TABLE sale_payments (
    id uuid CONSTRAINT sale_payments_pkey PRIMARY KEY,
    sale_id uuid NOT NULL CONSTRAINT sale_payments_sale_id_fkey REFERENCES sales (id),
    position smallint NOT NULL,
    method text NOT NULL CONSTRAINT sale_payments_method_check CHECK (method IN (
        'cash', 'card', 'bank_transfer', 'mobile_money', 'voucher', 'store_credit', 'on_account', 'other')),
    -- Without change. Negative: paid back.
    amount numeric(14, 4) NOT NULL,
    -- The cash that the customer handed over.
    tendered numeric(14, 4),
    reference text,
    -- The voucher or the account that pays, or is paid into, and its balance afterwards.
    credit_id uuid CONSTRAINT sale_payments_credit_id_fkey REFERENCES credits (id),
    credit_balance numeric(14, 4),
    CONSTRAINT sale_payments_sale_id_position_key UNIQUE (sale_id, position)
);
CREATE INDEX sale_payments_credit_id_idx ON sale_payments (credit_id) WHERE credit_id IS NOT NULL;
REVOKE UPDATE, DELETE ON sale_payments FROM tenantry_tenant;

ALTER TABLE customers
    -- A customer who pays no taxes, such as an embassy.
    ADD COLUMN is_tax_exempt boolean NOT NULL DEFAULT false,
    -- The largest debt of the customer; 0 allows none.
    ADD COLUMN credit_limit numeric(14, 4) NOT NULL DEFAULT 0;
-- reason: the new column has one value in all rows.
ALTER TABLE customers ADD CONSTRAINT customers_credit_limit_check CHECK (credit_limit >= 0);

-- Whether the lines were priced for a customer who pays no taxes.
ALTER TABLE orders ADD COLUMN is_tax_exempt boolean NOT NULL DEFAULT false;

-- More may be paid back by a method than was received. Cash in a drawer is never negative.
ALTER TABLE shift_counts DROP CONSTRAINT shift_counts_counted_check;
-- reason: the old check was stricter.
ALTER TABLE shift_counts ADD CONSTRAINT shift_counts_counted_check CHECK (counted >= 0 OR method <> 'cash');

-- reason: the table has one row.
ALTER TABLE settings
    -- The month in which the fiscal year begins.
    ADD COLUMN fiscal_year_starts_in smallint NOT NULL DEFAULT 1
        CONSTRAINT settings_fiscal_year_starts_in_check CHECK (fiscal_year_starts_in BETWEEN 1 AND 12);

-- Stock on its way from one location to another: out when it is sent, in when it arrives, in transit between.
CREATE TABLE stock_transfers (
    id uuid CONSTRAINT stock_transfers_pkey PRIMARY KEY,
    number bigint NOT NULL CONSTRAINT stock_transfers_number_key UNIQUE,
    from_location_id uuid NOT NULL
        CONSTRAINT stock_transfers_from_location_id_fkey REFERENCES locations (id),
    to_location_id uuid NOT NULL CONSTRAINT stock_transfers_to_location_id_fkey REFERENCES locations (id),
    status text NOT NULL CONSTRAINT stock_transfers_status_check
        CHECK (status IN ('in_transit', 'partly_received', 'received', 'closed')),
    note text,
    -- What the client asked for, to tell a repetition from another transfer with its id.
    request_hash bytea NOT NULL,
    sent_by uuid,
    version integer NOT NULL DEFAULT 1,
    sent_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT stock_transfers_locations_check CHECK (from_location_id <> to_location_id)
);
CREATE INDEX stock_transfers_status_idx ON stock_transfers (status, id);
CREATE INDEX stock_transfers_from_location_id_idx ON stock_transfers (from_location_id);
CREATE INDEX stock_transfers_to_location_id_idx ON stock_transfers (to_location_id);

CREATE TABLE stock_transfer_lines (
    id uuid CONSTRAINT stock_transfer_lines_pkey PRIMARY KEY,
    transfer_id uuid NOT NULL CONSTRAINT stock_transfer_lines_transfer_id_fkey REFERENCES stock_transfers (id),
    variant_id uuid NOT NULL CONSTRAINT stock_transfer_lines_variant_id_fkey REFERENCES variants (id),
    quantity numeric(14, 3) NOT NULL CONSTRAINT stock_transfer_lines_quantity_check CHECK (quantity > 0),
    received numeric(14, 3) NOT NULL DEFAULT 0,
    -- What never arrived and went back to where it came from.
    sent_back numeric(14, 3) NOT NULL DEFAULT 0,
    unit_cost numeric(14, 4),
    CONSTRAINT stock_transfer_lines_transfer_id_variant_id_key UNIQUE (transfer_id, variant_id),
    CONSTRAINT stock_transfer_lines_open_check
        CHECK (received >= 0 AND sent_back >= 0 AND received + sent_back <= quantity)
);
CREATE INDEX stock_transfer_lines_variant_id_idx ON stock_transfer_lines (variant_id);

-- Each arrival of part of a transfer, or the return of what is left of it.
CREATE TABLE stock_transfer_steps (
    id uuid CONSTRAINT stock_transfer_steps_pkey PRIMARY KEY,
    transfer_id uuid NOT NULL CONSTRAINT stock_transfer_steps_transfer_id_fkey REFERENCES stock_transfers (id),
    kind text NOT NULL CONSTRAINT stock_transfer_steps_kind_check CHECK (kind IN ('receive', 'send_back')),
    request_hash bytea NOT NULL,
    actor_id uuid,
    occurred_at timestamptz NOT NULL
);
CREATE INDEX stock_transfer_steps_transfer_id_idx ON stock_transfer_steps (transfer_id);
REVOKE UPDATE, DELETE ON stock_transfer_steps FROM tenantry_tenant;

-- A count of what is really there. A line keeps what was expected when it was counted, so that what is sold or bought until
-- the count is posted is not lost: posted is counted less expected.
CREATE TABLE stock_counts (
    id uuid CONSTRAINT stock_counts_pkey PRIMARY KEY,
    number bigint NOT NULL CONSTRAINT stock_counts_number_key UNIQUE,
    location_id uuid NOT NULL CONSTRAINT stock_counts_location_id_fkey REFERENCES locations (id),
    status text NOT NULL CONSTRAINT stock_counts_status_check CHECK (status IN ('open', 'posted', 'cancelled')),
    note text,
    opened_by uuid,
    version integer NOT NULL DEFAULT 1,
    opened_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX stock_counts_status_idx ON stock_counts (status, id);
CREATE INDEX stock_counts_location_id_idx ON stock_counts (location_id);

CREATE TABLE stock_count_lines (
    id uuid CONSTRAINT stock_count_lines_pkey PRIMARY KEY,
    count_id uuid NOT NULL CONSTRAINT stock_count_lines_count_id_fkey REFERENCES stock_counts (id),
    variant_id uuid NOT NULL CONSTRAINT stock_count_lines_variant_id_fkey REFERENCES variants (id),
    counted numeric(14, 3) NOT NULL CONSTRAINT stock_count_lines_counted_check CHECK (counted >= 0),
    -- On hand at the moment of counting, and the ledger's position then.
    expected numeric(14, 3) NOT NULL,
    position bigint NOT NULL,
    counted_by uuid,
    counted_at timestamptz NOT NULL,
    CONSTRAINT stock_count_lines_count_id_variant_id_key UNIQUE (count_id, variant_id)
);
CREATE INDEX stock_count_lines_variant_id_idx ON stock_count_lines (variant_id);

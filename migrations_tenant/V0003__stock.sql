-- On hand and reserved per variant and location; available is the difference. Equal to the sum of the movements.
CREATE TABLE stock_levels (
    variant_id uuid NOT NULL CONSTRAINT stock_levels_variant_id_fkey REFERENCES variants (id),
    location_id uuid NOT NULL CONSTRAINT stock_levels_location_id_fkey REFERENCES locations (id),
    on_hand numeric(14, 3) NOT NULL CONSTRAINT stock_levels_on_hand_check CHECK (on_hand >= 0),
    reserved numeric(14, 3) NOT NULL
        CONSTRAINT stock_levels_reserved_check CHECK (reserved BETWEEN 0 AND on_hand),
    -- The number of movements so far: the last one's place in the ledger of this variant and location.
    position bigint NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT stock_levels_pkey PRIMARY KEY (variant_id, location_id)
);
CREATE INDEX stock_levels_location_id_idx ON stock_levels (location_id);

-- The ledger: append-only, so UPDATE and DELETE are withheld below.
CREATE TABLE stock_movements (
    id uuid CONSTRAINT stock_movements_pkey PRIMARY KEY,
    variant_id uuid NOT NULL CONSTRAINT stock_movements_variant_id_fkey REFERENCES variants (id),
    location_id uuid NOT NULL CONSTRAINT stock_movements_location_id_fkey REFERENCES locations (id),
    position bigint NOT NULL,
    kind text NOT NULL CONSTRAINT stock_movements_kind_check
        CHECK (kind IN ('purchase', 'sale', 'adjustment', 'return', 'transfer', 'count')),
    quantity numeric(14, 3) NOT NULL CONSTRAINT stock_movements_quantity_check CHECK (quantity <> 0),
    balance_after numeric(14, 3) NOT NULL CONSTRAINT stock_movements_balance_after_check CHECK (balance_after >= 0),
    reason text,
    -- The document that caused it. Posting the same line of a document twice is refused here.
    source_type text NOT NULL,
    source_id uuid NOT NULL,
    source_line_id uuid NOT NULL,
    -- A user's id, in the shared schema; null when the platform did it.
    actor_id uuid,
    occurred_at timestamptz NOT NULL,
    CONSTRAINT stock_movements_variant_id_location_id_position_key UNIQUE (variant_id, location_id, position),
    CONSTRAINT stock_movements_source_key UNIQUE (source_type, source_id, source_line_id, kind)
);
CREATE INDEX stock_movements_location_id_idx ON stock_movements (location_id);
CREATE INDEX stock_movements_variant_id_id_idx ON stock_movements (variant_id, id);
REVOKE UPDATE, DELETE ON stock_movements FROM tenantry_tenant;

-- A change of stock that someone entered by hand, and why.
CREATE TABLE stock_adjustments (
    id uuid CONSTRAINT stock_adjustments_pkey PRIMARY KEY,
    variant_id uuid NOT NULL CONSTRAINT stock_adjustments_variant_id_fkey REFERENCES variants (id),
    location_id uuid NOT NULL CONSTRAINT stock_adjustments_location_id_fkey REFERENCES locations (id),
    quantity numeric(14, 3) NOT NULL CONSTRAINT stock_adjustments_quantity_check CHECK (quantity <> 0),
    reason text NOT NULL,
    note text,
    actor_id uuid,
    created_at timestamptz NOT NULL
);
CREATE INDEX stock_adjustments_variant_id_idx ON stock_adjustments (variant_id);
REVOKE UPDATE, DELETE ON stock_adjustments FROM tenantry_tenant;

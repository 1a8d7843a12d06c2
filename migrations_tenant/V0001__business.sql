-- One business's schema. Names are unqualified: search_path decides. Keys are UUIDv7 and made by the application.
-- The tenant group may read and write every table made here, by default privileges; the history is not its to write.
REVOKE INSERT, UPDATE, DELETE ON migrations FROM tenantry_tenant;

-- One row.
CREATE TABLE settings (
    id smallint CONSTRAINT settings_pkey PRIMARY KEY CONSTRAINT settings_id_check CHECK (id = 1),
    currency text NOT NULL CONSTRAINT settings_currency_check CHECK (currency ~ '^[A-Z]{3}$'),
    currency_decimals smallint NOT NULL
        CONSTRAINT settings_currency_decimals_check CHECK (currency_decimals BETWEEN 0 AND 4),
    time_zone text NOT NULL,
    version integer NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL
);

-- Where stock is kept; every business is born with one.
CREATE TABLE locations (
    id uuid CONSTRAINT locations_pkey PRIMARY KEY,
    name text NOT NULL CONSTRAINT locations_name_key UNIQUE,
    is_default boolean NOT NULL,
    archived_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX locations_default_idx ON locations (is_default) WHERE is_default;

-- The stored answers of posted requests, written in the transaction of their effect.
CREATE TABLE idempotency_keys (
    principal_id uuid NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    status smallint,
    headers jsonb,
    body bytea,
    created_at timestamptz NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (principal_id, key)
);
CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at);

-- The tills of the business. A register sells from the stock of its location.
CREATE TABLE registers (
    id uuid CONSTRAINT registers_pkey PRIMARY KEY,
    name text NOT NULL,
    name_key text NOT NULL CONSTRAINT registers_name_key UNIQUE,
    -- Begins the numbers of its documents, and never changes: a number must name one register for good.
    series text NOT NULL CONSTRAINT registers_series_key UNIQUE,
    location_id uuid NOT NULL CONSTRAINT registers_location_id_fkey REFERENCES locations (id),
    archived_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX registers_location_id_idx ON registers (location_id);

-- People who ask for a business of their own. Only the owner's login reads and writes it: nobody is known yet whom a
-- policy could name. The business is created when the mailed link is used.
CREATE TABLE shared.sign_ups (
    id uuid CONSTRAINT sign_ups_pkey PRIMARY KEY,
    email text NOT NULL,
    slug text NOT NULL,
    name text NOT NULL,
    currency text NOT NULL,
    -- The network of the client, by which sign-ups are counted; null: unknown.
    network inet,
    -- The hash of the token in the link; null until the mail is written.
    hash bytea CONSTRAINT sign_ups_hash_key UNIQUE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    confirmed_at timestamptz,
    -- The business; no foreign key, for the row outlives it.
    tenant_id uuid
);
CREATE INDEX sign_ups_created_at_idx ON shared.sign_ups (created_at);
ALTER TABLE shared.sign_ups ENABLE ROW LEVEL SECURITY;

CREATE TABLE categories (
    id uuid CONSTRAINT categories_pkey PRIMARY KEY,
    name text NOT NULL,
    parent_id uuid CONSTRAINT categories_parent_id_fkey REFERENCES categories (id),
    archived_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT categories_parent_id_name_key UNIQUE NULLS NOT DISTINCT (parent_id, name)
);

CREATE TABLE products (
    id uuid CONSTRAINT products_pkey PRIMARY KEY,
    name text NOT NULL,
    description text,
    category_id uuid CONSTRAINT products_category_id_fkey REFERENCES categories (id),
    -- The names of the option axes, such as size and colour; each variant has a value on every axis.
    option_names text[] NOT NULL,
    archived_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX products_category_id_idx ON products (category_id);
-- The three trigram indexes serve the search for any part of a name, SKU or barcode. A catalogue is read far more often
-- than written, so entries go into the index at once (fastupdate off) instead of a list that each search would read.
CREATE INDEX products_name_idx ON products USING gin (name gin_trgm_ops) WITH (fastupdate = off);

-- What is sold: the stock-keeping unit.
CREATE TABLE variants (
    id uuid CONSTRAINT variants_pkey PRIMARY KEY,
    product_id uuid NOT NULL CONSTRAINT variants_product_id_fkey REFERENCES products (id),
    sku text NOT NULL CONSTRAINT variants_sku_key UNIQUE,
    price numeric(14, 4) NOT NULL CONSTRAINT variants_price_check CHECK (price >= 0),
    cost numeric(14, 4) CONSTRAINT variants_cost_check CHECK (cost >= 0),
    reorder_level numeric(14, 3) CONSTRAINT variants_reorder_level_check CHECK (reorder_level >= 0),
    options jsonb NOT NULL,
    archived_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX variants_product_id_idx ON variants (product_id);
-- Two variants of a product differ in an option, unless they are told apart by their SKUs alone.
CREATE UNIQUE INDEX variants_product_id_options_key ON variants (product_id, options) WHERE options <> '{}';
CREATE INDEX variants_sku_idx ON variants USING gin (sku gin_trgm_ops) WITH (fastupdate = off);

-- Unique within the business, never platform-wide.
CREATE TABLE barcodes (
    code text CONSTRAINT barcodes_pkey PRIMARY KEY,
    variant_id uuid NOT NULL CONSTRAINT barcodes_variant_id_fkey REFERENCES variants (id),
    created_at timestamptz NOT NULL
);
CREATE INDEX barcodes_variant_id_idx ON barcodes (variant_id);
CREATE INDEX barcodes_code_idx ON barcodes USING gin (code gin_trgm_ops) WITH (fastupdate = off);

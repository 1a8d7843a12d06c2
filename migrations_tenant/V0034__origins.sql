-- The origins whose pages may call the API of this business, beside those of the installation.
ALTER TABLE settings ADD COLUMN cors_origins text[] NOT NULL DEFAULT '{}';

-- The fiscal device that signs the receipts of the register, by its name in the settings of the servers.
ALTER TABLE registers ADD COLUMN fiscal_device text;

-- The receipts that a fiscal device signs. A receipt waits for its signature after it was completed, because a device
-- cannot take a signature back.
CREATE TABLE fiscal_signatures (
    sale_id uuid CONSTRAINT fiscal_signatures_pkey PRIMARY KEY
        CONSTRAINT fiscal_signatures_sale_id_fkey REFERENCES sales (id),
    device text NOT NULL,
    -- What the device returned. Null: it has not signed yet.
    serial_number text,
    signature text,
    -- The text of the QR code, if the device prescribes it.
    qr_text text,
    signed_at timestamptz,
    -- The failed attempts, and why the last one failed.
    attempts integer NOT NULL DEFAULT 0,
    failure text,
    created_at timestamptz NOT NULL,
    CONSTRAINT fiscal_signatures_signed_check
        CHECK ((signed_at IS NULL) = (signature IS NULL) AND (signed_at IS NULL) = (serial_number IS NULL))
);
CREATE INDEX fiscal_signatures_waiting_idx ON fiscal_signatures (device, created_at) WHERE signed_at IS NULL;
REVOKE UPDATE, DELETE ON fiscal_signatures FROM tenantry_tenant;
GRANT UPDATE (serial_number, signature, qr_text, signed_at, attempts, failure) ON fiscal_signatures TO tenantry_tenant;

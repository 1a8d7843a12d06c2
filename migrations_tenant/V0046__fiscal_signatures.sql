-- needs code: 46

-- The fiscal device that signs the receipts of the register, by its name in the settings of the servers.
ALTER TABLE registers ADD COLUMN fiscal_device text;

-- The receipts that fiscal devices sign. A device cannot take a signature back. It therefore signs after the receipt is
-- committed.
CREATE TABLE fiscal_signatures (
    sale_id uuid CONSTRAINT fiscal_signatures_pkey PRIMARY KEY
        CONSTRAINT fiscal_signatures_sale_id_fkey REFERENCES sales (id),
    device text NOT NULL,
    -- The answer of the device. Null: the device has not signed yet.
    serial_number text,
    signature text,
    -- The text of the QR code, if the device prescribes it.
    qr_text text,
    signed_at timestamptz,
    -- The number of failed attempts, and the reason of the last failure.
    attempts integer NOT NULL DEFAULT 0,
    failure text,
    -- Whether the device answered the last attempt with a refusal. Other receipts are asked for first.
    is_refused boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    CONSTRAINT fiscal_signatures_signed_check
        CHECK ((signed_at IS NULL) = (signature IS NULL) AND (signed_at IS NULL) = (serial_number IS NULL))
);
CREATE INDEX fiscal_signatures_waiting_idx ON fiscal_signatures (device, is_refused, created_at) WHERE signed_at IS NULL;
REVOKE UPDATE, DELETE ON fiscal_signatures FROM tenantry_tenant;
GRANT UPDATE (serial_number, signature, qr_text, signed_at, attempts, failure, is_refused)
    ON fiscal_signatures TO tenantry_tenant;

-- The GTIN of a barcode in its 14-digit form. All forms of one GTIN have the same number. Null: a code of the shop's own,
-- or a form of a GTIN that another barcode already has, from before this migration.
ALTER TABLE barcodes ADD COLUMN number text;
-- reason: one pass over the barcodes; a business has some ten thousand of them.
UPDATE barcodes b SET number = first.number
  FROM (SELECT DISTINCT ON (number) code, number
          FROM (SELECT code, created_at, lpad(code, 14, '0') AS number FROM barcodes
                 WHERE code ~ '^[0-9]+$' AND length(code) IN (8, 12, 13, 14)
                   AND (SELECT sum(substr(lpad(code, 14, '0'), n, 1)::integer * CASE WHEN n % 2 = 1 THEN 3 ELSE 1 END)
                          FROM generate_series(1, 14) n) % 10 = 0) gtin
         ORDER BY number, created_at, code) first
 WHERE first.code = b.code;
-- reason: the numbers were just written, under the same lock.
CREATE UNIQUE INDEX barcodes_number_key ON barcodes (number);

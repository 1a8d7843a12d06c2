-- Lists go by number, for a client may choose a document's id. The former indexes go with a later release: old code sorts by them.
-- reason: a business has some thousands of these documents at most; reading them once takes milliseconds.
CREATE INDEX purchase_orders_status_number_idx ON purchase_orders (status, number);
-- reason: as above.
CREATE INDEX purchase_orders_supplier_id_number_idx ON purchase_orders (supplier_id, number);
-- reason: as above.
CREATE INDEX stock_transfers_status_number_idx ON stock_transfers (status, number);

-- Finer than the cents of a large quantity: what was averaged in can be taken out again.
-- reason: it takes a limit off the type, which writes no row anew.
ALTER TABLE stock_levels ALTER COLUMN average_cost TYPE numeric;

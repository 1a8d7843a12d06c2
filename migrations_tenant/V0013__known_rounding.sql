-- What the code reads of the column is all that may be in it.
-- reason: the table has one row.
ALTER TABLE settings ADD CONSTRAINT settings_rounding_check
    CHECK (rounding IN ('half_away_from_zero', 'half_even'));

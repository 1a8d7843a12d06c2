-- The version of an event's payload, so that its shape can change while subscribers read both.
-- ACCESS EXCLUSIVE for an instant: a constant default rewrites nothing. Servers of the release before go on inserting
-- without it.
ALTER TABLE shared.outbox ADD COLUMN version smallint NOT NULL DEFAULT 1;

-- Nothing reads inside a state. As text it is written without being taken apart, and may be larger than
-- the 256 MiB that jsonb allows for the members of one object.
ALTER TABLE snapshot ALTER COLUMN state TYPE text USING state::text;

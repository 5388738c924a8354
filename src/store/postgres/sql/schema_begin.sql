CREATE TABLE IF NOT EXISTS reconciled_schema (id bigint PRIMARY KEY, version bigint NOT NULL);
INSERT INTO reconciled_schema (id, version) VALUES (1, 0) ON CONFLICT (id) DO NOTHING;

-- What keeps tables of the platform from being replicated, on either side: name, problem,
-- and the statement that ends it; NULL and NULL where nothing does. Triggers of a statement
-- fire for the table that it names alone; a ctid is one row of one table; and a crash
-- empties what is not logged. Looked for by name, so that no right on a schema is needed.
-- Slots: tables
SELECT w.name, p.found[1] AS problem, p.found[2] AS remedy
FROM unnest({tables}::text[]) w(name)
JOIN (
    SELECT a.*, n.nspname || '.' || a.relname AS name
    FROM pg_class a JOIN pg_namespace n ON n.oid = a.relnamespace) c ON c.name = w.name
CROSS JOIN LATERAL (
    SELECT string_agg(i.inhrelid::regclass::text, ', ' ORDER BY i.inhrelid) AS names,
        string_agg(format('ALTER TABLE %s NO INHERIT %s;', i.inhrelid::regclass,
            i.inhparent::regclass), ' ' ORDER BY i.inhrelid) AS remedies
    FROM pg_inherits i WHERE i.inhparent = c.oid) child
CROSS JOIN LATERAL (
    SELECT min(i.inhparent)::regclass AS name
    FROM pg_inherits i WHERE i.inhrelid = c.oid) parent
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN c.relkind = 'p' THEN ARRAY['is partitioned',
            'Replace it by an ordinary table: CREATE TABLE ... (LIKE ... INCLUDING ALL).']
        WHEN c.relkind <> 'r' THEN ARRAY['is no ordinary table',
            'Name the table itself in pyreplctl.toml.']
        WHEN c.relispartition THEN ARRAY[format('is partitioned: it is a part of %s',
            parent.name), format('ALTER TABLE %s DETACH PARTITION %s;', parent.name,
            c.oid::regclass)]
        WHEN child.names IS NOT NULL THEN ARRAY[
            'has tables that inherit from it: ' || child.names, child.remedies]
        WHEN parent.name IS NOT NULL THEN ARRAY[format('inherits from %s', parent.name),
            format('ALTER TABLE %s NO INHERIT %s;', c.oid::regclass, parent.name)]
        WHEN EXISTS (SELECT FROM pg_subscription_rel s WHERE s.srrelid = c.oid)
            THEN ARRAY['is written by a logical subscription',
                'Take it out of the publication, then ALTER SUBSCRIPTION ... REFRESH'
                ' PUBLICATION.']
        WHEN c.relpersistence <> 'p' THEN ARRAY[
            'is not logged, so a crash would empty it',
            format('ALTER TABLE %s SET LOGGED;', c.oid::regclass)]
        END AS found) p

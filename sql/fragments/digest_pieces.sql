-- Rows of users and profiles as pieces of a digest, alike on both sides: whose it is, a
-- flag, the hash of the row (own). Each side adds enrollments (held) and copies. Flags:
-- 1 there is a user row, 4 an enrollment that counts, 8 a copy, 2 one that is not erased.
-- Slots: profile_chosen, profile_digest, profile_table, profile_user, user_chosen,
--   user_digest, user_key, user_table
SELECT r.{user_key}::bigint AS id, 1 AS flag, {user_digest} AS own, NULL::bigint AS held
FROM ONLY {user_table} r
WHERE {user_chosen}
UNION ALL
SELECT r.{profile_user}, 0, {profile_digest}, NULL
FROM ONLY {profile_table} r
WHERE {profile_chosen}

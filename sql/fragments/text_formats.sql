-- How values become text and text becomes values: the same in every session and on both
-- sides, or equal rows would travel as others and hash otherwise, and NULL in an array
-- would arrive as a word. What is sent, read or hashed says so.
SET datestyle = 'ISO, YMD'
SET timezone = 'UTC'
SET intervalstyle = 'postgres'
SET extra_float_digits = 3
SET bytea_output = 'hex'
SET array_nulls = on
SET xmloption = 'content'
SET quote_all_identifiers = off

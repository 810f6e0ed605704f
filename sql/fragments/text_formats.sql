-- How values become text: the same in every session and on both sides, or equal rows would
-- travel as others and hash otherwise. What is sent or hashed says so.
SET datestyle = 'ISO, YMD'
SET timezone = 'UTC'
SET intervalstyle = 'postgres'
SET extra_float_digits = 3
SET bytea_output = 'hex'

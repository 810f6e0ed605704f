-- The 25 columns that Askbot adds to auth_user at a course, as its module
-- askbot/models/__init__.py declared them with User.add_to_class when edX ran it, in
-- the first half of 2012 (release 0.7.43 of that August has more).
-- Django puts no DEFAULT into DDL; the 23 that are NOT NULL have one here, Django's own,
-- so that a copy of a user can be inserted. askbot_bare.sql is without.

ALTER TABLE auth_user
    ADD COLUMN status varchar(2) NOT NULL DEFAULT 'w',
    ADD COLUMN email_isvalid boolean NOT NULL DEFAULT false,
    ADD COLUMN email_key varchar(32),
    ADD COLUMN reputation integer NOT NULL DEFAULT 1 CHECK (reputation >= 0),
    ADD COLUMN gravatar varchar(32) NOT NULL DEFAULT '',
    ADD COLUMN avatar_type varchar(1) NOT NULL DEFAULT 'n',
    ADD COLUMN gold smallint NOT NULL DEFAULT 0,
    ADD COLUMN silver smallint NOT NULL DEFAULT 0,
    ADD COLUMN bronze smallint NOT NULL DEFAULT 0,
    ADD COLUMN questions_per_page smallint NOT NULL DEFAULT 10,
    ADD COLUMN last_seen timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN real_name varchar(100) NOT NULL DEFAULT '',
    ADD COLUMN website varchar(200) NOT NULL DEFAULT '',
    ADD COLUMN location varchar(100) NOT NULL DEFAULT '',
    ADD COLUMN country varchar(2) NOT NULL DEFAULT '',
    ADD COLUMN show_country boolean NOT NULL DEFAULT false,
    ADD COLUMN date_of_birth date,
    ADD COLUMN about text NOT NULL DEFAULT '',
    ADD COLUMN interesting_tags text NOT NULL DEFAULT '',
    ADD COLUMN ignored_tags text NOT NULL DEFAULT '',
    ADD COLUMN email_tag_filter_strategy smallint NOT NULL DEFAULT 1,
    ADD COLUMN display_tag_filter_strategy smallint NOT NULL DEFAULT 0,
    ADD COLUMN new_response_count integer NOT NULL DEFAULT 0,
    ADD COLUMN seen_response_count integer NOT NULL DEFAULT 0,
    ADD COLUMN consecutive_days_visit_count integer NOT NULL DEFAULT 0;

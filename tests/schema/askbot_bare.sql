-- The 25 columns that Askbot adds to auth_user at a course, as its module
-- askbot/models/__init__.py declared them with User.add_to_class when edX ran it, in
-- the first half of 2012 (release 0.7.43 of that August has more).
-- Without defaults, as Django made them: nothing can insert the portal's 11 columns.

ALTER TABLE auth_user
    ADD COLUMN status varchar(2) NOT NULL,
    ADD COLUMN email_isvalid boolean NOT NULL,
    ADD COLUMN email_key varchar(32),
    ADD COLUMN reputation integer NOT NULL CHECK (reputation >= 0),
    ADD COLUMN gravatar varchar(32) NOT NULL,
    ADD COLUMN avatar_type varchar(1) NOT NULL,
    ADD COLUMN gold smallint NOT NULL,
    ADD COLUMN silver smallint NOT NULL,
    ADD COLUMN bronze smallint NOT NULL,
    ADD COLUMN questions_per_page smallint NOT NULL,
    ADD COLUMN last_seen timestamptz NOT NULL,
    ADD COLUMN real_name varchar(100) NOT NULL,
    ADD COLUMN website varchar(200) NOT NULL,
    ADD COLUMN location varchar(100) NOT NULL,
    ADD COLUMN country varchar(2) NOT NULL,
    ADD COLUMN show_country boolean NOT NULL,
    ADD COLUMN date_of_birth date,
    ADD COLUMN about text NOT NULL,
    ADD COLUMN interesting_tags text NOT NULL,
    ADD COLUMN ignored_tags text NOT NULL,
    ADD COLUMN email_tag_filter_strategy smallint NOT NULL,
    ADD COLUMN display_tag_filter_strategy smallint NOT NULL,
    ADD COLUMN new_response_count integer NOT NULL,
    ADD COLUMN seen_response_count integer NOT NULL,
    ADD COLUMN consecutive_days_visit_count integer NOT NULL;

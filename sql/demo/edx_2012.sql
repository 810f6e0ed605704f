-- The three replicated tables as Django 1.4 and South created them on PostgreSQL in
-- 2012, from the models User (django.contrib.auth 1.4), UserProfile and
-- CourseEnrollment. Django put no DEFAULT into DDL: only the ids have one.

CREATE TABLE auth_user (
    id serial NOT NULL PRIMARY KEY,
    username varchar(30) NOT NULL UNIQUE,
    first_name varchar(30) NOT NULL,
    last_name varchar(30) NOT NULL,
    email varchar(75) NOT NULL,
    password varchar(128) NOT NULL,
    is_staff boolean NOT NULL,
    is_active boolean NOT NULL,
    is_superuser boolean NOT NULL,
    last_login timestamptz NOT NULL,
    date_joined timestamptz NOT NULL
);

CREATE INDEX auth_user_username_like ON auth_user (username varchar_pattern_ops);

CREATE TABLE auth_userprofile (
    id serial NOT NULL PRIMARY KEY,
    user_id integer NOT NULL UNIQUE
        REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED,
    name varchar(255) NOT NULL,
    meta text NOT NULL,
    courseware varchar(255) NOT NULL,
    language varchar(255) NOT NULL,
    location varchar(255) NOT NULL,
    year_of_birth integer,
    gender varchar(6),
    level_of_education varchar(6),
    mailing_address text,
    goals text
);

CREATE INDEX auth_userprofile_name ON auth_userprofile (name);
CREATE INDEX auth_userprofile_name_like
    ON auth_userprofile (name varchar_pattern_ops);
CREATE INDEX auth_userprofile_language ON auth_userprofile (language);
CREATE INDEX auth_userprofile_language_like
    ON auth_userprofile (language varchar_pattern_ops);
CREATE INDEX auth_userprofile_location ON auth_userprofile (location);
CREATE INDEX auth_userprofile_location_like
    ON auth_userprofile (location varchar_pattern_ops);
CREATE INDEX auth_userprofile_year_of_birth ON auth_userprofile (year_of_birth);
CREATE INDEX auth_userprofile_gender ON auth_userprofile (gender);
CREATE INDEX auth_userprofile_gender_like
    ON auth_userprofile (gender varchar_pattern_ops);
CREATE INDEX auth_userprofile_level_of_education
    ON auth_userprofile (level_of_education);
CREATE INDEX auth_userprofile_level_of_education_like
    ON auth_userprofile (level_of_education varchar_pattern_ops);

CREATE TABLE student_courseenrollment (
    id serial NOT NULL PRIMARY KEY,
    user_id integer NOT NULL
        REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED,
    course_id varchar(255) NOT NULL,
    created timestamptz,
    UNIQUE (user_id, course_id)
);

CREATE INDEX student_courseenrollment_user_id ON student_courseenrollment (user_id);
CREATE INDEX student_courseenrollment_course_id
    ON student_courseenrollment (course_id);
CREATE INDEX student_courseenrollment_course_id_like
    ON student_courseenrollment (course_id varchar_pattern_ops);
CREATE INDEX student_courseenrollment_created ON student_courseenrollment (created);

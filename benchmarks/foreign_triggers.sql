-- What one would write by hand: a trigger per table, row and course database ({db}, which
-- hosts the course {key}), that writes the row through a foreign table at once.
CREATE FUNCTION {db}.user_saved() RETURNS trigger LANGUAGE plpgsql AS $user_saved$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM {db}.auth_user WHERE id = OLD.id;
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT FROM public.student_courseenrollment
               WHERE user_id = NEW.id AND course_id = {key}) THEN
        UPDATE {db}.auth_user SET username = NEW.username, first_name = NEW.first_name,
            last_name = NEW.last_name, email = NEW.email, password = NEW.password,
            is_staff = NEW.is_staff, is_active = NEW.is_active,
            is_superuser = NEW.is_superuser, last_login = NEW.last_login,
            date_joined = NEW.date_joined
        WHERE id = NEW.id;
    END IF;
    RETURN NULL;
END
$user_saved$;

CREATE FUNCTION {db}.profile_saved() RETURNS trigger LANGUAGE plpgsql AS $profile_saved$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM {db}.auth_userprofile WHERE id = OLD.id;
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT FROM public.student_courseenrollment
               WHERE user_id = NEW.user_id AND course_id = {key}) THEN
        UPDATE {db}.auth_userprofile SET name = NEW.name, meta = NEW.meta,
            courseware = NEW.courseware, language = NEW.language,
            location = NEW.location, year_of_birth = NEW.year_of_birth,
            gender = NEW.gender, level_of_education = NEW.level_of_education,
            mailing_address = NEW.mailing_address, goals = NEW.goals
        WHERE id = NEW.id;
        IF NOT FOUND THEN
            INSERT INTO {db}.auth_userprofile VALUES (NEW.*);
        END IF;
    END IF;
    RETURN NULL;
END
$profile_saved$;

CREATE FUNCTION {db}.enrollment_saved() RETURNS trigger LANGUAGE plpgsql
AS $enrollment_saved$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.course_id = {key} THEN
        DELETE FROM {db}.student_courseenrollment WHERE id = OLD.id;
    ELSIF TG_OP = 'INSERT' AND NEW.course_id = {key} THEN
        IF NOT EXISTS (SELECT FROM {db}.auth_user WHERE id = NEW.user_id) THEN
            INSERT INTO {db}.auth_user SELECT u.id, u.username, u.first_name,
                u.last_name, u.email, u.password, u.is_staff, u.is_active,
                u.is_superuser, u.last_login, u.date_joined
            FROM public.auth_user u WHERE u.id = NEW.user_id;
            INSERT INTO {db}.auth_userprofile
            SELECT * FROM public.auth_userprofile p WHERE p.user_id = NEW.user_id;
        END IF;
        INSERT INTO {db}.student_courseenrollment VALUES (NEW.*);
    END IF;
    RETURN NULL;
END
$enrollment_saved$;

CREATE TRIGGER {db} AFTER UPDATE OR DELETE ON public.auth_user
    FOR EACH ROW EXECUTE FUNCTION {db}.user_saved();
CREATE TRIGGER {db} AFTER INSERT OR UPDATE OR DELETE ON public.auth_userprofile
    FOR EACH ROW EXECUTE FUNCTION {db}.profile_saved();
CREATE TRIGGER {db} AFTER INSERT OR DELETE ON public.student_courseenrollment
    FOR EACH ROW EXECUTE FUNCTION {db}.enrollment_saved();

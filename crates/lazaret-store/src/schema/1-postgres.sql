CREATE FUNCTION contents_counted() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE totals SET value = value + (SELECT coalesce(sum(stored), 0) FROM touched) WHERE name = 'contents';
    ELSE
        UPDATE totals SET value = value - (SELECT coalesce(sum(stored), 0) FROM touched) WHERE name = 'contents';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER contents_added AFTER INSERT ON contents
    REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION contents_counted();
CREATE TRIGGER contents_removed AFTER DELETE ON contents
    REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION contents_counted();

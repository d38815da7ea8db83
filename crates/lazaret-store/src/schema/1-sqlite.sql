CREATE TRIGGER contents_added AFTER INSERT ON contents BEGIN
    UPDATE totals SET value = value + new.stored WHERE name = 'contents';
END;
CREATE TRIGGER contents_removed AFTER DELETE ON contents BEGIN
    UPDATE totals SET value = value - old.stored WHERE name = 'contents';
END;

-- The permissions of the till cover sales, too.
ALTER FUNCTION shared.ensure_built_in_apps() RENAME TO ensure_fifth_built_in_apps;
CREATE FUNCTION shared.ensure_built_in_apps() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
BEGIN
    PERFORM shared.ensure_fifth_built_in_apps();
    UPDATE shared.permissions p SET description = new.description
      FROM (VALUES
            ('till.read', 'Read registers, shifts and sales'),
            ('till.sell', 'Open and close shifts, sell, move cash in and out of a till, and manage customers'),
            ('till.approve', 'See what a till should hold, approve differences and sales, close shifts of others, set prices,'
                             ' refund and void sales, list vouchers, and set terms of customers')
           ) AS new (key, description)
     WHERE p.app = 'pos' AND p.key = new.key;
END
$function$;
REVOKE ALL ON FUNCTION shared.ensure_built_in_apps() FROM PUBLIC;
SELECT shared.ensure_built_in_apps();

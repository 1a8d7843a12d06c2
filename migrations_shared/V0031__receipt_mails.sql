-- Whether a business may mail one more receipt to an address: it was written before, or there are fewer than the most
-- for the address and for the business within a day. The limits of one business do not concern another one.
CREATE FUNCTION shared.may_mail_receipt(
    mail_id uuid, of_tenant uuid, its_address text, most_of_address integer, most_of_business integer, moment timestamptz)
RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
    SELECT EXISTS (SELECT FROM shared.mails WHERE id = mail_id)
        OR (SELECT count(*) < most_of_business AND count(*) FILTER (WHERE address = its_address) < most_of_address
              FROM shared.mails
             WHERE tenant_id = of_tenant AND template = 'receipt' AND created_at > moment - interval '1 day')
$function$;
REVOKE ALL ON FUNCTION shared.may_mail_receipt(uuid, uuid, text, integer, integer, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shared.may_mail_receipt(uuid, uuid, text, integer, integer, timestamptz) TO tenantry_shared;

select format('%%I.%%I', schemaname, tablename)
from pg_publication_tables
where pubname = %(publication)s
order by 1

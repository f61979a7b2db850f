select a.key_version, count(*) as accounts from public.exchange_accounts a
where a.ciphertext is not null
group by a.key_version
order by a.key_version

-- The client, as policies see it; until the end of the transaction.
select
  set_config('realtime.topic', %(topic)s, true),
  set_config('request.jwt.claims', %(claims)s, true),
  set_config('request.jwt.claim.sub', %(sub)s, true),
  set_config('request.jwt.claim.role', %(role)s, true),
  set_config('request.headers', %(headers)s, true),
  set_config('search_path', '"$user", public, extensions', true),
  set_config('role', %(role)s, true)

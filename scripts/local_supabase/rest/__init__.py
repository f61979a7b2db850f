"""The REST interface of the local Supabase: answers as PostgREST 14 does, from the same statements to the
same errors.

A request is parsed into typed trees (`parsing`), planned against the schema cache (`planning`), written as
one parametrised statement (`statements`) and run in one transaction under the role of its token.
"""

"""What can go wrong with the local Supabase, in words for the person who started it."""


class StackError(Exception):
    """The message is one sentence that says what is wrong and what to do about it."""

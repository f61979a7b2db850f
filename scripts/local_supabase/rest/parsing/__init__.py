"""From the text of a request to typed trees. Nothing here knows the database."""

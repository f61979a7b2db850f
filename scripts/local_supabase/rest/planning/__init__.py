"""From what a request asks for and what the database has to what will be run. Nothing here talks to the
database."""

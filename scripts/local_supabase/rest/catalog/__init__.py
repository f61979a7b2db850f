"""What the interface knows of the database: relations, relationships, functions, and the settings of
roles."""

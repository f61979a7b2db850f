"""From plans to SQL. Values travel as parameters, never as part of a statement; identifiers are quoted."""

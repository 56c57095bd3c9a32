"""What a table in an SQLite file is made of: its schema, rows, heads, leases, keys, the writer."""

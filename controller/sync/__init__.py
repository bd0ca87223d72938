"""Between the database and the readers: what each must be told, and what each says it has."""

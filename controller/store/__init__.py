"""The controller's database: tables, engine, migrations. SQL lives here and in the use cases."""

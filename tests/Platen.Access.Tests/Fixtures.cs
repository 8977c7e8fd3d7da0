using Platen.Testing;

[assembly: AssemblyFixture(typeof(PostgresFixture))]

using Platen.Server.Tests;
using Platen.Testing;

[assembly: AssemblyFixture(typeof(PostgresFixture))]
[assembly: AssemblyFixture(typeof(ServerFixture))]

using Platen.Server.Tests;

[assembly: AssemblyFixture(typeof(ServerFixture))]

using Platen.Templates.Tests;

[assembly: AssemblyFixture(typeof(ServerFixture))]

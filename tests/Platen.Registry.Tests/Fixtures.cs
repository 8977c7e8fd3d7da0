using Platen.Registry.Tests;

[assembly: AssemblyFixture(typeof(RegistryFixture))]

using Platen.Testing;

namespace Platen.Facts;

/// <summary>The facts that need a database share one; the others hold without it.</summary>
[CollectionDefinition]
public sealed class DatabaseFacts : ICollectionFixture<PostgresFixture>;

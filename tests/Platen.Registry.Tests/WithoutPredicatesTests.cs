using Platen.Testing;

namespace Platen.Registry.Tests;

/// <summary>The tests of who sees which repository, kept apart by the database's policies alone.</summary>
public sealed class WithoutPredicatesTests
{
    [Fact]
    public Task What_keeps_tenants_apart_holds_without_a_single_tenant_predicate() =>
        MutatedRun.OfClassesAsync(
            typeof(WithoutPredicatesTests).Assembly,
            TestContext.Current.CancellationToken,
            nameof(AccessTests),
            nameof(DiscoveryTests)
        );
}

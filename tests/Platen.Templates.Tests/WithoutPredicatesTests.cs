using Platen.Testing;

namespace Platen.Templates.Tests;

/// <summary>The tests of workspaces' own templates, versions, channels and pins, kept apart by the database's policies alone.</summary>
public sealed class WithoutPredicatesTests
{
    [Fact]
    public Task What_keeps_tenants_apart_holds_without_a_single_tenant_predicate() =>
        MutatedRun.OfClassesAsync(
            typeof(WithoutPredicatesTests).Assembly,
            TestContext.Current.CancellationToken,
            nameof(WorkspaceTests),
            nameof(VersionTests),
            nameof(FourEyesTests)
        );
}

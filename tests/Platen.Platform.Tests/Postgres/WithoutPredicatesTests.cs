using Platen.Platform.Tests.Channels;
using Platen.Platform.Tests.Owners;
using Platen.Platform.Tests.Releases;
using Platen.Testing;

namespace Platen.Platform.Tests.Postgres;

/// <summary>The tests of what every module keeps for an owner, kept apart by the database's policies alone.</summary>
public sealed class WithoutPredicatesTests
{
    [Fact]
    public Task What_keeps_tenants_apart_holds_without_a_single_tenant_predicate() =>
        MutatedRun.OfClassesAsync(
            typeof(WithoutPredicatesTests).Assembly,
            TestContext.Current.CancellationToken,
            nameof(SessionTests),
            nameof(ChannelStoreTests),
            nameof(ReleaseStoreTests),
            nameof(ClosedOwnersTests)
        );
}

using System.Xml.Linq;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Platen.Access.People;
using Platen.Platform.Postgres;

namespace Platen.Access.SignIn;

/// <summary>
/// The key ring of ASP.NET Core Data Protection in PostgreSQL, so that what one node protects another reads: the state that
/// travels with a person to a provider and back. Read about once a day.
/// </summary>
internal sealed class ProtectionKeys(PostgresPools pools) : IXmlRepository
{
    // The framework's interface is synchronous; there is no synchronization context here that waiting could block.
    public IReadOnlyCollection<XElement> GetAllElements() =>
        Task.Run(async () =>
            {
                await using var session = await pools.OpenAsync(
                    Person.ByServer("read key ring"),
                    CancellationToken.None
                );
                return await session.ListAsync(
                    "select xml from access.protection_key order by created_at limit 1000",
                    row => XElement.Parse(row.GetString(0)),
                    CancellationToken.None
                );
            })
            .GetAwaiter()
            .GetResult();

    public void StoreElement(XElement element, string friendlyName) =>
        Task.Run(async () =>
            {
                await using var session = await pools.OpenAsync(Person.ByServer("store key"), CancellationToken.None);
                await session.ExecuteAsync(
                    "insert into access.protection_key (name, xml) values ($1, $2)",
                    CancellationToken.None,
                    Sql.Text(friendlyName),
                    Sql.Text(element.ToString(SaveOptions.DisableFormatting))
                );
                await session.CommitAsync(CancellationToken.None);
            })
            .GetAwaiter()
            .GetResult();
}

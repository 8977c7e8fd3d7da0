using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Platen.Client;

namespace Platen.Cli.Commands;

/// <summary><c>platen people</c>: everybody who can sign in to the server, for those who run it.</summary>
internal static class PeopleCommand
{
    private static readonly Argument<string> Who = new("person")
    {
        Description = "The person's e-mail address or id.",
        HelpName = "PERSON",
    };

    private static readonly Argument<string> Email = new("email")
    {
        Description = "Where a link to choose a password is mailed to; they sign in with it.",
        HelpName = "EMAIL",
    };

    private static readonly Argument<string> Name = new("name") { Description = "Their name.", HelpName = "NAME" };

    private static readonly Option<string?> WithEmail = new("--email")
    {
        Description = "Only who has this address.",
        HelpName = "EMAIL",
    };

    private static readonly Option<bool> Disabled = new("--disabled")
    {
        Description = "Only those who may not sign in.",
    };

    public static Command Create() =>
        new("people", "Show, add, disable and delete the people of a server. For operators.")
        {
            new Command("list", "List the people.") { WithEmail, Disabled }.Runs(ListAsync),
            new Command("add", "Add a person, who is mailed a link to choose a password.") { Name, Email }.Runs(
                AddAsync
            ),
            new Command("disable", "Let a person sign in no more, and end all that they are signed in with.")
            {
                Who,
            }.Runs((run, ct) => ChangeAsync(run, run.Client.DisablePersonAsync, "may not sign in any more", ct)),
            new Command("enable", "Let a person sign in again.") { Who }.Runs(
                (run, ct) => ChangeAsync(run, run.Client.EnablePersonAsync, "may sign in", ct)
            ),
            new Command("delete", "Delete a person's account for good; what they made and did stays.") { Who }.Runs(
                DeleteAsync
            ),
        };

    private static async Task<int> ListAsync(Invocation run, CancellationToken ct)
    {
        var documents = new JsonArray();
        var rows = new List<string[]>();
        await foreach (var person in run.Client.ListPeopleAsync(run.Value(WithEmail), ct))
        {
            if (run.Value(Disabled) && person.DisabledAt is null)
                continue;
            documents.Add(ToJson(person));
            rows.Add([
                person.Id.ToString("D"),
                person.Email,
                person.DisplayName,
                Day(person.CreatedAt),
                person.DisabledAt is { } since ? "disabled " + Day(since)
                : person.EmailConfirmed ? "active"
                : "invited",
            ]);
        }
        run.Output.Document(new JsonObject { ["items"] = documents });
        run.Output.Table(["person", "email", "name", "since", "state"], rows);
        return ExitCode.Ok;
    }

    private static async Task<int> AddAsync(Invocation run, CancellationToken ct)
    {
        var person = await run.Client.AddPersonAsync(run.Value(Name), run.Value(Email), ct);
        run.Output.Document(ToJson(person));
        run.Output.Progress($"A link to choose a password is mailed to {person.Email}.");
        run.Output.Line(person.Id.ToString("D"));
        return ExitCode.Ok;
    }

    private static async Task<int> ChangeAsync(
        Invocation run,
        Func<Guid, CancellationToken, Task<PersonInfo>> change,
        string outcome,
        CancellationToken ct
    )
    {
        var changed = await change((await FindAsync(run, ct)).Id, ct);
        run.Output.Document(ToJson(changed));
        run.Output.Line($"{changed.Email} {outcome}");
        return ExitCode.Ok;
    }

    private static async Task<int> DeleteAsync(Invocation run, CancellationToken ct)
    {
        var person = await FindAsync(run, ct);
        await run.Client.DeletePersonAsync(person.Id, ct);
        run.Output.Document(new JsonObject { ["id"] = person.Id, ["outcome"] = "deleted" });
        run.Output.Line($"{person.Email} has no account any more");
        return ExitCode.Ok;
    }

    private static async Task<PersonInfo> FindAsync(Invocation run, CancellationToken ct)
    {
        var who = run.Value(Who);
        var isId = Guid.TryParseExact(who, "D", out var id);
        await foreach (var person in run.Client.ListPeopleAsync(isId ? null : who, ct))
        {
            if (!isId || person.Id == id)
                return person;
        }
        throw new CliException(
            ExitCode.No,
            "not-found",
            $"There is no person '{who}'.",
            "'platen people list' shows them."
        );
    }

    private static string Day(DateTimeOffset at) => at.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static JsonObject ToJson(PersonInfo person) =>
        new()
        {
            ["id"] = person.Id,
            ["displayName"] = person.DisplayName,
            ["email"] = person.Email,
            ["emailConfirmed"] = person.EmailConfirmed,
            ["createdAt"] = person.CreatedAt,
            ["disabledAt"] = person.DisabledAt,
        };
}

using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Platen.Client;
using Platen.Kernel;

namespace Platen.Cli.Commands;

/// <summary><c>platen members</c>: who belongs to a workspace, and who is invited.</summary>
internal static class MembersCommand
{
    private static readonly Option<string> Workspace = new("--workspace", "-w")
    {
        Description = "Which workspace: its slug or id.",
        HelpName = "WORKSPACE",
        Required = true,
    };

    private static readonly Argument<string> Who = new("member")
    {
        Description = "The member's e-mail address or id.",
        HelpName = "MEMBER",
    };

    private static readonly Argument<string> Email = new("email")
    {
        Description = "Who is invited.",
        HelpName = "EMAIL",
    };

    private static readonly Argument<string> Id = new("id") { Description = "The invitation's id.", HelpName = "ID" };

    private static readonly Option<string> Role = new("--role")
    {
        Description = "owner, editor or viewer.",
        HelpName = "ROLE",
        Required = true,
    };

    private static readonly Option<int?> Days = new("--days")
    {
        Description = "How long the invitation is good for, up to 30; else 7.",
        HelpName = "DAYS",
    };

    private static readonly Option<bool> Past = new("--past")
    {
        Description = "Also invitations that cannot be accepted any more.",
    };

    public static Command Create() =>
        new("members", "Show and change who belongs to a workspace, and invite others.")
        {
            new Command("list", "List the members.") { Workspace }.Runs(ListAsync),
            new Command("role", "Give a member another role.") { Who, Role, Workspace }.Runs(RoleAsync),
            new Command("remove", "Remove a member.") { Who, Workspace }.Runs(RemoveAsync),
            new Command("invite", "Invite somebody by e-mail, and print the link.")
            {
                Email,
                Role,
                Days,
                Workspace,
            }.Runs(InviteAsync),
            new Command("invitations", "List the invitations.") { Workspace, Past }.Runs(InvitationsAsync),
            new Command("resend", "Send an invitation again, with a new link.") { Id, Workspace }.Runs(ResendAsync),
            new Command("revoke", "Take an invitation back.") { Id, Workspace }.Runs(RevokeAsync),
        };

    private static async Task<int> ListAsync(Invocation run, CancellationToken ct)
    {
        var documents = new JsonArray();
        var rows = new List<string[]>();
        await foreach (var member in run.Client.ListMembersAsync(run.Value(Workspace)!, ct))
        {
            documents.Add(ToJson(member));
            rows.Add([member.Email, member.DisplayName, member.Role, Day(member.JoinedAt)]);
        }
        run.Output.Document(new JsonObject { ["items"] = documents });
        run.Output.Table(["member", "name", "role", "since"], rows);
        return ExitCode.Ok;
    }

    private static async Task<int> RoleAsync(Invocation run, CancellationToken ct)
    {
        var member = await FindAsync(run, ct);
        var changed = await run.Client.ChangeRoleAsync(
            run.Value(Workspace)!,
            member.PersonId,
            run.Value(Role)!,
            Version(member),
            ct
        );
        run.Output.Document(ToJson(changed));
        run.Output.Line($"{changed.Email} is {changed.Role}");
        return ExitCode.Ok;
    }

    private static async Task<int> RemoveAsync(Invocation run, CancellationToken ct)
    {
        var member = await FindAsync(run, ct);
        await run.Client.RemoveMemberAsync(run.Value(Workspace)!, member.PersonId, Version(member), ct);
        run.Output.Document(new JsonObject { ["personId"] = member.PersonId, ["outcome"] = "removed" });
        run.Output.Line($"{member.Email} is no member any more");
        return ExitCode.Ok;
    }

    private static async Task<int> InviteAsync(Invocation run, CancellationToken ct) =>
        Tell(
            run,
            await run.Client.InviteAsync(
                run.Value(Workspace)!,
                new InvitationOrder(run.Value(Email), run.Value(Role)!, run.Value(Days)),
                ct
            )
        );

    private static async Task<int> InvitationsAsync(Invocation run, CancellationToken ct)
    {
        var documents = new JsonArray();
        var rows = new List<string[]>();
        await foreach (var invitation in run.Client.ListInvitationsAsync(run.Value(Workspace)!, run.Value(Past), ct))
        {
            documents.Add(ToJson(invitation));
            rows.Add([
                invitation.Id.ToString("D"),
                invitation.Email,
                invitation.Role,
                invitation.Status,
                Day(invitation.ExpiresAt),
            ]);
        }
        run.Output.Document(new JsonObject { ["items"] = documents });
        run.Output.Table(["invitation", "to", "role", "status", "until"], rows);
        return ExitCode.Ok;
    }

    private static async Task<int> ResendAsync(Invocation run, CancellationToken ct) =>
        Tell(run, await run.Client.ResendInvitationAsync(run.Value(Workspace)!, ReadId(run), ct));

    private static async Task<int> RevokeAsync(Invocation run, CancellationToken ct)
    {
        var id = ReadId(run);
        await run.Client.RevokeInvitationAsync(run.Value(Workspace)!, id, ct);
        run.Output.Document(new JsonObject { ["id"] = id, ["outcome"] = "revoked" });
        run.Output.Line($"invitation {id} is taken back");
        return ExitCode.Ok;
    }

    private static int Tell(Invocation run, Invitation invitation)
    {
        run.Output.Document(ToJson(invitation));
        run.Output.Progress(
            invitation.Mailed == true
                ? $"The link was mailed to {invitation.Email}. It is shown once:"
                : $"The link could not be mailed. Pass it on to {invitation.Email} yourself; it is shown once:"
        );
        run.Output.Line(invitation.Url ?? invitation.Token ?? "");
        return ExitCode.Ok;
    }

    private static async Task<Member> FindAsync(Invocation run, CancellationToken ct)
    {
        var who = run.Value(Who);
        var isId = Guid.TryParseExact(who, "D", out var id);
        await foreach (var member in run.Client.ListMembersAsync(run.Value(Workspace)!, ct))
        {
            if (isId ? member.PersonId == id : member.Email.Equals(who, StringComparison.OrdinalIgnoreCase))
                return member;
        }
        throw new CliException(
            ExitCode.No,
            "not-found",
            $"'{who}' is no member of {run.Value(Workspace)}.",
            $"'platen members list -w {run.Value(Workspace)}' shows them."
        );
    }

    private static Guid ReadId(Invocation run) =>
        Guid.TryParseExact(run.Value(Id), "D", out var id)
            ? id
            : throw new CliException(
                ExitCode.Usage,
                "usage",
                $"'{run.Value(Id)}' is not an invitation's id.",
                $"'platen members invitations -w {run.Value(Workspace)}' shows them."
            );

    private static Precondition Version(Member member) => new Precondition.OneOf([Precondition.TagOf(member.Revision)]);

    private static string Day(DateTimeOffset at) => at.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static JsonObject ToJson(Member member) =>
        new()
        {
            ["personId"] = member.PersonId,
            ["displayName"] = member.DisplayName,
            ["email"] = member.Email,
            ["role"] = member.Role,
            ["joinedAt"] = member.JoinedAt,
        };

    private static JsonObject ToJson(Invitation invitation)
    {
        var json = new JsonObject
        {
            ["id"] = invitation.Id,
            ["email"] = invitation.Email,
            ["role"] = invitation.Role,
            ["status"] = invitation.Status,
            ["expiresAt"] = invitation.ExpiresAt,
        };
        if (invitation.Token is not null)
        {
            json["token"] = invitation.Token;
            json["url"] = invitation.Url;
            json["mailed"] = invitation.Mailed;
        }
        return json;
    }
}

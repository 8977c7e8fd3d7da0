using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Platen.Access;
using Platen.Access.Audit;
using Platen.Kernel;
using Platen.Platform.Http;

namespace Platen.Registry;

/// <summary>
/// The routes of the module, and who may use each. Repository names have slashes, which no route template can hold before
/// its end: the path is taken whole and read by <see cref="RegistryPath"/>.
/// </summary>
internal static class RegistryEndpoints
{
    public static void Map(IEndpointRouteBuilder app)
    {
        // A token stands for a key, so getting one takes a key, of at least a reader.
        app.MapMethods(RegistryModule.TokenPath, [HttpMethods.Get, HttpMethods.Post], IssueToken.RunAsync)
            .NotAudited("a token is not kept: it stands for the key for five minutes")
            .NeedsScope(Scopes.RegistryPull)
            .DisableAntiforgery()
            .ExcludeFromDescription();
        // Nothing in the registry is public. A key sees its owner's repositories.
        app.MapMethods("/v2/{**path}", [HttpMethods.Get, HttpMethods.Head], ReadAsync)
            .NeedsScope(Scopes.RegistryPull)
            .ExcludeFromDescription();
        app.MapMethods(
                "/v2/{**path}",
                [HttpMethods.Post, HttpMethods.Put, HttpMethods.Patch, HttpMethods.Delete],
                WriteAsync
            )
            .Audited([
                "blob.removed",
                "manifest.pushed",
                "manifest.withdrawn",
                "tag.ended",
                // What modules record that take in what is pushed under their prefix.
                "template.version-pushed",
                "template.channel-moved",
                "widget-type.installed",
            ])
            .LeavesNothing("bytes mean nothing until a manifest refers to them; or it was there already")
            .NeedsScope(Scopes.RegistryPush)
            .DisableAntiforgery()
            .ExcludeFromDescription();
    }

    private static Task ReadAsync(HttpContext context)
    {
        var ct = context.RequestAborted;
        return PathOf(context) switch
        {
            RegistryPath.Root => RootAsync(context),
            RegistryPath.Catalog => Verb<ListRepositories>(context).RunAsync(context, ct),
            RegistryPath.Tags(var name) => Verb<ListTags>(context).RunAsync(context, name, ct),
            RegistryPath.Referrers(var name, var digest) => Verb<ListReferrers>(context)
                .RunAsync(context, name, digest, ct),
            RegistryPath.Manifest(var name, var reference) => Verb<PullManifest>(context)
                .RunAsync(context, name, reference, ct),
            RegistryPath.Blob(var name, var digest) => Verb<PullBlob>(context).RunAsync(context, name, digest, ct),
            RegistryPath.Upload(var name, var id) => Verb<PushBlob>(context).StatusAsync(context, name, id, ct),
            RegistryPath.Uploads => throw WrongMethod(context, "POST"),
            _ => throw Nothing(),
        };
    }

    private static Task WriteAsync(HttpContext context)
    {
        var ct = context.RequestAborted;
        return (context.Request.Method, PathOf(context)) switch
        {
            ("POST", RegistryPath.Uploads(var name)) => Verb<PushBlob>(context).BeginAsync(context, name, ct),
            ("PATCH", RegistryPath.Upload(var name, var id)) => Verb<PushBlob>(context)
                .AppendAsync(context, name, id, ct),
            ("PUT", RegistryPath.Upload(var name, var id)) => Verb<PushBlob>(context)
                .CompleteAsync(context, name, id, ct),
            ("DELETE", RegistryPath.Upload(var name, var id)) => Verb<PushBlob>(context)
                .CancelAsync(context, name, id, ct),
            ("PUT", RegistryPath.Manifest(var name, var reference)) => Verb<PushManifest>(context)
                .RunAsync(context, name, reference, ct),
            ("DELETE", RegistryPath.Manifest(var name, var reference)) => Verb<DeleteManifest>(context)
                .RunAsync(context, name, reference, ct),
            ("DELETE", RegistryPath.Blob(var name, var digest)) => Verb<DeleteBlob>(context)
                .RunAsync(context, name, digest, ct),
            (_, null) => throw Nothing(),
            (_, RegistryPath.Uploads) => throw WrongMethod(context, "POST"),
            (_, RegistryPath.Upload) => throw WrongMethod(context, "GET, PATCH, PUT, DELETE"),
            (_, RegistryPath.Manifest) => throw WrongMethod(context, "GET, HEAD, PUT, DELETE"),
            (_, RegistryPath.Blob) => throw WrongMethod(context, "GET, HEAD, DELETE"),
            _ => throw WrongMethod(context, "GET, HEAD"),
        };
    }

    // That the key is good was proved by getting here.
    private static Task RootAsync(HttpContext context)
    {
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = 2;
        return context.WantsNoBody() ? Task.CompletedTask : context.Response.WriteAsync("{}", context.RequestAborted);
    }

    private static RegistryPath? PathOf(HttpContext context) =>
        RegistryPath.Parse(context.Request.RouteValues["path"] as string ?? "");

    private static T Verb<T>(HttpContext context)
        where T : notnull => context.RequestServices.GetRequiredService<T>();

    private static ProblemException Nothing() =>
        KernelProblems.NotFound.Because("The registry has nothing at this address.").AsException();

    private static ProblemException WrongMethod(HttpContext context, string allowed)
    {
        context.Response.Headers.Allow = allowed;
        return RegistryProblems.Unsupported.Because($"This address accepts {allowed}.").AsException();
    }
}

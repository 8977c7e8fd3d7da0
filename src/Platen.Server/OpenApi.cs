using System.Globalization;
using System.Text.Json.Serialization.Metadata;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;
using Platen.Access;
using Platen.Access.SignIn;
using Platen.Kernel;
using Platen.Platform.Http;
using Platen.Platform.Http.RateLimits;

namespace Platen.Server;

/// <summary>The OpenAPI 3.1 document: the routes as they are mapped, with the scope each needs and the problems it answers with.</summary>
internal static partial class OpenApi
{
    public static IServiceCollection AddPlatenOpenApi(this IServiceCollection services) =>
        services.AddOpenApi(
            "v1",
            options =>
            {
                options.OpenApiVersion = OpenApiSpecVersion.OpenApi3_1;
                options.CreateSchemaReferenceId = NameOf;
                options.AddDocumentTransformer(
                    (document, _, _) =>
                    {
                        Describe(document);
                        return Task.CompletedTask;
                    }
                );
                options.AddOperationTransformer(
                    (operation, context, _) =>
                    {
                        Describe(operation, context);
                        return Task.CompletedTask;
                    }
                );
            }
        );

    /// <summary>Many classes have a Body or an Item of their own; the class says which.</summary>
    private static string? NameOf(JsonTypeInfo type) =>
        OpenApiOptions.CreateDefaultSchemaReferenceId(type) is { } name
            ? (type.Type.DeclaringType is { IsGenericType: false } declaring ? declaring.Name + name : name)
            : null;

    [GeneratedRegex(@"\{\**(?<name>\w+)[^}]*\}", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1_000)]
    private static partial Regex PathParameter { get; }

    private static void Describe(OpenApiDocument document)
    {
        document.Info = new OpenApiInfo
        {
            Title = "Platen",
            Version = "v1",
            Description =
                "Edit a versioned document, freeze it into an immutable release, move a named channel, serve bytes by digest. "
                + "Writes state the version they saw (If-Match); errors are RFC 9457 problems.",
            License = new OpenApiLicense { Name = "MIT", Identifier = "MIT" },
        };
        // The server a client asked is the server it talks to: the document is the same everywhere.
        document.Servers = [];
        document.Components ??= new OpenApiComponents();
        document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>(StringComparer.Ordinal)
        {
            ["key"] = new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.Http,
                Scheme = "bearer",
                Description = "A machine key. The owner's is in the data folder's owner.key.",
            },
            ["session"] = new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.ApiKey,
                In = ParameterLocation.Cookie,
                Name = "platen_session",
                Description =
                    "A person's session; its name begins with __Host- on https. What changes something also sends the csrfToken of "
                    + "GET /v1/session in X-Platen-CSRF.",
            },
        };
        document.Components.Schemas ??= new Dictionary<string, IOpenApiSchema>(StringComparer.Ordinal);
        document.Components.Schemas["Problem"] = ProblemSchema();
    }

    private static void Describe(OpenApiOperation operation, OpenApiOperationTransformerContext context)
    {
        var metadata = context.Description.ActionDescriptor.EndpointMetadata;
        operation.Responses ??= new OpenApiResponses();
        operation.Parameters ??= [];
        DescribePath(operation, context);
        DescribeBytes(operation, metadata);
        DescribeCaller(operation, context, metadata);
        foreach (var problem in metadata.OfType<Refusals>().SelectMany(refusals => refusals.Problems))
            Add(operation, context, problem);
        // A name or an id that is none is refused like a query that cannot be read.
        if (operation.Parameters.Any(parameter => parameter.In is ParameterLocation.Query or ParameterLocation.Path))
            Add(operation, context, KernelProblems.Malformed);
        if (operation.Parameters.Any(parameter => parameter.In == ParameterLocation.Path))
            Add(operation, context, KernelProblems.NotFound);
        if (metadata.OfType<TakesIdempotencyKey>().Any())
            AddField(
                operation,
                "Idempotency-Key",
                "Makes sure that a creation which is sent twice is carried out once."
            );
        var method = context.Description.HttpMethod;
        var isVersioned = method is "PUT" or "PATCH" or "DELETE" && !metadata.OfType<Unversioned>().Any();
        if (isVersioned || metadata.OfType<Versioned>().Any())
        {
            AddField(operation, "If-Match", "The ETag of the version you saw, or `*`.");
            if (method == "PUT")
                AddField(operation, "If-None-Match", "`*` to create what must not exist yet.");
            Add(operation, context, KernelProblems.StaleVersion);
            Add(operation, context, KernelProblems.PreconditionRequired);
        }
        if (operation.RequestBody is not null)
        {
            Add(operation, context, KernelProblems.Malformed);
            Add(operation, context, HttpProblems.SlowRequest);
            Add(operation, context, KernelProblems.TooLarge);
            Add(operation, context, KernelProblems.UnsupportedMediaType);
            Add(operation, context, KernelProblems.Invalid);
        }
        if (method != "GET")
            Add(operation, context, KernelProblems.StorageFull);
        Add(operation, context, KernelProblems.Internal);
        // What an operator looks at is answered by the process alone, and refuses nobody.
        if (metadata.OfType<NotRateLimited>().Any())
            return;
        Add(operation, context, HttpProblems.RateLimited);
        Add(operation, context, KernelProblems.Unavailable);
        if (!metadata.OfType<DisableRequestTimeoutAttribute>().Any())
            Add(operation, context, HttpProblems.TimedOut);
    }

    /// <summary>A handler that leaves a part of its path to a filter does not bind it: it is a parameter all the same.</summary>
    private static void DescribePath(OpenApiOperation operation, OpenApiOperationTransformerContext context)
    {
        foreach (Match part in PathParameter.Matches(context.Description.RelativePath ?? ""))
        {
            var name = part.Groups["name"].Value;
            if (operation.Parameters!.All(known => known.In != ParameterLocation.Path || known.Name != name))
            {
                operation.Parameters!.Add(
                    new OpenApiParameter
                    {
                        Name = name,
                        In = ParameterLocation.Path,
                        Required = true,
                        Schema = new OpenApiSchema { Type = JsonSchemaType.String },
                    }
                );
            }
        }
    }

    /// <summary>An answer without a type of ours is bytes: what they are is its media type.</summary>
    private static void DescribeBytes(OpenApiOperation operation, IList<object> metadata)
    {
        foreach (var answer in metadata.OfType<IProducesResponseTypeMetadata>())
        {
            var status = answer.StatusCode.ToString(CultureInfo.InvariantCulture);
            if (
                !operation.Responses!.TryGetValue(status, out var told)
                || told is not OpenApiResponse { Content: null or { Count: 0 } } bare
            )
                continue;
            bare.Content = answer.ContentTypes.ToDictionary(
                type => type,
                type => new OpenApiMediaType
                {
                    Schema = type.StartsWith("text/", StringComparison.Ordinal)
                        ? new OpenApiSchema { Type = JsonSchemaType.String }
                        : null,
                },
                StringComparer.Ordinal
            );
        }
    }

    private static void DescribeCaller(
        OpenApiOperation operation,
        OpenApiOperationTransformerContext context,
        IList<object> metadata
    )
    {
        var session = new OpenApiSecurityRequirement
        {
            [new OpenApiSecuritySchemeReference("session", context.Document)] = [],
        };
        if (metadata.OfType<NeededPerson>().Any())
        {
            operation.Description = "For a person who is signed in, about themself.";
            operation.Security = [session];
        }
        else if (metadata.OfType<NeededScope>().FirstOrDefault() is { } needed)
        {
            operation.Description = $"Needs the scope `{needed.Scope}`.";
            operation.Security = KeyOrSession();
        }
        else if (metadata.OfType<NeededCaller>().FirstOrDefault() is { } caller)
        {
            operation.Description = caller.Rule is { } rule ? $"Needs {rule}." : "For every valid credential.";
            operation.Security = KeyOrSession();
        }
        else
            return;
        Add(operation, context, KernelProblems.Unauthenticated);
        Add(operation, context, KernelProblems.Forbidden);

        List<OpenApiSecurityRequirement> KeyOrSession() =>
            [new() { [new OpenApiSecuritySchemeReference("key", context.Document)] = [] }, session];
    }

    private static void AddField(OpenApiOperation operation, string name, string description) =>
        operation.Parameters!.Add(
            new OpenApiParameter
            {
                Name = name,
                In = ParameterLocation.Header,
                Description = description,
                Schema = new OpenApiSchema { Type = JsonSchemaType.String },
            }
        );

    private static void Add(OpenApiOperation operation, OpenApiOperationTransformerContext context, ProblemType problem)
    {
        var status = problem.Status.ToString(CultureInfo.InvariantCulture);
        var about = $"{problem.Title}. {problem.Advice}";
        if (operation.Responses!.TryGetValue(status, out var told))
        {
            if (told.Description?.Contains(about, StringComparison.Ordinal) != true)
                told.Description = $"{told.Description} Or: {about}";
            return;
        }
        operation.Responses.Add(
            status,
            new OpenApiResponse
            {
                Headers = problem == HttpProblems.RateLimited ? RateLimitFields() : null,
                Description = about,
                Content = new Dictionary<string, OpenApiMediaType>(StringComparer.Ordinal)
                {
                    ["application/problem+json"] = new()
                    {
                        Schema = new OpenApiSchemaReference("Problem", context.Document),
                    },
                },
            }
        );
    }

    private static Dictionary<string, IOpenApiHeader> RateLimitFields()
    {
        static OpenApiHeader Field(JsonSchemaType type, string description) =>
            new()
            {
                Description = description,
                Schema = new OpenApiSchema { Type = type },
            };
        return new Dictionary<string, IOpenApiHeader>(StringComparer.Ordinal)
        {
            ["Retry-After"] = Field(JsonSchemaType.Integer, "Seconds to wait."),
            ["RateLimit"] = Field(
                JsonSchemaType.String,
                "On every answer: what is left (r) and the seconds until all of it is back (t), by policy."
            ),
            ["RateLimit-Policy"] = Field(
                JsonSchemaType.String,
                "On every answer: the quota (q) and its window in seconds (w), by policy."
            ),
        };
    }

    private static OpenApiSchema ProblemSchema()
    {
        static OpenApiSchema Text(string description) =>
            new() { Type = JsonSchemaType.String, Description = description };
        return new OpenApiSchema
        {
            Type = JsonSchemaType.Object,
            Description = "An RFC 9457 problem.",
            Required = new HashSet<string>(StringComparer.Ordinal) { "type", "title", "status", "detail" },
            Properties = new Dictionary<string, IOpenApiSchema>(StringComparer.Ordinal)
            {
                ["type"] = Text("Which problem: a URI reference that leads to its page."),
                ["title"] = Text("The same at every occurrence."),
                ["status"] = new OpenApiSchema { Type = JsonSchemaType.Integer },
                ["detail"] = Text("What happened here."),
                ["advice"] = Text("What to do about it."),
                ["instance"] = Text("The path that was asked for."),
                ["traceId"] = Text("Finds the request in logs and traces."),
                ["faults"] = new OpenApiSchema
                {
                    Type = JsonSchemaType.Array,
                    Items = new OpenApiSchema
                    {
                        Type = JsonSchemaType.Object,
                        Properties = new Dictionary<string, IOpenApiSchema>(StringComparer.Ordinal)
                        {
                            ["pointer"] = Text("Where in the body: a JSON Pointer."),
                            ["message"] = Text("What is wrong and what would be right."),
                        },
                    },
                },
            },
        };
    }
}

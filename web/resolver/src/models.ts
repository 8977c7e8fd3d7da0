/** A variable that a prompt declares, written `{{name}}` in its text. */
export interface PromptVariable {
  readonly name: string;
  readonly required?: boolean;
  readonly default?: string;
  readonly description?: string;
}

/** One file of a template's version. */
export interface Artifact {
  readonly kind: string;
  readonly path: string;
  readonly role?: string | undefined;
  readonly locale?: string | undefined;
  readonly contentType: string;
  /** `sha256:` and 64 lower-case hexadecimal digits. */
  readonly digest: string;
  readonly sizeBytes: number;
  readonly variables: readonly PromptVariable[];
  /** Of an included file, the version it was pinned at. */
  readonly includedFrom?: string | undefined;
}

/** Which file of a version is wanted; what is left out does not narrow. */
export interface ArtifactQuery {
  readonly kind?: string | undefined;
  readonly role?: string | undefined;
  readonly path?: string | undefined;
  /** A BCP 47 tag or an Accept-Language list. */
  readonly locale?: string | undefined;
}

/** What is wanted: a file of a template. */
export interface ArtifactRequest extends ArtifactQuery {
  readonly template: string;
  /** An exact version, a range in npm's notation, or a channel; left out for the default. */
  readonly version?: string | undefined;
  /** Whose request it is, such as a user's id: decides the side of a trial. */
  readonly key?: string | undefined;
}

/** Why a version is not to be used any more. */
export interface Deprecation {
  readonly at: string;
  readonly reason?: string;
  readonly successor?: string;
  readonly sunsetAt?: string;
}

/** A candidate beside the live version of a channel. */
export interface Trial {
  readonly channel: string;
  readonly percentage: number;
  readonly salt: string;
  readonly version: string;
  readonly release: string;
  readonly artifacts: readonly Artifact[];
  readonly deprecation?: Deprecation | undefined;
}

/** Which version a question leads to, and why. */
export interface Resolution {
  readonly version: string;
  readonly release?: string | undefined;
  readonly rule: string;
  readonly explanation: string;
  readonly artifacts: readonly Artifact[];
  readonly deprecation?: Deprecation | undefined;
  readonly trial?: Trial | undefined;
}

/** Where bytes came from. */
export type ByteSource = 'memory' | 'cache' | 'store' | 'files';

/** Who said which version it is. */
export type PointerSource = 'registry' | 'local-manifest';

/** A file, verified, with everything about why it is this one. */
export interface ResolvedArtifact {
  readonly template: string;
  readonly version: string;
  readonly artifact: Artifact;
  /** A copy: whoever changes it changes nobody else's. */
  readonly bytes: Uint8Array;
  readonly text: string;
  readonly digest: string;
  readonly release?: string | undefined;
  readonly source: ByteSource;
  readonly pointerSource: PointerSource;
  readonly rule: string;
  readonly explanation: string;
  /** False when `allowUnpinnedFallback` let other bytes stand in. */
  readonly isPinned: boolean;
  /** Whether the answer should have been confirmed and could not. */
  readonly isStale: boolean;
  /** Milliseconds since the answer was confirmed. */
  readonly ageMs: number;
  readonly deprecation?: Deprecation | undefined;
}

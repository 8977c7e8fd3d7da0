export { TemplateResolver, TemplateUnresolvedError, type TemplateResolverOptions } from './resolver';
export type {
  Artifact,
  ArtifactQuery,
  ArtifactRequest,
  ByteSource,
  Deprecation,
  PointerSource,
  PromptVariable,
  ResolvedArtifact,
} from './models';
export { estimateTokens, PromptRefusedError, type Refusal, type RenderedPrompt } from './prompts';
export { bucketOf, chooseArtifact, isCandidate } from './selection';

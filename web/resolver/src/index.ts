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
export { bucketOf, chooseArtifact, isCandidate } from './selection';

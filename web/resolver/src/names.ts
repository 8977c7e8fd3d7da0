import { parseVersion } from './versions';

// Names become names of files: whoever answers must not choose where they are.
export const isTemplateName = (text: string): boolean => text.length <= 100 && /^[a-z0-9]+([._-][a-z0-9]+)*$/.test(text);

export const isKind = (text: unknown): text is string =>
  typeof text === 'string' && text.length <= 64 && /^[a-z][a-z0-9]*([._-][a-z0-9]+)*$/.test(text);

export const isLocale = (text: unknown): text is string =>
  typeof text === 'string' && text.length >= 2 && text.length <= 64 && /^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$/.test(text);

export const isDigest = (text: unknown): text is string => typeof text === 'string' && /^sha256:[0-9a-f]{64}$/.test(text);

export const isVersionName = (text: unknown): text is string =>
  typeof text === 'string' && text.length <= 128 && parseVersion(text) !== undefined;

export const isPath = (text: unknown): text is string =>
  typeof text === 'string' &&
  text.length > 0 &&
  text.length <= 256 &&
  !/[\\:*?"<>|\u0000-\u001f\u007f-\u009f]/.test(text) &&
  text.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && !part.endsWith('.') && !part.endsWith(' '));

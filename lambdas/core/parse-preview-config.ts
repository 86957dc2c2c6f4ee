import * as v from 'valibot';
import { isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml';
import { byteLength } from './cut-text.ts';
import { MAX_SETTINGS_BYTES } from './limits.ts';
import { nearestName } from './nearest-name.ts';
import {
  healthCheck,
  type PreviewConfig,
  port,
  previewConfigSchema,
  route,
  serviceReference,
  splitReference,
} from './preview-config.ts';

/**
 * Reads `eph.yaml` (`preview-config.ts`) and describes what is wrong with it, for people.
 *
 * Gotchas
 * - The message of each rule completes the sentence "expected ..."; here key, line and found value are added.
 * - valibot reports only the first unknown key of an object, so unknown keys are searched for here.
 * - What depends on where previews run is not known here: the compute validates what was read (`Problem`).
 */
const MAX_PREVIEW_CONFIG_BYTES = 64 * 1024;

export interface ConfigProblem {
  /** Counted from 1. */
  line: number;
  column?: number;
  sentence: string;
}

export type ParsedPreviewConfig =
  | { ok: true; config: PreviewConfig }
  | { ok: false; problems: ConfigProblem[] };

type Path = readonly (string | number)[];

/** What a compute cannot do, although the file itself is valid. People read `wrong`, a colon, and `fix`. */
export interface Problem {
  path: Path;
  /** Names the key and its value, like `` `arch` is "arm64" ``. */
  wrong: string;
  /** The end of the sentence. */
  fix: string;
}

/**
 * Never throws. The result lists every problem of the file in the order of its lines, together with the problems that
 * `validate` finds in the part that could be read.
 */
export function parsePreviewConfig(
  text: string,
  validate: (config: PreviewConfig) => readonly Problem[],
): ParsedPreviewConfig {
  if (byteLength(text) > MAX_PREVIEW_CONFIG_BYTES) {
    return { ok: false, problems: [{ line: 1, sentence: 'eph.yaml is larger than 64 KB.' }] };
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  if (document.errors.length > 0) {
    return {
      ok: false,
      problems: document.errors.map((error) => ({
        ...place(error.pos[0]),
        sentence: `This is not valid YAML: ${error.message.trim().replace(/\.?$/, '.')}`,
      })),
    };
  }
  let value: unknown;
  try {
    value = document.toJS() ?? {};
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { ok: false, problems: [{ line: 1, sentence: `This is not valid YAML: ${reason}.` }] };
  }

  if (!isRecord(value)) {
    const sentence = `eph.yaml is ${shown(value)}: expected a map of settings, like \`primary: web\`.`;
    return { ok: false, problems: [{ line: 1, sentence }] };
  }
  const positionOf = (path: Path, onKey: boolean) => place(offsetOf(document.contents, path, onKey));
  const lists = listsInsteadOfMaps(value);
  const parsed = v.safeParse(previewConfigSchema, value);
  const problems: ConfigProblem[] = [
    ...lists.map((key) => ({
      ...positionOf([key], false),
      sentence: `\`${key}\` is a list: expected a map.`,
    })),
    ...unknownKeys(value).map(({ path, sentence }) => ({ ...positionOf(path, true), sentence })),
    ...(parsed.success ? [] : parsed.issues.flatMap(leafIssues)).flatMap((issue) => {
      const path = pathOf(issue);
      if (lists.includes(String(path[0]))) return [];
      const onKey = issue.path?.at(-1)?.origin === 'key';
      return [{ ...positionOf(path, onKey), sentence: sentenceOf(issue, path, onKey) }];
    }),
    ...[
      ...badReferencePorts(value),
      ...(parsed.success ? unstorable(parsed.output) : []),
      ...validate(readable(value, [...lists, ...brokenKeys(parsed.issues)])).map(told),
    ].map(({ path, sentence }) => ({
      ...positionOf(path, false),
      sentence,
    })),
  ];
  if (problems.length > 0) {
    problems.sort((a, b) => a.line - b.line || (a.column ?? 0) - (b.column ?? 0));
    return { ok: false, problems };
  }
  return parsed.success ? { ok: true, config: parsed.output } : { ok: false, problems };
}

/** A union reports one issue that contains its members' issues; the member that got furthest explains the most. */
function leafIssues(issue: v.BaseIssue<unknown>): v.BaseIssue<unknown>[] {
  const deeper = (issue.issues ?? []).filter((inner) => inner.path && inner.path.length > 0);
  if (issue.type !== 'union' || deeper.length === 0) return [issue];
  return deeper.map((inner) => ({ ...inner, path: joinPaths(issue.path, inner.path) }));
}

type IssuePath = v.BaseIssue<unknown>['path'];

function joinPaths(outer: IssuePath, inner: IssuePath): IssuePath {
  const [first, ...rest] = [...(outer ?? []), ...(inner ?? [])];
  return first ? [first, ...rest] : undefined;
}

function pathOf(issue: v.BaseIssue<unknown>): Path {
  return (issue.path ?? []).map((item) => item.key as string | number);
}

function sentenceOf(issue: v.BaseIssue<unknown>, path: Path, onKey: boolean): string {
  const name = path.length > 0 ? `\`${path.join('.')}\`` : 'eph.yaml';
  if (onKey && issue.input === undefined) {
    return `\`${String(path.at(-1))}\` is missing in \`${path.slice(0, -1).join('.')}\`.`;
  }
  if (onKey) return `\`${String(path.at(-1))}\` is not allowed here: expected ${issue.message}.`;
  if (issue.input === null) return `${name} is empty: expected ${issue.message}, or leave the key out.`;
  return `${name} is ${shown(issue.input)}: expected ${issue.message}.`;
}

/** A value of the file, as a sentence quotes it. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'a map';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}

/** valibot accepts an array as an object. */
function listsInsteadOfMaps(value: Record<string, unknown>): string[] {
  return ['routes', 'env', 'health_check'].filter((key) => Array.isArray(value[key]));
}

function unknownKeys(value: Record<string, unknown>): { path: Path; sentence: string }[] {
  const found = keysOutside(value, [], Object.keys(previewConfigSchema.entries));
  found.push(...keysOutside(value['health_check'], ['health_check'], Object.keys(healthCheck.entries)));
  const routeMap = value['routes'];
  if (!isRecord(routeMap)) return found;
  for (const [path, entry] of Object.entries(routeMap)) {
    found.push(...keysOutside(entry, ['routes', path], Object.keys(route.entries)));
  }
  return found;
}

function keysOutside(
  value: unknown,
  path: Path,
  known: readonly string[],
): { path: Path; sentence: string }[] {
  if (!isRecord(value)) return [];
  return Object.keys(value)
    .filter((key) => !known.includes(key))
    .map((key) => {
      const near = nearestName(key, known);
      const hint = near
        ? `Did you mean \`${near}\`?`
        : `Known keys: ${known.map((k) => `\`${k}\``).join(', ')}.`;
      const where = path.length > 0 ? `\`${path.join('.')}\`` : 'eph.yaml';
      return { path: [...path, key], sentence: `\`${key}\` is not a key of ${where}. ${hint}` };
    });
}

/** The pattern of a reference accepts `web:99999`; the port is checked here so that the message can name it. */
function badReferencePorts(value: Record<string, unknown>): { path: Path; sentence: string }[] {
  const references: { path: Path; text: unknown }[] = [{ path: ['primary'], text: value['primary'] }];
  const routeMap = value['routes'];
  if (isRecord(routeMap)) {
    for (const [path, text] of Object.entries(routeMap)) references.push({ path: ['routes', path], text });
  }
  return references.flatMap(({ path, text }) => {
    if (typeof text !== 'string' || !v.is(serviceReference, text)) return [];
    const wanted = splitReference(text).port;
    if (wanted === undefined || v.is(port, wanted)) return [];
    const sentence = `\`${path.join('.')}\` is "${text}": expected a port number from 1 to 65535 after the colon.`;
    return [{ path, sentence }];
  });
}

/**
 * What no row can hold: too much, where an alias (`*name`) takes a few bytes of the file and its whole value in the
 * settings; or half a character, which an escape of YAML can write.
 */
function unstorable(config: PreviewConfig): { path: Path; sentence: string }[] {
  const problems: { path: Path; sentence: string }[] = [];
  const json = JSON.stringify(config, (key, value: unknown) => {
    if (typeof value === 'string' && !value.isWellFormed()) {
      const sentence = `\`${key}\` has half a character: an escape like \`\\ud83d\` needs its other half.`;
      problems.push({ path: ['env', key], sentence });
    }
    return value;
  });
  const bytes = byteLength(json);
  if (bytes <= MAX_SETTINGS_BYTES) return problems;
  const sentence = `The settings take ${Math.ceil(bytes / 1024)} KB: expected at most ${MAX_SETTINGS_BYTES / 1024} KB together. Keep long values in a file of the repository.`;
  return [...problems, { path: ['env'], sentence }];
}

function brokenKeys(issues: readonly v.BaseIssue<unknown>[] = []): string[] {
  return issues.map((issue) => String(pathOf(issue)[0]));
}

/** The keys of the machine. If only one of them were read, it would be validated with the default of the other. */
const machineKeys = ['instance_type', 'arch'];

/** The settings without the keys that are already reported as broken. */
function readable(value: Record<string, unknown>, broken: readonly string[]): PreviewConfig {
  const without = broken.some((key) => machineKeys.includes(key)) ? [...broken, ...machineKeys] : broken;
  const rest = Object.entries(value).filter(([key]) => !without.includes(key));
  return v.parse(previewConfigSchema, Object.fromEntries(rest));
}

function told({ path, wrong, fix }: Problem): { path: Path; sentence: string } {
  return { path, sentence: `${wrong}: ${fix}` };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Offset of the key or value at a path, or of the nearest thing around it that the file contains. */
function offsetOf(contents: unknown, path: Path, onKey: boolean): number {
  let node = contents;
  let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
  for (const [depth, key] of path.entries()) {
    if (!isMap(node)) {
      const items: unknown = isNode(node) && 'items' in node ? node.items : undefined;
      node = Array.isArray(items) ? items[Number(key)] : undefined;
    } else {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
      if (!pair) return offset;
      const keyOffset = isScalar(pair.key) ? pair.key.range?.[0] : undefined;
      if (keyOffset !== undefined) offset = keyOffset;
      if (onKey && depth === path.length - 1) return offset;
      node = pair.value;
    }
    // An empty value has its own range after its key, sometimes on the next line, so the key's position is more useful.
    const written = isNode(node) && !(isScalar(node) && node.value === null);
    if (written && isNode(node) && node.range) offset = node.range[0];
  }
  return offset;
}

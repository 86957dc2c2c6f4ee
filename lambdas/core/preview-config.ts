import * as v from 'valibot';
import { isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml';
import { byteLength } from './cut-text.ts';
import { archOfInstanceType, archs, instanceTypeMessage, instanceTypes } from './instance-types.ts';
import { MAX_SETTINGS_BYTES } from './limits.ts';
import { nearestName } from './nearest-name.ts';

/**
 * `eph.yaml`, version 1: what a repository may say about its previews. Every key is optional; a repository
 * without the file gets `defaultPreviewConfig`.
 *
 * Gotchas
 * - The schema reads both what people write (`compose: compose.yaml`, `/api: api:8080`) and its own output
 *   (lists, objects): an Order carries the parsed form through S3 and is parsed again on the host.
 * - The message of each rule completes the sentence "expected ..."; `parsePreviewConfig` adds key, line and
 *   what was found. `host/eph.schema.json` is generated from this definition (`node host/write-schema.ts`).
 * - valibot reports only the first unknown key of an object, so unknown keys are looked for here.
 */
const MAX_PREVIEW_CONFIG_BYTES = 64 * 1024;

/** Port that a browser can be sent to inside the container. */
const port = v.pipe(
  v.number('a port number from 1 to 65535'),
  v.integer('a port number from 1 to 65535'),
  v.minValue(1, 'a port number from 1 to 65535'),
  v.maxValue(65_535, 'a port number from 1 to 65535'),
);

const serviceName = v.pipe(
  v.string('the name of a compose service'),
  v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'the name of a compose service'),
);

/** `web` or `web:3000`. */
const serviceReference = v.pipe(
  v.string('a compose service, like `web` or `web:3000`'),
  v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}(:[0-9]{1,5})?$/, 'a compose service, like `web` or `web:3000`'),
);

/** No absolute path, no `..`, no backslash, no space or control character: the file is in the checkout. */
const insideCheckout = /^(?!\/)(?!(?:.*\/)?\.\.(?:\/|$))[!-[\]-\uffff]+$/;

const composeFileMessage = 'the path of a compose file inside the repository, like `docker/compose.yaml`';
const composeFile = v.pipe(
  v.string(composeFileMessage),
  v.minLength(1, composeFileMessage),
  v.maxLength(256, composeFileMessage),
  v.regex(insideCheckout, composeFileMessage),
);

const composeFiles = v.pipe(
  v.union(
    [
      composeFile,
      v.pipe(
        v.array(composeFile, 'one file name or a list of them'),
        v.minLength(1, 'at least one file name'),
        v.maxLength(10, 'at most 10 file names'),
      ),
    ],
    'one file name or a list of them',
  ),
  v.transform((files) => (typeof files === 'string' ? [files] : files)),
);

const envFileMessage = 'the path of a file inside the repository, like `.env.preview`, or false for none';
/** In the place of a `.env` that is not committed. Without it, an example beside it stands in. */
const envFile = v.union(
  [
    v.literal(false, envFileMessage),
    v.pipe(
      v.string(envFileMessage),
      v.minLength(1, envFileMessage),
      v.maxLength(256, envFileMessage),
      v.regex(insideCheckout, envFileMessage),
    ),
  ],
  envFileMessage,
);

const routePathMessage =
  'a path below `/`, like `/api` (letters, digits, `.`, `_`, `~`, `-`; no slash at the end)';
const routePath = v.pipe(
  v.string(routePathMessage),
  v.maxLength(128, routePathMessage),
  // `/cdn-cgi` is Cloudflare's own on every hostname; `.` and `..` are resolved by browsers before they ask.
  v.regex(/^(?!\/cdn-cgi(?:\/|$))(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]+)+$/, routePathMessage),
);

const route = v.object(
  {
    service: serviceName,
    port: v.optional(port),
    /** true: the service sees `/x` where the browser asked for `/api/x`. */
    strip_prefix: v.optional(v.boolean('true or false'), false),
  },
  'a service, like `api:8080`, or `{ service, port, strip_prefix }`',
);

const routeEntry = v.pipe(
  v.union([serviceReference, route], 'a service, like `api:8080`, or `{ service, port, strip_prefix }`'),
  v.transform((entry) =>
    typeof entry === 'string' ? { ...splitReference(entry), strip_prefix: false } : entry,
  ),
);

const routes = v.pipe(
  v.record(routePath, routeEntry, 'a map from path to service, like `/api: api:8080`'),
  v.maxEntries(50, 'at most 50 routes'),
);

const variableName = v.pipe(
  v.string('a variable name: letters, digits and `_`; `EPH` and `EPH_*` are set by Eph itself'),
  v.regex(
    /^(?!EPH$)(?!EPH_)[A-Za-z_][A-Za-z0-9_]{0,127}$/,
    'a variable name: letters, digits and `_`; `EPH` and `EPH_*` are set by Eph itself',
  ),
);

const variableValue = v.pipe(
  v.union([v.string(), v.number(), v.boolean()], 'text, a number, true or false'),
  v.transform(String),
  v.maxLength(4096, 'at most 4096 characters'),
);

const env = v.pipe(
  v.record(variableName, variableValue, 'a map from variable to value, like `LOG_LEVEL: debug`'),
  v.maxEntries(200, 'at most 200 variables'),
);

function seconds(least: number, most: number) {
  const message = `a whole number of seconds from ${least} to ${most}`;
  return v.pipe(v.number(message), v.integer(message), v.minValue(least, message), v.maxValue(most, message));
}

const healthCheck = v.object(
  {
    path: v.optional(
      v.pipe(
        v.string('a path, like `/healthz`'),
        v.maxLength(512, 'a path of at most 512 characters'),
        v.regex(/^\/[^\s#]*$/, 'a path, like `/healthz`'),
      ),
      '/',
    ),
    /** Without it, any answer below 500 will do: many applications answer `/` with a redirect or a 404. */
    status: v.optional(
      v.pipe(
        v.number('an HTTP status from 100 to 599'),
        v.integer('an HTTP status from 100 to 599'),
        v.minValue(100, 'an HTTP status from 100 to 599'),
        v.maxValue(599, 'an HTTP status from 100 to 599'),
      ),
    ),
    /** Counted from the moment the containers are up. */
    timeout: v.optional(seconds(5, 1800), 300),
    interval: v.optional(seconds(1, 60), 2),
  },
  'a map with `path`, `status`, `timeout`, `interval`',
);

export const previewConfigSchema = v.object(
  {
    version: v.optional(v.literal(1, '1, the only version there is'), 1),
    compose: v.optional(composeFiles),
    env_file: v.optional(envFile),
    primary: v.optional(serviceReference),
    routes: v.optional(routes, {}),
    env: v.optional(env, {}),
    instance_type: v.optional(v.picklist(instanceTypes, instanceTypeMessage)),
    /** Of the machine; without it amd64. */
    arch: v.optional(v.picklist(archs, '`amd64` or `arm64`')),
    health_check: v.optional(healthCheck, {}),
  },
  'a map of settings',
);
export type PreviewConfig = v.InferOutput<typeof previewConfigSchema>;

export const defaultPreviewConfig: PreviewConfig = v.parse(previewConfigSchema, {});

/** Can it be set: a name that a shell takes, and not one of Eph's own. */
export function isVariableName(name: string): boolean {
  return v.is(variableName, name);
}

/** `web:3000` -> service and port. */
export function splitReference(reference: string): { service: string; port?: number } {
  const [service = reference, portText] = reference.split(':');
  return portText === undefined ? { service } : { service, port: Number(portText) };
}

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

/** Never throws. Every problem of the file is listed, in the order of its lines. */
export function parsePreviewConfig(text: string): ParsedPreviewConfig {
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
      ...wrongArch(value),
      ...(parsed.success ? unstorable(parsed.output) : []),
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

/** A union reports one issue with its members' issues inside; the member that got furthest tells more. */
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
  const near = issue.type === 'picklist' ? nearestName(String(issue.input), instanceTypes) : undefined;
  return `${name} is ${shown(issue.input)}: expected ${issue.message}.${near ? ` Did you mean \`${near}\`?` : ''}`;
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'a map';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}

/** valibot takes an array for an object. */
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

/** The pattern of a reference lets `web:99999` through; it is looked at here to name the port. */
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
 * What no row can hold: too much, where an alias (`*name`) is a few bytes of the file and its whole value of the
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

/** A machine of one architecture with the image of the other does not boot. */
function wrongArch(value: Record<string, unknown>): { path: Path; sentence: string }[] {
  const { instance_type: type, arch = 'amd64' } = value;
  if (typeof type !== 'string' || !instanceTypes.includes(type)) return [];
  const needed = archOfInstanceType(type);
  if (!archs.some((known) => known === arch) || needed === arch) return [];
  const sentence =
    needed === 'arm64'
      ? `\`instance_type\` is "${type}", an Arm machine (Graviton): add \`arch: arm64\`, or choose one like \`t3.small\`.`
      : `\`instance_type\` is "${type}", not an Arm machine: with \`arch: arm64\` choose one like \`t4g.small\`.`;
  return [{ path: ['instance_type'], sentence }];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Offset of the key or value at a path, or of the nearest thing around it that is written in the file. */
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
    // An empty value has a range of its own, past its key, sometimes on the next line: the key says more.
    const written = isNode(node) && !(isScalar(node) && node.value === null);
    if (written && isNode(node) && node.range) offset = node.range[0];
  }
  return offset;
}

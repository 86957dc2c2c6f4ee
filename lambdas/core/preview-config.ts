import * as v from 'valibot';

/**
 * `eph.yaml`, version 1: what a repository can configure for its previews. Every key is optional; a repository
 * without the file gets `defaultPreviewConfig`.
 *
 * Gotchas
 * - The schema reads both what people write (`compose: compose.yaml`, `/api: api:8080`) and its own output
 *   (lists, objects): a deployment spec carries the parsed form to the host, which parses it again.
 * - The message of each rule completes the sentence "expected ..."; `parse-preview-config.ts` adds the key, the line
 *   and the found value. `host/eph.schema.json` is generated from this definition (`node host/write-schema.ts`).
 */

/** A port inside the container to which a browser can be sent. */
export const port = v.pipe(
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
export const serviceReference = v.pipe(
  v.string('a compose service, like `web` or `web:3000`'),
  v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}(:[0-9]{1,5})?$/, 'a compose service, like `web` or `web:3000`'),
);

/** No absolute path, no `..`, no backslash, no space or control character: the file must be in the checkout. */
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
/** Replaces a `.env` that is not committed. Without it, an example file in the same folder is used. */
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
  // `/cdn-cgi` is Cloudflare's own path on every hostname; browsers resolve `.` and `..` before they send a request.
  v.regex(/^(?!\/cdn-cgi(?:\/|$))(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]+)+$/, routePathMessage),
);

export const route = v.object(
  {
    service: serviceName,
    port: v.optional(port),
    /** true: the service gets `/x` where the browser asked for `/api/x`. */
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

export const healthCheck = v.object(
  {
    path: v.optional(
      v.pipe(
        v.string('a path, like `/healthz`'),
        v.maxLength(512, 'a path of at most 512 characters'),
        v.regex(/^\/[^\s#]*$/, 'a path, like `/healthz`'),
      ),
      '/',
    ),
    /** Without it, any answer below 500 is accepted: many applications answer `/` with a redirect or a 404. */
    status: v.optional(
      v.pipe(
        v.number('an HTTP status from 100 to 599'),
        v.integer('an HTTP status from 100 to 599'),
        v.minValue(100, 'an HTTP status from 100 to 599'),
        v.maxValue(599, 'an HTTP status from 100 to 599'),
      ),
    ),
    /** Counted from the moment when the containers are up. */
    timeout: v.optional(seconds(5, 1800), 300),
    interval: v.optional(seconds(1, 60), 2),
  },
  'a map with `path`, `status`, `timeout`, `interval`',
);

/** Architectures of a machine, with Docker's names. */
const archs = ['amd64', 'arm64'] as const;
export type Arch = (typeof archs)[number];

export const previewConfigSchema = v.object(
  {
    version: v.optional(v.literal(1, '1, the only version there is'), 1),
    compose: v.optional(composeFiles),
    env_file: v.optional(envFile),
    primary: v.optional(serviceReference),
    routes: v.optional(routes, {}),
    env: v.optional(env, {}),
    /** Only the compute knows which types exist. */
    instance_type: v.optional(v.string('the name of a machine type')),
    /** Architecture of the machine; the default is amd64. */
    arch: v.optional(v.picklist(archs, '`amd64` or `arm64`')),
    health_check: v.optional(healthCheck, {}),
  },
  'a map of settings',
);
export type PreviewConfig = v.InferOutput<typeof previewConfigSchema>;

export const defaultPreviewConfig: PreviewConfig = v.parse(previewConfigSchema, {});

/** Can the variable be set: does a shell accept the name, and is it not one of Eph's own? */
export function isVariableName(name: string): boolean {
  return v.is(variableName, name);
}

/** Splits `web:3000` into service and port. */
export function splitReference(reference: string): { service: string; port?: number } {
  const [service = reference, portText] = reference.split(':');
  return portText === undefined ? { service } : { service, port: Number(portText) };
}

import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Cloudflare from 'cloudflare';
import { parseAst } from 'vitest/node';

/** The calls in the code: of the SDK of AWS, of Octokit, or of Cloudflare's client. */
export interface CalledOperations {
  /** `ec2 RunInstances`, by package and command of the SDK. */
  aws: Set<string>;
  /** `GET /repos/{}/{}/pulls/{}`. */
  github: Set<string>;
  /** `GET /accounts/ID/cfd_tunnel`: method and path, as the client makes them. */
  cloudflare: Set<string>;
}

/** Any node of the syntax tree, as far as this reads it. */
type Node = { type: string } & Record<string, unknown>;

const root = join(import.meta.dirname, '../..');
const AWS_PACKAGE = /^@aws-sdk\/(?:client|lib)-([a-z0-9-]+)$/;
/** The operation that a waiter of the SDK repeats. */
const waiters: Record<string, string> = {
  FunctionUpdated: 'GetFunctionConfiguration',
  TableNotExists: 'DescribeTable',
};

/**
 * The calls of the code, read from its syntax: a name in a comment, in a text or only in an import is no call. Names
 * that a file gives to parts of Cloudflare's client (`const { policies } = client.zeroTrust.access`) are followed.
 * The request of a method is found by calling it on a client without a network.
 */
export async function calledOperations(pattern: string): Promise<CalledOperations> {
  const texts = globSync(pattern, { cwd: root }).map((file) => readFileSync(join(root, file), 'utf8'));
  const calls = texts.map(callsIn);
  return {
    aws: new Set(calls.flatMap(({ aws }) => aws)),
    github: new Set(calls.flatMap(({ github }) => github)),
    cloudflare: await cloudflareRequests(new Set(calls.flatMap(({ client }) => client))),
  };
}

/** The calls of one file; `client`: methods of a variable called `client`, such as `zeroTrust.access.policies.list`. */
export function callsIn(text: string): { aws: string[]; github: string[]; client: string[] } {
  // Most files call nothing, and to parse all takes a second.
  const calls = /@aws-sdk\/|\bclient\.|["'`](GET|POST|PUT|PATCH|DELETE) \//.test(text);
  const tree = calls ? nodeOf(parseAst(text, { lang: 'ts' })) : undefined;
  const nodes = tree ? withDescendants(tree) : [];
  return { aws: awsCalls(nodes), github: githubCalls(nodes), client: clientCalls(nodes) };
}

/** The node and all below it, in the order of the text. */
function withDescendants(node: Node, found: Node[] = []): Node[] {
  found.push(node);
  for (const value of Object.values(node)) {
    if (isNode(value)) withDescendants(value, found);
    else for (const child of listOf(value)) withDescendants(child, found);
  }
  return found;
}

function nodeOf(value: unknown): Node | undefined {
  return isNode(value) ? value : undefined;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

function named(node: unknown): string | undefined {
  return isNode(node) && typeof node['name'] === 'string' ? node['name'] : undefined;
}

function listOf(value: unknown): Node[] {
  return Array.isArray(value) ? value.filter(isNode) : [];
}

/** `new XCommand(...)`, `paginateX(...)`, `waitUntilX(...)` of an imported name. */
function awsCalls(nodes: readonly Node[]): string[] {
  const imported = new Map<string, { service: string; name: string }>();
  for (const node of nodes.filter(({ type }) => type === 'ImportDeclaration')) {
    const [, service] = AWS_PACKAGE.exec(String(nodeOf(node['source'])?.['value'])) ?? [];
    if (service === undefined) continue;
    for (const specifier of listOf(node['specifiers'])) {
      const name = named(specifier['imported']);
      if (name) imported.set(named(specifier['local']) ?? name, { service, name });
    }
  }
  return nodes
    .filter(({ type }) => type === 'NewExpression' || type === 'CallExpression')
    .flatMap((node) => imported.get(named(node['callee']) ?? '') ?? [])
    .flatMap(({ service, name }) => {
      const [, paginated, waited, command] =
        /^(?:paginate(\w+)|waitUntil(\w+)|(\w+)Command)$/.exec(name) ?? [];
      const operation =
        paginated ?? command ?? (waited && (waiters[waited] ?? `a waiter nobody knows: ${waited}`));
      return operation ? [`${service} ${operation}`] : [];
    });
}

/** Calls whose first argument is an endpoint: `request('GET /app')`, also with values filled in. */
function githubCalls(nodes: readonly Node[]): string[] {
  return nodes
    .filter(({ type }) => type === 'CallExpression')
    .flatMap((node) => textOf(listOf(node['arguments'])[0]) ?? [])
    .filter((text) => /^(GET|POST|PUT|PATCH|DELETE) \//.test(text))
    .map((text) => text.replaceAll(/\{[^}]*\}/g, '{}'));
}

function textOf(node: Node | undefined): string | undefined {
  if (node?.type === 'Literal' && typeof node['value'] === 'string') return node['value'];
  if (node?.type !== 'TemplateLiteral') return undefined;
  return listOf(node['quasis'])
    .map((quasi) => String(memberOf(quasi['value'], 'cooked')))
    .join('{}');
}

/** `zeroTrust.access.policies.list`, from calls on a variable named `client`. */
function clientCalls(nodes: readonly Node[]): string[] {
  const alias = new Map<string, string>();
  const pathOf = (node: unknown): string | undefined => {
    if (!isNode(node)) return undefined;
    const name = named(node);
    if (node.type === 'Identifier' && name) return alias.get(name) ?? name;
    const of = node.type === 'MemberExpression' && !node['computed'] ? pathOf(node['object']) : undefined;
    return of && `${of}.${named(node['property'])}`;
  };
  for (const node of nodes.filter(({ type }) => type === 'VariableDeclarator')) {
    const of = pathOf(node['init']);
    if (!of) continue;
    for (const property of listOf(nodeOf(node['id'])?.['properties'])) {
      const local = named(property['value']);
      if (local) alias.set(local, `${of}.${named(property['key'])}`);
    }
  }
  return nodes
    .filter(({ type }) => type === 'CallExpression')
    .flatMap((node) => /(?:^|\.)client\.(.+\..+)$/.exec(pathOf(node['callee']) ?? '')?.[1] ?? []);
}

/** Other variables called `client` than Cloudflare's client have no such methods. */
async function cloudflareRequests(methods: ReadonlySet<string>): Promise<Set<string>> {
  const requests = new Set<string>();
  let made = 0;
  const client = new Cloudflare({
    apiToken: 'none',
    maxRetries: 0,
    fetch: async (address, init) => {
      const { pathname } = new URL(address instanceof Request ? address.url : address);
      made += 1;
      requests.add(`${init?.method?.toUpperCase()} ${pathname.replace('/client/v4', '')}`);
      return Response.json({ success: true, errors: [], messages: [], result: [] });
    },
  });
  for (const method of methods) {
    const names = method.split('.');
    const owner = names.slice(0, -1).reduce<unknown>(memberOf, client);
    const call = memberOf(owner, names.at(-1) ?? '');
    if (typeof call !== 'function') continue;
    const before = made;
    // The same value serves as an id and as parameters; some take an account or a zone, but not both.
    for (const scope of [{ account_id: 'ID' }, { zone_id: 'ID' }]) {
      const any = { ...scope, script_name: 'ID', toString: () => 'ID' };
      await Promise.resolve()
        .then(() => call.call(owner, any, any))
        .catch(() => undefined);
      if (made > before) break;
    }
  }
  return requests;
}

function memberOf(owner: unknown, name: string): unknown {
  return typeof owner === 'object' && owner !== null ? Reflect.get(owner, name) : undefined;
}

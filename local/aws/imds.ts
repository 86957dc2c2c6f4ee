/**
 * The instance metadata service of one machine, version 2 only: without a token from `PUT /latest/api/token`
 * every path answers 401, as with `HttpTokens=required`.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
 *
 * It exists from power on to power off; a machine that is started again gets a new one. All machines can reach the
 * address on which it listens, but it answers only its own machine; another's connection is cut, because on EC2 that
 * address leads to a machine's own service only. Credentials are fetched per request: `credentials()` decides when
 * they are renewed, as the real service does some minutes before they expire.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { MachineMetadata } from './host-driver.ts';
import { listenOn } from './listen-on.ts';

export interface ImdsOptions {
  instanceId: string;
  /** If it is empty, the answer is 404, as for an instance without user data. */
  userData: string;
  region: string;
  zone: string;
  /** Undefined if the instance has no profile. */
  credentials(): RoleCredentials | undefined;
  /** Address and port; 0 for any. */
  listen: { host: string; port: number };
}

export interface RoleCredentials {
  roleName: string;
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string;
  /** Epoch milliseconds. */
  expiresAt: number;
}

const MAX_TOKEN_SECONDS = 21_600;

export interface Imds extends MachineMetadata {
  close(): Promise<void>;
}

export async function startImds(options: ImdsOptions): Promise<Imds> {
  let machine: string | undefined;
  const tokens = new Map<string, number>();

  function answer(request: IncomingMessage): {
    status: number;
    body: string;
    headers?: Record<string, string>;
  } {
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    if (request.method === 'PUT' && path === '/latest/api/token') return issueToken(request);
    if (request.method !== 'GET') return { status: 405, body: '' };
    const expiresAt = tokens.get(String(request.headers['x-aws-ec2-metadata-token'] ?? ''));
    if (expiresAt === undefined || expiresAt < Date.now()) return { status: 401, body: 'Unauthorized' };
    const body = metadata(path, options);
    return body === undefined ? { status: 404, body: 'Not Found' } : { status: 200, body };
  }

  function issueToken(request: IncomingMessage) {
    const seconds = Number(request.headers['x-aws-ec2-metadata-token-ttl-seconds']);
    // A request that came through a proxy is not from the machine itself.
    if (request.headers['x-forwarded-for']) return { status: 403, body: '' };
    if (!Number.isInteger(seconds) || seconds < 1 || seconds > MAX_TOKEN_SECONDS)
      return { status: 400, body: 'Bad Request' };
    const token = randomBytes(40).toString('base64url');
    tokens.set(token, Date.now() + seconds * 1000);
    return { status: 200, body: token, headers: { 'x-aws-ec2-metadata-token-ttl-seconds': String(seconds) } };
  }

  const server = createServer((request, response) => {
    const { status, body, headers } = answer(request);
    response.writeHead(status, { 'content-type': 'text/plain', ...headers }).end(body);
  });
  server.on('connection', (socket) => {
    if (socket.remoteAddress !== machine) socket.destroy();
  });
  const port = await listenOn(server, options.listen.host, options.listen.port);
  return {
    url: `http://${options.listen.host}:${port}`,
    answerOnly: (address) => {
      machine = address;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function metadata(path: string, options: ImdsOptions): string | undefined {
  const roles = '/latest/meta-data/iam/security-credentials';
  switch (path) {
    case '/latest/meta-data/instance-id':
      return options.instanceId;
    case '/latest/meta-data/placement/region':
      return options.region;
    case '/latest/meta-data/placement/availability-zone':
      return options.zone;
    case '/latest/user-data':
      return options.userData === '' ? undefined : options.userData;
    case '/latest/dynamic/instance-identity/document':
      return JSON.stringify({
        instanceId: options.instanceId,
        region: options.region,
        availabilityZone: options.zone,
      });
    case roles:
    case `${roles}/`:
      return options.credentials()?.roleName;
    default: {
      const credentials = path.startsWith(`${roles}/`) ? options.credentials() : undefined;
      return credentials && path === `${roles}/${credentials.roleName}`
        ? credentialsDocument(credentials)
        : undefined;
    }
  }
}

function credentialsDocument(credentials: RoleCredentials): string {
  return JSON.stringify({
    Code: 'Success',
    LastUpdated: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
    Type: 'AWS-HMAC',
    AccessKeyId: credentials.accessKeyId,
    SecretAccessKey: credentials.secretAccessKey,
    Token: credentials.sessionToken,
    Expiration: new Date(credentials.expiresAt).toISOString().replace(/\.\d+Z$/, 'Z'),
  });
}

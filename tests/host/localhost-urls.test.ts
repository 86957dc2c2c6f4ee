import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { composeProjectSchema } from '../../host/compose-project.ts';
import { localhostUrls } from '../../host/localhost-urls.ts';
import type { PlannedService } from '../../host/plan-services.ts';

const planned = (name: string, port: number, primary: boolean): PlannedService => ({
  name,
  port,
  primary,
  hostname: name,
  path: '/',
  upstream: `${name}:${port}`,
  tls: false,
  stripPrefix: false,
  networks: [],
});
const services = [planned('web', 3000, true), planned('api', 4000, false)];
const project = (environment: Record<string, string>, build?: unknown) =>
  v.parse(composeProjectSchema, {
    services: {
      web: { ports: [{ target: 3000, published: '3000' }], environment, build },
      api: { ports: [{ target: 4000, published: '4000' }] },
      db: { ports: [{ target: 5432, published: '5432' }] },
    },
  });

describe('addresses of the developer’s machine', () => {
  it('are told with what to write instead: localhost-url', () => {
    const file = join(import.meta.dirname, '../fixtures/answers/localhost-url/compose.yaml');
    const { environment } = parse(readFileSync(file, 'utf8')).services.web;
    const [warning, ...more] = localhostUrls(project(environment), services);
    expect(more).toEqual([]);
    const said = (name: string, better: string, address: string) =>
      `\`${name}\` of \`web\` is \`${address}\`, write \`$${`{${better}:-${address}}`}\``;
    expect(warning).toContain(said('NEXT_PUBLIC_API_URL', 'EPH_URL_API', 'http://localhost:4000'));
    expect(warning).toContain(said('NEXTAUTH_URL', 'EPH_URL', 'http://localhost:3000'));
  });

  it('are found in build arguments and inside longer values', () => {
    const found = localhostUrls(
      project(
        { ORIGINS: 'https://a.example,http://localhost:3000' },
        { args: { API: 'http://127.0.0.1:4000/v1' } },
      ),
      services,
    );
    expect(found.join()).toMatch(/`API` of `web` is `http:\/\/127\.0\.0\.1:4000`.*`ORIGINS` of `web`/);
  });

  it.each([
    ['a port that nobody publishes: the container’s own', 'http://localhost:9200'],
    ['a port that is no page', 'http://localhost:5432'],
    ['another name', 'http://localhost.example.com:3000'],
    ['no address', 'localhost:3000'],
  ])('are not: %s', (_, value) => {
    expect(localhostUrls(project({ X: value }), services)).toEqual([]);
  });
});

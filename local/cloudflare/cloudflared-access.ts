/**
 * cloudflared's own check of the Access token, where a rule asks for it (`originRequest.access.required` on
 * the rule itself). It reads the header only, never the cookie; any audience of the rule is enough.
 *
 * jose is loaded at the first such rule, so that the start stays short.
 */
import { request } from 'node:http';
import type { JSONWebKeySet } from 'jose';
import type { IngressAccess } from './ingress.ts';
import type { PushedConfiguration } from './tunnel-wire.ts';

/** `refused` is 403 with an empty body; `broken` (bad signature, expired, unknown team) is 502. */
export type AccessVerdict = 'fine' | 'refused' | 'broken';
export type AccessCheck = (
  access: IngressAccess,
  teams: PushedConfiguration['teams'],
  token: string | undefined,
) => Promise<AccessVerdict>;

export function createAccessCheck(edge: URL): AccessCheck {
  const keys = new Map<string, Promise<JSONWebKeySet>>();

  return async (access, teams, token) => {
    if (!access.required) return 'fine';
    if (token === undefined) return 'refused';
    const team = teams[access.teamName];
    if (!team) return 'broken';
    const { createLocalJWKSet, jwtVerify } = await import('jose');
    try {
      const known = keys.get(team.issuer) ?? fetchKeys(edge, team.certsHost, team.certsPath);
      keys.set(team.issuer, known);
      const options = { issuer: team.issuer, algorithms: ['RS256'] };
      const { payload } = await jwtVerify(token, createLocalJWKSet(await known), options);
      const audiences = [payload.aud ?? []].flat();
      return audiences.some((aud) => access.audTag.includes(aud)) ? 'fine' : 'refused';
    } catch {
      // The keys may be new, so they are fetched again the next time.
      keys.delete(team.issuer);
      return 'broken';
    }
  };
}

/** The team's name does not resolve on this machine: ask the edge for it by its Host header. */
function fetchKeys(edge: URL, host: string, path: string): Promise<JSONWebKeySet> {
  return new Promise((resolve, reject) => {
    request({ host: edge.hostname, port: edge.port, path, headers: { host } }, async (response) => {
      try {
        let text = '';
        for await (const chunk of response.setEncoding('utf8')) text += chunk;
        resolve(JSON.parse(text) as JSONWebKeySet);
      } catch (error) {
        reject(error);
      }
    })
      .on('error', reject)
      .end();
  });
}

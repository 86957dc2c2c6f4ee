import { howToSet, secretsAdvice } from './how-to-set.ts';

/**
 * What docker compose and Docker say, and what it means to a developer. Each row is a line of the test
 * table; the texts are those of docker compose 2.24-2.40 and Docker Engine 20.10-28. The first row of a
 * stage whose pattern matches wins, so the particular ones come before the general.
 *
 * A pattern sees one line, and takes a few steps for each of its characters whatever is in it
 * (`tests/host/pattern-steps.test.ts`): begin with words, not with `\S+`, and let no two repetitions meet.
 */
export interface FailedCommand {
  stage: 'planning' | 'pulling' | 'building' | 'starting';
  output: string;
  /** Absolute path of the checkout: messages name files relative to it. */
  root: string;
  /** The files that compose was told to read, relative to the checkout: its messages about YAML name no file. */
  files?: readonly string[];
  /** Services that are pulled, with their images. */
  images?: Readonly<Record<string, string>>;
  timedOutAfterMs?: number;
}

export type KnownError = {
  code: string;
  pattern: RegExp;
  /** Groups of the match, in order. */
  sentence: (groups: string[], command: FailedCommand) => string;
  /** The number of the group that is the service. */
  service?: number;
};

const everywhere: KnownError[] = [
  {
    code: 'disk-full',
    pattern: /no space left on device|disk quota exceeded/i,
    sentence: () =>
      "The preview's disk is full. Smaller images help (a `.dockerignore`, a multi-stage build); a new pull request has an empty disk of its own.",
  },
  {
    code: 'registry-limit',
    pattern: /toomanyrequests|too many requests|pull rate limit|429 Too Many/i,
    sentence: () =>
      'The registry refuses further pulls for now (rate limit). Push again in a while; images from another registry (ghcr.io, public.ecr.aws) have other limits.',
  },
  {
    code: 'no-engine',
    pattern: /Cannot connect to the Docker daemon|error during connect/i,
    sentence: () =>
      "Docker does not answer on the preview's machine. This is Eph's fault, not yours; another push tries again.",
  },
];

function composeFileOf({ files = [] }: FailedCommand): string {
  const names = files.map((file) => `\`${file}\``);
  if (names.length === 0) return 'The compose file';
  return names.length === 1 ? `The compose file ${names[0]}` : `One of the compose files ${names.join(', ')}`;
}

const planning: KnownError[] = [
  {
    code: 'env-file-missing',
    pattern: /(?:env file |open )(?=\S*\.env)(\S+?)(?: not found|: no such file)/i,
    sentence: ([file]) =>
      `The compose file reads \`${file}\` (\`env_file\`), which is not in the repository. Commit one for previews, or mark it \`required: false\`; ${secretsAdvice}.`,
  },
  {
    code: 'variable-required',
    pattern: /interpolating services\.([^.\s]+)\.\S*: required variable (\S+) is missing a value(?:: (.*))?/,
    service: 0,
    sentence: ([service, name, says]) =>
      `\`${service}\` needs the variable \`${name}\`${says ? ` ("${says.trim()}")` : ''}. ${howToSet([name ?? ''])}`,
  },
  {
    code: 'variable-required',
    pattern: /required variable (\S+) is missing a value(?:: (.*))?/,
    sentence: ([name, says]) =>
      `The compose file needs the variable \`${name}\`${says ? ` ("${says.trim()}")` : ''}. ${howToSet([name ?? ''])}`,
  },
  {
    code: 'volume-spec',
    pattern: /invalid spec: (\S+): empty section between colons/,
    sentence: ([spec]) =>
      `A volume is written \`${spec}\`: the variable in front of the colon has no value. Set it under \`env\` in eph.yaml, or give it a default in the compose file (\`\${DATA:-./data}\`).`,
  },
  {
    code: 'port-spec',
    pattern: /no port specified: (\S+?)(?:<empty>)?$/im,
    sentence: ([spec]) => `A port is written \`${spec}\`: it has no number for the container's side.`,
  },
  {
    code: 'depends-on-missing',
    pattern: /service "([^"]+)" depends on undefined service "?([^":\s]+)"?/,
    service: 0,
    sentence: ([service, other]) =>
      `\`${service}\` depends on \`${other}\`, which does not exist or is behind a profile that is not switched on. Set \`COMPOSE_PROFILES\` under \`env\` in eph.yaml, or make the dependency \`required: false\`.`,
  },
  {
    code: 'file-missing',
    pattern: /(?:open|stat|lstat) ([^\s:]+): no such file or directory/,
    sentence: ([file]) =>
      `The compose file refers to \`${file}\` (\`extends\`, \`include\` or \`env_file\`), which is not in the repository at this commit.`,
  },
  {
    code: 'yaml',
    pattern: /(?<![\w.])yaml: (?:line (\d+)[:,] ?)?(.+)/,
    sentence: ([line, says], command) =>
      `${composeFileOf(command)} is not valid YAML${line ? ` (line ${line})` : ''}: ${says}.`,
  },
  {
    code: 'compose-empty',
    pattern: /^empty compose file$/m,
    sentence: (_none, command) => `${composeFileOf(command)} is empty: it has no services.`,
  },
  {
    code: 'compose-invalid',
    pattern: /(?<![\w.])services\.([^.\s]+)(?:\.(\S*))? (.+)/,
    service: 0,
    sentence: ([service, key, says]) =>
      `The compose file is not valid: \`${key ? `${service}.${key}` : service}\` ${says}.`,
  },
];

const pulling: KnownError[] = [
  {
    code: 'image-not-found',
    pattern:
      /(?:manifest for (\S+) not found|(?<!\S)(\S+): not found|failed to resolve reference "([^"]+)": .*not found)/i,
    sentence: (groups) =>
      `The image \`${groups.find((group) => group) ?? ''}\` does not exist in its registry. Check its name and tag.`,
  },
  {
    code: 'image-denied',
    pattern:
      /pull access denied for (\S+?),|(?:failed to resolve reference "([^"]+)".*(?:403|401|denied|unauthorized))/i,
    sentence: (groups) =>
      `The image \`${groups.find((group) => group) ?? ''}\` does not exist, or is private. Previews pull without a login: make it public, or build it from the repository.`,
  },
  {
    code: 'image-platform',
    pattern: /no matching manifest for (\S+)/i,
    sentence: ([platform]) => `An image has no variant for \`${platform}\`, which is what previews run on.`,
  },
  {
    code: 'registry-unreachable',
    pattern: /"https?:\/\/([^/"]+)[^"]*": .*(?:dial tcp|lookup|TLS handshake|timeout|connection refused|EOF)/,
    sentence: ([registry]) => `The registry \`${registry}\` could not be reached from the preview's machine.`,
  },
  {
    code: 'registry-unreachable',
    pattern: /(?:dial tcp|lookup|TLS handshake|i\/o timeout|connection refused|EOF)/,
    sentence: () => "A registry could not be reached from the preview's machine.",
  },
];

const building: KnownError[] = [
  {
    // The resolver never got an answer, for whatever reason; Docker 20.10 says only this.
    code: 'registry-unreachable',
    pattern:
      /failed to do request: [A-Z][a-z]{2,6} "https?:\/\/([^/"]{1,250})\/v2\/([^"]{1,300})\/manifests\/([^"]{1,200})"/,
    sentence: ([registry, repository, tag]) =>
      `The registry \`${registry}\` of the image \`${repository?.replace(/^library\//, '')}:${tag}\`, which a Dockerfile starts from, could not be reached from the preview's machine.`,
  },
  {
    code: 'registry-unreachable',
    pattern:
      /failed to resolve source metadata for (\S{1,300}): (?!\S{1,300}: not found)[^\n]{0,600}?(?:dial tcp|lookup |TLS handshake|timeout|connection re(?:fused|set)|EOF|: 5\d\d |50\d (?:Internal|Bad|Service|Gateway))/,
    sentence: ([image]) =>
      `The registry of the image \`${image}\`, which a Dockerfile starts from, could not be reached from the preview's machine.`,
  },
  {
    code: 'dockerfile-missing',
    pattern:
      /failed to read dockerfile: open ([^\s:]+): no such file|unable to evaluate symlinks in Dockerfile path: lstat ([^\s:]+)/,
    sentence: (groups) =>
      `The Dockerfile \`${groups.find((group) => group) ?? ''}\` is not in the repository. Check \`build.dockerfile\`.`,
  },
  {
    code: 'context-missing',
    pattern:
      /(?:unable to prepare context: path "?([^"\s]+)"? not found|resolve : lstat ([^\s:]+): no such file|build path (\S+) either does not exist)/,
    sentence: (groups) =>
      `The build context \`${groups.find((group) => group) ?? ''}\` is not in the repository. Check \`build\`.`,
  },
  {
    code: 'build-target',
    pattern: /target stage "?([^"\s]+)"? could not be found/,
    sentence: ([target]) => `The Dockerfile has no stage \`${target}\` (\`build.target\`).`,
  },
  {
    code: 'copy-missing',
    pattern: /failed to (?:calculate checksum of ref|compute cache key)[^\n]*?"?(\/[^":\s]+)"?:? not found/,
    sentence: ([path]) =>
      `The Dockerfile copies \`${path}\`, which is not in the build context. It may be missing from the repository, or listed in .dockerignore.`,
  },
  {
    code: 'base-image',
    pattern:
      /(?:failed to resolve source metadata for |pull access denied for |(?:^|\s)(?=\S+[:/]\S))([^\s,]+)(?:,[^\n]*)?: not found/m,
    sentence: ([image]) =>
      `The image \`${image}\` that the Dockerfile starts from does not exist in its registry. Check its name and tag.`,
  },
];

const starting: KnownError[] = [
  {
    code: 'network-missing',
    pattern: /network (\S+) (?:declared as external, but could not be found|not found)/,
    sentence: ([name]) =>
      `The network \`${name}\` is \`external\`: it must exist before, and on a fresh machine it does not. Let compose make it (take \`external: true\` away).`,
  },
  {
    code: 'volume-missing',
    pattern: /(?:external )?volume "?([^"\s]+)"? (?:declared as external, but could not be found|not found)/,
    sentence: ([name]) =>
      `The volume \`${name}\` is \`external\`: it must exist before, and on a fresh machine it does not. Let compose make it (take \`external: true\` away).`,
  },
  {
    code: 'mount-missing',
    pattern: /bind source path does not exist: (\S+)/,
    sentence: ([file]) =>
      `\`${file}\` is mounted (as a volume, secret or config), but it is not in the repository.`,
  },
  {
    code: 'mount-not-a-file',
    pattern: /error mounting "([^"]+)"[^\n]*not a directory/,
    sentence: ([file]) =>
      `\`${file}\` is mounted where a file is expected, but it is not a file in the repository.`,
  },
  {
    code: 'port-in-use',
    pattern:
      /(?:bind for|listen tcp\d?:?) \S*?:(\d+)[^\n]*(?:port is already allocated|address already in use)/i,
    sentence: ([port]) =>
      `Port ${port} of the machine is in use already. A service with \`network_mode: host\` may have taken it.`,
  },
  {
    code: 'dependency-failed',
    pattern: /dependency failed to start: container \/?eph-(.+?)-\d+ (is unhealthy|exited \(\d+\))/,
    service: 0,
    sentence: ([service, how]) =>
      `\`${service}\`, which other services wait for, ${how === 'is unhealthy' ? 'never passed its health check' : how}.`,
  },
  {
    code: 'dependency-failed',
    pattern: /service "([^"]+)" didn't complete successfully: exit (\d+)/,
    service: 0,
    sentence: ([service, code]) => `\`${service}\`, which other services wait for, ended with code ${code}.`,
  },
  {
    code: 'command-missing',
    pattern:
      /exec: "([^"]+)": (?:executable file not found in \$PATH|stat [^\n]*no such file|permission denied)/,
    sentence: ([command]) =>
      `A container could not be started: it has no command \`${command}\`, or it is not executable (\`chmod +x\`, committed).`,
  },
  {
    code: 'address-pool',
    pattern: /Pool overlaps with other one|could not find an available.*address pool/i,
    sentence: () =>
      "A network of the compose file asks for addresses that are taken on the preview's machine. Leave `ipam` out.",
  },
];

export const knownErrors: Record<FailedCommand['stage'], KnownError[]> = {
  planning: [...everywhere, ...planning],
  pulling: [...everywhere, ...pulling],
  building: [...everywhere, ...building],
  starting: [...everywhere, ...starting, ...pulling],
};

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const script = join(import.meta.dirname, '../../dev/install.sh');

const pinsFile = join(import.meta.dirname, '../../packer/pins.env');

/** A bare Debian machine under root, as functions that stand before the script's own. */
const BARE_DEBIAN = `
  is_debian() { return 0; }
  id() { echo 0; }
  uname() { echo Linux; }
  missing() { [[ -e "$EPH_TOOLS/installed" ]] || printf 'docker.io apt\\niptables apt\\ndocker-compose plugin\\ndocker-registry unpack\\n'; }
  apt_install() { echo "apt_install $*"; }
  install_plugin() { echo "install_plugin $*"; }
  unpack() { echo "unpack $*"; touch "$EPH_TOOLS/installed"; }
  dockerd() { echo 'Docker version 26.1.5, build a72d7cd'; }
  docker() { sed -n "s/^\${1^^}_VERSION=v//p" '${pinsFile}'; }
`;

describe('dev/install.sh', () => {
  let tools: string;

  beforeEach(async () => {
    tools = await mkdtemp(join(tmpdir(), 'eph-install-'));
  });
  afterEach(() => rm(tools, { recursive: true, force: true }));

  /** Sources the script, replaces some of its functions, runs `then` without a terminal. */
  async function run(functions: string, then: string, env: Record<string, string> = {}) {
    const { CI: _ci, YES: _yes, ...inherited } = process.env;
    return new Promise<{ code: number; output: string }>((resolve) => {
      const child = execFile(
        'bash',
        ['-c', `source '${script}'; ${functions}\n${then}`],
        { env: { ...inherited, EPH_TOOLS: tools, ...env } },
        (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, output: stdout + stderr }),
      );
      child.stdin?.end();
    });
  }

  it('says when compose or buildx differ from those of the hosts', async () => {
    const pins = await readFile(pinsFile, 'utf8');
    const [, compose] = /^COMPOSE_VERSION=v(.+)$/m.exec(pins) ?? [];
    const [, buildx] = /^BUILDX_VERSION=v(.+)$/m.exec(pins) ?? [];
    const versions = (one: string, other: string) =>
      run(
        `docker() { [[ $1 == compose ]] && echo 'Docker Compose version ${one}' || echo 'github.com/docker/buildx ${other}+ds1'; }`,
        'say_other_versions',
      );
    expect((await versions(`${compose}-3`, `${buildx}`)).output).toBe('');
    expect((await versions('2.26.1-4', `${buildx}`)).output).toBe(
      `install: docker compose is 2.26.1 here, hosts have ${compose} (packer/pins.env): what differs between them is not tested\n`,
    );
  });

  it.each([
    ['2.24.0', true],
    ['v2.24.5', true],
    ['2.26.1-4', true],
    ['2.100.0+ds1', true],
    ['5.0.0', true],
    ['2.23.9', false],
    ['2.3.3', false],
    ['1.29.2', false],
    ['', false],
    ['unknown', false],
  ])('takes compose %s for new enough: %s', async (version, enough) => {
    const { code } = await run('', `version_at_least '${version}' 2.24`);
    expect(code === 0).toBe(enough);
  });

  it('changes nothing and says nothing where nothing is missing', async () => {
    expect(await run(`${BARE_DEBIAN} missing() { :; }`, 'main', { YES: '1' })).toEqual({
      code: 0,
      output: '',
    });
    expect(await readdir(tools)).toEqual([]);
  });

  it('says what it would install and stops where nobody can be asked', async () => {
    const { code, output } = await run(BARE_DEBIAN, 'main');
    expect(code).toBe(1);
    expect(output).toContain('installed with apt: docker.io iptables');
    expect(output).toContain('docker-compose');
    expect(output).toContain('run it again with YES=1');
    expect(output).not.toContain('apt_install');
    expect(await readdir(tools)).toEqual([]);
  });

  it.each([{ YES: '1' }, { CI: 'true' }])(
    'installs what is missing with %o, and nothing the second time',
    async (env) => {
      const first = await run(BARE_DEBIAN, 'main', env);
      expect(first.code).toBe(0);
      expect(first.output).toMatch(
        /apt_install docker.io iptables\ninstall_plugin docker-compose\nunpack docker-registry\n/,
      );
      expect(first.output).toContain('install: done: Docker version 26.1.5, compose 2.40.3');
      expect(await run(BARE_DEBIAN, 'main', env)).toEqual({ code: 0, output: '' });
    },
  );

  it('names what is still missing after an install that had no effect', async () => {
    const { code, output } = await run(`${BARE_DEBIAN} unpack() { :; }`, 'main', { YES: '1' });
    expect(code).toBe(1);
    expect(output).toContain(
      'still missing after the install: docker.io iptables docker-compose docker-registry',
    );
  });

  it('names what is missing where it cannot install it', async () => {
    const elsewhere = await run(`${BARE_DEBIAN} is_debian() { return 1; }`, 'main', { YES: '1' });
    expect(elsewhere.code).toBe(1);
    expect(elsewhere.output).toContain(
      'missing on this machine: docker.io iptables docker-compose docker-registry',
    );
  });

  it.each([
    ['a person without root', 'id() { echo 1000; }', 'sudo make demo'],
    ['macOS', 'uname() { echo Darwin; }', 'docker run --rm -it --privileged'],
  ])('says how to run it, and changes nothing, for %s', async (_who, functions, way) => {
    const { code, output } = await run(`${BARE_DEBIAN} ${functions}`, 'main', { YES: '1' });
    expect(code).toBe(1);
    expect(output).toContain('needs Linux and root');
    expect(output).toContain(way);
    expect(await readdir(tools)).toEqual([]);
  });

  it('waits for another apt and says so once', async () => {
    const functions = `
      sleep() { :; }
      apt-get() {
        echo run >>"$EPH_TOOLS/runs"
        (( $(wc -l <"$EPH_TOOLS/runs") < 3 )) || return 0
        echo 'E: Could not get lock /var/lib/apt/lists/lock. It is held by process 4711 (apt-get)'; return 100
      }`;
    const { code, output } = await run(functions, 'run_apt update');
    expect(code).toBe(0);
    expect(output.match(/another apt is running/g)).toHaveLength(1);
    expect(await readFile(join(tools, 'runs'), 'utf8')).toBe('run\nrun\nrun\n');
  });

  it('stops waiting for a lock after its limit and names its holder', async () => {
    const functions = `
      lock_wait_seconds=0
      apt-get() { echo 'E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 4711 (dpkg)'; return 100; }`;
    const { code, output } = await run(functions, 'run_apt install git');
    expect(code).toBe(1);
    expect(output).toContain('held by process 4711 (dpkg)');
  });

  it('installs although a third-party source does not answer, after fetching lists that were empty', async () => {
    const functions = `
      dpkg() { :; }
      apt-get() {
        if [[ " $* " == *' update '* || " $* " == *' update' ]]; then
          touch "$EPH_TOOLS/lists"; echo 'E: Failed to fetch https://third.example/InRelease'; return 100
        fi
        [[ -e $EPH_TOOLS/lists ]] || { echo 'E: Unable to locate package docker.io'; return 100; }
      }`;
    const { code, output } = await run(functions, 'apt_install docker.io');
    expect(code).toBe(0);
    expect(output).toContain('apt-get update reported: E: Failed to fetch');
  });

  it('quotes apt when a package cannot be installed', async () => {
    const functions = `dpkg() { :; }; apt-get() { echo 'E: Unable to locate package docker.io'; return 100; }`;
    const { code, output } = await run(functions, 'apt_install docker.io');
    expect(code).toBe(1);
    expect(output).toContain('apt could not install docker.io: E: Unable to locate package docker.io');
  });

  it('repairs packages that a killed run left half configured', async () => {
    const functions = `
      dpkg() { if [[ $1 == --audit ]]; then echo 'half configured'; else echo "$*" >"$EPH_TOOLS/dpkg"; fi; }
      apt-get() { :; }`;
    expect((await run(functions, 'apt_install docker.io')).code).toBe(0);
    expect(await readFile(join(tools, 'dpkg'), 'utf8')).toBe('--configure -a\n');
    expect(existsSync(join(tools, 'install.log'))).toBe(true);
  });
});

import { spawnSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

const packer = join(import.meta.dirname, '../../packer');

type Block = Record<string, unknown>;

/** HCL as JSON: every block is an array, expressions stay text. Only what is asked here. */
interface Template {
  data: Record<string, Record<string, Block[]>>;
  variable: Record<string, [{ validation?: [{ condition: string }] }]>;
  locals: [{ tags: Record<string, string> }];
  build: [{ provisioner: { shell: { inline: string[] }[] } }];
  source: Record<string, Record<string, Block[]>>;
}
/** By require: its types ask for `lib.dom`, and with it the whole program would be a browser's. */
const { parse }: { parse(name: string, text: string): Promise<unknown> } = createRequire(import.meta.url)(
  '@cdktf/hcl2json',
);
let template: Template;
let host: Block;
let plugins: unknown;
let source: string;
beforeAll(async () => {
  source = await readFile(join(packer, 'host.pkr.hcl'), 'utf8');
  template = (await parse('host.pkr.hcl', source)) as Template;
  host = template.source['amazon-ebs']?.['host']?.[0] ?? {};
  plugins = await parse('plugins.pkr.hcl', await readFile(join(packer, 'plugins.pkr.hcl'), 'utf8'));
});

describe('the machine image', () => {
  it('is made of Amazon Linux 2023, by Amazon’s own pointer, for both architectures', () => {
    const [data] = template.data['amazon-parameterstore']?.['amazon_linux'] ?? [];
    expect(data?.['name']).toContain('/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-');
    expect(template.variable['architecture']?.[0].validation?.[0].condition).toContain('["x86_64", "arm64"]');
  });

  it('answers metadata to version 2 only and one hop far, and so does the machine that bakes it', () => {
    expect(host['imds_support']).toBe('v2.0');
    expect(host['metadata_options']).toEqual([
      { http_endpoint: 'enabled', http_tokens: 'required', http_put_response_hop_limit: 1 },
    ]);
  });

  it('is encrypted, on gp3, and smaller than a host’s disk', () => {
    expect(host['launch_block_device_mappings']).toMatchObject([
      { encrypted: true, volume_type: 'gp3', volume_size: 8, delete_on_termination: true },
    ]);
  });

  it('carries the deployment’s mark and what it is made of, as do its snapshot and the machine', () => {
    for (const kind of ['tags', 'snapshot_tags', 'run_tags', 'run_volume_tags']) {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: HCL's own
      expect(host[kind]).toBe('${local.tags}');
    }
    expect(Object.keys(template.locals[0].tags)).toEqual(['Name', 'eph:deployment', 'eph:inputs']);
  });

  it('lets in ssh from where it is baked only', () => {
    expect(host['temporary_security_group_source_public_ip']).toBe(true);
    expect(source).not.toContain('0.0.0.0/0');
  });

  it('ends with the self-check, after which nothing is installed', () => {
    const { provisioner } = template.build[0];
    const last = provisioner.shell.at(-1)?.inline.at(-1);
    expect(last).toContain('--seal');
  });

  it('pins its plugin exactly', () => {
    expect(JSON.stringify(plugins)).toMatch(/"version":"= \d+\.\d+\.\d+"/);
  });

  it('has no default for what says whose it is', () => {
    for (const name of ['deployment_id', 'region', 'subnet_id', 'instance_type', 'inputs']) {
      expect(template.variable[name]?.[0]).not.toHaveProperty('default');
    }
  });
});

describe('provision.sh', () => {
  const script = join(packer, 'provision.sh');
  /** Its functions, without running it. */
  const run = (body: string) => {
    const { status, stdout, stderr } = spawnSync('bash', ['-c', `. ${script}; ${body}`], {
      encoding: 'utf8',
    });
    return { status, output: stdout + stderr };
  };

  it('refuses what has no pin, and says how to get one', () => {
    const { status, output } = run('pinned node');
    expect(status).toBe(1);
    expect(output).toContain('no address and checksum of node');
    expect(output).toContain('make pin');
  });

  it('takes the pin of this machine, and refuses one that is not https or not a checksum', () => {
    const machine = spawnSync('uname', ['-m'], { encoding: 'utf8' }).stdout.trim().toUpperCase();
    const pin = (url: string, sha256: string) =>
      run(`NODE_${machine}_URL=${url} NODE_${machine}_SHA256=${sha256}; pinned node; echo "$url $sha256"`);
    const sha256 = 'a'.repeat(64);
    expect(pin('https://nodejs.org/x', sha256)).toEqual({
      status: 0,
      output: `https://nodejs.org/x ${sha256}\n`,
    });
    expect(pin('http://nodejs.org/x', sha256).status).toBe(1);
    expect(pin('https://nodejs.org/x', 'abc').status).toBe(1);
  });

  it('never installs what does not have its checksum', () => {
    const { status, output } = run(`
      curl() { while (($# > 1)); do [[ $1 != --output ]] || echo tampered >"$2"; shift; done; }
      pinned() { url=https://example.org/node sha256=${'a'.repeat(64)}; }
      folder=$(mktemp -d); fetch node "$folder/node"; ls "$folder"`);
    expect(status).toBe(1);
    expect(output).toContain('is not what its vendor published');
  });

  it.each([
    ['3.3.2746.0', true],
    ['3.3.3270.0', true],
    ['3.10.0.0', true],
    ['3.3.2745.9', false],
    ['3.3.987.0', false],
  ])('knows whether SSM agent %s hands parameters over as variables', (version, enough) => {
    expect(run(`rpm() { echo ${version}; }; ssm_agent_is_new_enough`).status === 0).toBe(enough);
  });

  it('makes swap with what Amazon Linux’s mkswap knows, once, whatever was interrupted before', () => {
    const { status, output } = run(`
      T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
      dd() { echo written >"$T/swap.new"; }
      mkswap() { [[ $# == 1 && -e $1 ]] || { echo "mkswap: unrecognized option"; return 1; }; }
      echo 'UUID=1 / xfs defaults 0 0' >"$T/fstab"
      echo half >"$T/swap.new"
      add_swap "$T/swap" "$T/fstab"
      add_swap "$T/swap" "$T/fstab"
      ls "$T"; stat -c %a "$T/swap"; cat "$T/swap"; sed "s#$T##" "$T/fstab"`);
    expect(output).toBe(
      'provision: swap\nfstab\nswap\n600\nwritten\nUUID=1 / xfs defaults 0 0\n/swap none swap sw 0 0\n',
    );
    expect(status).toBe(0);
  });

  it('makes no image of a machine whose check fails', () => {
    const { status, output } = run('check() { failed=1; }; cloud-init() { echo cleaned; }; seal');
    expect(status).toBe(1);
    expect(output).toContain('no image is made of it');
    expect(output).not.toContain('cleaned');
  });
});

describe('the units of a host', () => {
  const read = (name: string) => readFile(join(packer, 'files', name), 'utf8');

  it('start the agent again whenever it ends, for as long as the machine runs', async () => {
    const unit = await read('eph-bootstrap.service');
    expect(unit).toContain('Restart=always');
    expect(unit).toContain('StartLimitIntervalSec=0');
    // A requirement that fails to start would keep it from ever starting.
    expect(unit).not.toMatch(/^(Requires|BindsTo|Requisite)=/m);
  });

  it('load the metadata rule before docker starts what was running, after the network of either cloud-init', async () => {
    const unit = await read('eph-metadata-rule.service');
    expect(unit).toContain('Before=docker.service');
    expect(unit).toContain('After=cloud-init.service cloud-init-network.service');
  });

  it('look at the metadata rule at every start of the agent, which alone may open the way', async () => {
    expect(await read('eph-bootstrap.service')).toContain(
      'ExecStartPre=/usr/local/lib/eph/eph-metadata-rule --agent',
    );
    expect(await read('ssm-agent-gate.conf')).toMatch(
      /^ExecStartPre=\/usr\/local\/lib\/eph\/eph-metadata-rule$/m,
    );
  });

  it('keep the SSM agent waiting until SSM can be reached, in the slice that may have credentials', async () => {
    const gate = await read('ssm-agent-gate.conf');
    expect(gate).toContain('ExecStartPre=/usr/local/lib/eph/wait-for-ssm');
    expect(gate).toContain('Slice=eph.slice');
  });

  it('are all installed, where systemd and docker look for them', async () => {
    // The sources of each call of `install`, and where they go. A restricted shell redirects into no file, so that
    // nothing is written on this machine.
    const { stdout } = spawnSync(
      'bash',
      [
        '-c',
        `. ${join(packer, 'provision.sh')}
        install() {
          local to=\${*: -1} word
          for word in "\${@:1:$#-1}"; do [[ $word != /from/files/* ]] || echo "\${word##*/} $to"; done
        }
        set -r
        install_files /from`,
      ],
      { encoding: 'utf8' },
    );
    const installed = Object.fromEntries(
      stdout
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => line.split(' ')),
    );
    expect(installed).toEqual({
      'eph-metadata-rule': '/usr/local/lib/eph/eph-metadata-rule',
      'wait-for-ssm': '/usr/local/lib/eph/wait-for-ssm',
      'daemon.json': '/etc/docker/daemon.json',
      'eph-bootstrap.service': '/etc/systemd/system/',
      'eph-metadata-rule.service': '/etc/systemd/system/',
      'eph.slice': '/etc/systemd/system/',
      'ssm-agent-gate.conf': '/etc/systemd/system/amazon-ssm-agent.service.d/eph.conf',
    });
    expect(Object.keys(installed).toSorted()).toEqual((await readdir(join(packer, 'files'))).toSorted());
  });
});

describe('the metadata rule', () => {
  const print = (cgroups: string) =>
    spawnSync(join(packer, 'files/eph-metadata-rule'), ['--print'], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], CGROUPS: cgroups },
    }).stdout;

  it('refuses everybody, containers behind a bridge included, while the slice is not there', () => {
    const rules = print('/nonexistent');
    expect(rules).not.toContain('accept\n    ip');
    expect(rules).not.toContain('socket cgroupv2');
    expect(rules.match(/ip daddr 169\.254\.169\.254 reject/g)).toHaveLength(2);
  });

  it('lets the slice in before it refuses the rest', async () => {
    const folder = join(packer, 'files');
    const rules = spawnSync(
      'bash',
      ['-c', `mkdir -p $T/eph.slice && CGROUPS=$T ${folder}/eph-metadata-rule --print; rm -rf $T`],
      {
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], T: `/tmp/eph-cgroups-${process.pid}` },
      },
    ).stdout;
    const allowed = rules.indexOf('socket cgroupv2 level 1 "eph.slice" accept');
    expect(allowed).toBeGreaterThan(0);
    expect(rules.indexOf('169.254.169.254 reject')).toBeGreaterThan(allowed);
  });

  /** A machine: what its kernel can, and who is answered by the metadata service. */
  const machine = `
    T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
    export CGROUPS=$T EPH_METADATA_RULE=$T/state
    mkdir "$T/eph.slice"
    . ${join(packer, 'files/eph-metadata-rule')}
    nft() {
      if [[ $1 == delete ]]; then rm -f "$T/nft"; return; fi
      local rules; rules=$(cat)
      if [[ $rules == *socket* && $CAN != *nft* ]]; then echo "No such file or directory"; return 1; fi
      [[ $rules == *socket* ]] && echo slice >"$T/nft" || echo nobody >"$T/nft"
    }
    iptables-restore() {
      local rules; rules=$(cat)
      [[ $rules == *'-m cgroup --path eph.slice -j RETURN'*REJECT* && $CAN == *iptables* ]] || { echo "No chain"; return 1; }
      echo slice >"$T/iptables.rules"
    }
    iptables() {
      case $* in
        *--check*) return 1 ;;
        *'--insert OUTPUT'*) mv "$T/iptables.rules" "$T/iptables" ;;
        *--delete*) rm -f "$T/iptables" ;;
      esac
    }
    # Asked by is_closed, outside of the slice.
    curl() { [[ $CAN == *lies* || ( ! -e $T/nft && ! -e $T/iptables ) ]]; }
    docker() { echo "docker $*" >>"$T/docker"; [[ $CAN != *nodocker* ]] || return 1; [[ $1 != ps ]] || echo abc; }
    xargs() { cat >/dev/null; "$@"; }
    is_in() { printf '%s=%s ' "$1" "$(cat "$T/$1" 2>/dev/null || echo none)"; }
    after() { is_in nft; is_in iptables; is_in state; echo; }
  `;
  const start = (can: string, body: string) => {
    const { stdout, status } = spawnSync('bash', ['-c', `${machine}\n${body}`], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], CAN: can },
    });
    return { status, said: stdout, last: stdout.trim().split('\n').at(-1) };
  };

  it.each([
    ['nft iptables', 'nft=slice iptables=none state=nft'],
    ['iptables', 'nft=none iptables=slice state=iptables'],
  ])('is set in the form that the kernel has: %s', (can, state) => {
    expect(start(can, 'main --agent; after')).toMatchObject({ status: 0, last: state });
  });

  it('keeps everybody out until the agent starts where no form can be set', () => {
    expect(start('', 'main; after').last).toBe(
      'nft=nobody iptables=none state=closed No such file or directory; No chain',
    );
  });

  it('opens the way for the agent then, after containers in the host network are gone, and says so', () => {
    const { said, last } = start('', 'main; main --agent; cat "$T/docker"; after');
    expect(said).toContain('docker ps --all --quiet --filter network=host\ndocker rm --force\n');
    expect(last).toBe('nft=none iptables=none state=none No such file or directory; No chain');
    // The SSM agent's start, later.
    expect(start('', 'main --agent; main; after').last).toContain('nft=none iptables=none state=none');
  });

  it('stays shut while docker does not say what runs', () => {
    expect(start('nodocker', 'main; main --agent || after').last).toContain(
      'nft=nobody iptables=none state=closed',
    );
  });

  it('is tried, not believed: rules that do not hold are no rule', () => {
    expect(start('nft iptables lies', 'main --agent; after').last).toContain('state=none');
  });
});
